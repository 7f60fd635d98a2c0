//! The configuration: where the service is. What goes where stands in the messages.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::ConfigError;
use millstream_plugin::http::Address;
use serde::Deserialize;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
}

/// Checks the configuration as a whole.
///
/// # Errors
///
/// What is wrong, by its field.
pub(crate) fn place(config: Config) -> Result<Place, ConfigError> {
    let variant = Variant {
        fips: config.use_fips,
        dual_stack: config.use_dual_stack,
    };
    Place::new("sitewise", config.region, config.endpoint, variant)
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    fn wrong_field(json: &str) -> (String, String) {
        let error = parse::<Config>(json).and_then(place).unwrap_err();
        (error.field.unwrap(), error.message)
    }

    #[test]
    fn a_region_is_enough() {
        let config = parse::<Config>(r#"{"region": "eu-central-1"}"#).unwrap();
        assert_eq!(place(config).unwrap().region().as_str(), "eu-central-1");
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            ("{}", "region"),
            (r#"{"region": "EU"}"#, "region"),
            (r#"{"region": "x", "endpoint": "b"}"#, "endpoint"),
            (
                r#"{"region": "x", "endpoint": "http://b", "useDualStack": true}"#,
                "useDualStack",
            ),
            (r#"{"region": "x", "useFIPS": true}"#, "useFIPS"),
        ] {
            assert_eq!(wrong_field(json).0, expected, "{json}");
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let (_, message) = wrong_field(r#"{"?????????????????????": 1}"#);
        let listed = message
            .trim_end_matches('.')
            .rsplit_once(" are ")
            .unwrap()
            .1;
        let mut listed: Vec<&str> = listed.split(", ").collect();
        listed.sort_unstable();
        assert_eq!(listed, properties.keys().collect::<Vec<_>>());
    }
}
