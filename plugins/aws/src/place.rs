//! What the configuration says of where a service is.
//!
//! Every exporter to AWS has the keys `region`, `endpoint`, `useFips` and `useDualStack`. They stand in
//! each one's own configuration type, so that an unknown key is found and compared with all of them
//! (serde cannot do that through a flattened struct), and become a [`Place`].

use millstream_plugin::ConfigError;
use millstream_plugin::http::{Address, Scheme};
use serde::Deserialize;

use crate::endpoint::{Endpoint, Variant, can_be_host};

/// An AWS Region. It becomes a part of a host name and of a header, so it is checked for its shape.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Region(String);

impl Region {
    /// The Region, such as `eu-central-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(region: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = (1..=63).contains(&region.len())
            && region.bytes().all(allowed)
            && !region.starts_with('-')
            && !region.ends_with('-');
        // `aws-global` and its like stand for services without a Region.
        if is_label && !region.starts_with("aws-") {
            Ok(Self(region))
        } else {
            Err("an AWS Region looks like `eu-central-1`".to_owned())
        }
    }
}

/// Where a service is: in a Region, or at an address that the configuration gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    region: Region,
    endpoint: Option<Address>,
    variant: Variant,
}

impl Place {
    /// Puts together what stands in the configuration of `plugin`.
    ///
    /// # Errors
    ///
    /// The Region is missing, or an address of its own is combined with a variant of the Region's.
    pub fn new(
        plugin: &str,
        region: Option<Region>,
        endpoint: Option<Address>,
        variant: Variant,
    ) -> Result<Self, ConfigError> {
        let region = region.ok_or_else(|| {
            ConfigError::field(
                "region",
                format!(
                    "The AWS Region is missing; set it for all plugins with \
                     `region = \"eu-central-1\"` under `[aws]`, with `config.region` under \
                     `[plugin.{plugin}]`, or for this export alone."
                ),
            )
        })?;
        let chosen = [
            (variant.fips, "useFips"),
            (variant.dual_stack, "useDualStack"),
        ];
        if let (Some((_, key)), Some(_)) = (chosen.iter().find(|(is_set, _)| *is_set), &endpoint) {
            return Err(ConfigError::field(
                *key,
                "It chooses among the Region's own addresses; leave it out, or `endpoint`.",
            ));
        }
        Ok(Self {
            region,
            endpoint,
            variant,
        })
    }

    /// The Region, which is a part of signatures even where an address is given.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The address that the configuration gives instead of the Region's own.
    pub fn endpoint(&self) -> Option<&Address> {
        self.endpoint.as_ref()
    }

    /// Which of the Region's own addresses.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The address of a service, with `/` or the path of `endpoint`.
    ///
    /// # Errors
    ///
    /// AWS has no such address.
    pub fn address(&self, service: Endpoint) -> Result<Address, ConfigError> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => Ok(https(self.host(service)?)),
        }
    }

    /// The address of a bucket: as a part of the host name, or of the path where `path_style` asks for
    /// that or the name cannot be a host's. The path ends with `/`; the key of an object comes behind it,
    /// percent-encoded.
    ///
    /// # Errors
    ///
    /// AWS has no such address.
    pub fn bucket(&self, bucket: &str, path_style: bool) -> Result<Address, ConfigError> {
        let server = self.address(Endpoint::S3)?;
        let base = server.path_with_query.trim_end_matches('/');
        let host =
            server
                .authority
                .rsplit_once(':')
                .map_or(server.authority.as_str(), |(host, port)| {
                    match port.bytes().all(|byte| byte.is_ascii_digit()) {
                        true => host,
                        false => server.authority.as_str(),
                    }
                });
        let is_number = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        if path_style || is_number || !can_be_host(bucket) {
            return Ok(server.with_path(format!("{base}/{bucket}/")));
        }
        Ok(Address {
            scheme: server.scheme,
            authority: format!("{bucket}.{}", server.authority),
            path_with_query: format!("{base}/"),
        })
    }

    fn host(&self, service: Endpoint) -> Result<String, ConfigError> {
        service
            .host(&self.region, self.variant)
            .map_err(|why| ConfigError::field("useFips", format!("{why}; leave it out.")))
    }
}

fn https(host: String) -> Address {
    Address {
        scheme: Scheme::Https,
        authority: host,
        path_with_query: "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Result<Region, String> {
        Region::try_from(name.to_owned())
    }

    fn place(endpoint: Option<&str>, variant: Variant) -> Result<Place, ConfigError> {
        let endpoint = endpoint.map(|text| Address::try_from(text.to_owned()).unwrap());
        Place::new("p", region("eu-central-1").ok(), endpoint, variant)
    }

    #[test]
    fn what_is_no_region_is_refused() {
        assert!(region("eu-central-1").is_ok());
        for name in [
            "",
            "eu central 1",
            "EU",
            "a/b",
            "-a",
            "a-",
            "aws-global",
            "x\r\ny",
        ] {
            assert!(region(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_missing_region_says_where_to_set_it() {
        let error = Place::new("p", None, None, Variant::default()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("region"));
        let [all, one] = ["`[aws]`", "`[plugin.p]`"].map(|place| error.message.contains(place));
        assert!(all && one, "{}", error.message);
    }

    #[test]
    fn an_address_of_its_own_goes_with_no_variant() {
        let fips = Variant {
            fips: true,
            dual_stack: false,
        };
        assert!(place(None, fips).is_ok());
        let error = place(Some("http://127.0.0.1:1"), fips).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("useFips"));
        let dual_stack = Variant {
            fips: false,
            dual_stack: true,
        };
        let error = place(Some("http://127.0.0.1:1"), dual_stack).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("useDualStack"));
    }

    #[test]
    fn a_bucket_is_in_the_host_or_in_the_path() {
        let url = |endpoint, bucket, path_style| {
            let place = place(endpoint, Variant::default()).unwrap();
            place.bucket(bucket, path_style).unwrap().url()
        };
        let aws = "s3.eu-central-1.amazonaws.com";
        assert_eq!(url(None, "plant", false), format!("https://plant.{aws}/"));
        assert_eq!(url(None, "plant", true), format!("https://{aws}/plant/"));
        assert_eq!(url(None, "a.b", false), format!("https://{aws}/a.b/"));
        assert_eq!(
            url(Some("http://127.0.0.1:9000"), "plant", false),
            "http://127.0.0.1:9000/plant/"
        );
        assert_eq!(
            url(Some("http://[::1]:9000/s3"), "plant", false),
            "http://[::1]:9000/s3/plant/"
        );
        assert_eq!(
            url(Some("http://minio:9000"), "plant", false),
            "http://plant.minio:9000/"
        );
    }
}
