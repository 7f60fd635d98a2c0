//! What the host says of AWS, as defaults for the plugins that ask for it (`wit/exporter.wit`).
//!
//! No plugin is known by its name here: one that asks for an AWS service, and whose schema has the keys,
//! gets them.

use millstream_runtime::Description;
use serde_json::{Map, Value};

use crate::config::Aws;

const ENDPOINT: &str = "endpoint";
/// They choose among the services' own addresses, so they and `endpoint` exclude each other.
const SWITCHES: [&str; 2] = ["useFips", "useDualStack"];

/// The keys and values of `[aws]` that plugins are handed; a switch that is off is left out.
#[derive(Debug, Default)]
pub(super) struct AwsDefaults(Vec<(&'static str, Value)>);

impl AwsDefaults {
    pub(super) fn of(aws: &Aws) -> Self {
        let region = aws.region.as_ref().map(|region| region.as_str().into());
        let endpoint = aws.endpoint.as_ref().map(|url| url.as_str().into());
        let on = |switch: bool| switch.then_some(Value::Bool(true));
        let [fips, dual_stack] = SWITCHES;
        let keys = [
            ("region", region),
            (ENDPOINT, endpoint),
            (fips, on(aws.use_fips)),
            (dual_stack, on(aws.use_dual_stack)),
        ];
        let set = keys
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        Self(set.collect())
    }

    /// Adds to a configuration what it does not set itself and the plugin takes.
    pub(super) fn fill(&self, config: &mut Map<String, Value>, description: &Description) {
        if description.wants.aws_services.is_empty() {
            return;
        }
        let Some(known) = description.config_schema["properties"].as_object() else {
            return;
        };
        let has_address = config.contains_key(ENDPOINT);
        let has_switch = SWITCHES.iter().any(|switch| {
            config
                .get(*switch)
                .is_some_and(|on| *on != Value::Bool(false))
        });
        for (key, value) in &self.0 {
            let excluded = match *key {
                ENDPOINT => has_switch,
                key => has_address && SWITCHES.contains(&key),
            };
            if known.contains_key(*key) && !config.contains_key(*key) && !excluded {
                config.insert((*key).into(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_runtime::{BatchLimits, Wants};
    use serde_json::json;

    use super::*;

    fn description(services: &[&str], keys: &[&str]) -> Description {
        let properties: Map<_, _> = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!({})))
            .collect();
        Description {
            name: "x".into(),
            version: "1".into(),
            summary: String::new(),
            config_schema: json!({ "properties": properties }),
            limits: BatchLimits {
                max_messages: 1,
                max_batch_bytes: 1,
                max_message_bytes: 1,
            },
            call_interval: None,
            wants: Wants {
                aws_services: services.iter().map(|&service| service.into()).collect(),
                ..Wants::default()
            },
        }
    }

    const KEYS: [&str; 4] = ["region", "endpoint", "useFips", "useDualStack"];

    fn filled(aws: &str, own: Value, description: &Description) -> Value {
        let aws: Aws = toml::from_str(aws).unwrap();
        let mut config = own.as_object().unwrap().clone();
        AwsDefaults::of(&aws).fill(&mut config, description);
        config.into()
    }

    #[test]
    fn a_plugin_of_an_aws_service_gets_what_its_schema_has() {
        let aws = "region = \"eu-west-1\"\nendpoint = \"http://a:1\"";
        let all = description(&["s3"], &KEYS);
        let expected = json!({ "region": "eu-west-1", "endpoint": "http://a:1" });
        assert_eq!(filled(aws, json!({}), &all), expected);
        let one = description(&["s3"], &["region", "bucket"]);
        assert_eq!(
            filled(aws, json!({}), &one),
            json!({ "region": "eu-west-1" })
        );
        let other = description(&[], &KEYS);
        assert_eq!(filled(aws, json!({}), &other), json!({}));
    }

    #[test]
    fn what_an_export_sets_itself_stays() {
        let aws = "region = \"eu-west-1\"\nuse-fips = true";
        let own = json!({ "region": "us-east-1", "useFips": false });
        let description = description(&["kinesis"], &KEYS);
        assert_eq!(filled(aws, own.clone(), &description), own);
    }

    #[test]
    fn an_address_and_the_switches_exclude_each_other() {
        let all = description(&["kinesis"], &KEYS);
        let switches = "use-fips = true\nuse-dual-stack = true";
        let both = json!({ "useFips": true, "useDualStack": true });
        assert_eq!(filled(switches, json!({}), &all), both);
        let own = json!({ "endpoint": "http://b:2" });
        assert_eq!(filled(switches, own.clone(), &all), own);
        let own = json!({ "useFips": true });
        assert_eq!(filled("endpoint = \"http://a:1\"", own.clone(), &all), own);
    }
}
