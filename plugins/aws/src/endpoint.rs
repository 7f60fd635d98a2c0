//! Where the services of AWS are.
//!
//! A Region belongs to a partition, and a partition has a domain of its own, and another one for
//! addresses that have both IPv4 and IPv6 ("dual stack"). The rules are those of the endpoint rule sets
//! and of `partitions.json` that all SDKs of AWS share; a test compares the two for every Region.

use crate::Region;

/// A service, as far as addresses and signatures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Amazon CloudWatch Logs.
    CloudWatchLogs,
    /// Amazon Data Firehose.
    Firehose,
    /// Amazon S3.
    S3,
    /// AWS IoT SiteWise, where it takes data.
    SiteWise,
}

/// Which of a service's addresses in a Region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// The one whose cryptography is validated by FIPS 140.
    pub fips: bool,
    /// The one that has IPv4 and IPv6.
    pub dual_stack: bool,
}

/// The domains of a partition.
#[derive(Debug, Clone, Copy)]
struct Partition {
    /// What the names of its Regions begin with.
    regions: &'static str,
    domain: &'static str,
    dual_stack_domain: &'static str,
}

/// The partition of every Region that belongs to no other one. GovCloud has the same domains.
const COMMERCIAL: Partition = Partition {
    regions: "",
    domain: "amazonaws.com",
    dual_stack_domain: "api.aws",
};

const CHINA: &str = "cn-";
const GOV_CLOUD: &str = "us-gov-";

const OTHERS: [Partition; 6] = [
    Partition {
        regions: CHINA,
        domain: "amazonaws.com.cn",
        dual_stack_domain: "api.amazonwebservices.com.cn",
    },
    Partition {
        regions: "eusc-",
        domain: "amazonaws.eu",
        dual_stack_domain: "api.amazonwebservices.eu",
    },
    Partition {
        regions: "us-iso-",
        domain: "c2s.ic.gov",
        dual_stack_domain: "api.aws.ic.gov",
    },
    Partition {
        regions: "us-isob-",
        domain: "sc2s.sgov.gov",
        dual_stack_domain: "api.aws.scloud",
    },
    Partition {
        regions: "eu-isoe-",
        domain: "cloud.adc-e.uk",
        dual_stack_domain: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        regions: "us-isof-",
        domain: "csp.hci.ic.gov",
        dual_stack_domain: "api.aws.hci.ic.gov",
    },
];

impl Endpoint {
    /// The name of the service in signatures, and so in the grant `aws-services`.
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::CloudWatchLogs => "logs",
            Self::Firehose => "firehose",
            Self::S3 => "s3",
            Self::SiteWise => "iotsitewise",
        }
    }

    /// The host name of the service in a Region.
    ///
    /// # Errors
    ///
    /// A sentence, where AWS has no such address.
    pub fn host(self, region: &Region, variant: Variant) -> Result<String, String> {
        let name = match self {
            // Its data come in apart from the rest ("host prefix" of the operation).
            Self::SiteWise => "data.iotsitewise",
            _ => self.signing_name(),
        };
        let region = region.as_str();
        let partition = OTHERS
            .iter()
            .find(|partition| region.starts_with(partition.regions))
            .unwrap_or(&COMMERCIAL);
        let fips = match (self, variant) {
            (Self::S3, Variant { fips: true, .. }) if region.starts_with(CHINA) => {
                return Err(format!("Amazon S3 has no FIPS address in `{region}`"));
            }
            // There the usual address is the validated one.
            (
                Self::CloudWatchLogs,
                Variant {
                    fips: true,
                    dual_stack: false,
                },
            ) if region.starts_with(GOV_CLOUD) => "",
            (_, Variant { fips: true, .. }) => "-fips",
            _ => "",
        };
        let Partition {
            domain,
            dual_stack_domain,
            ..
        } = partition;
        Ok(match (self, variant.dual_stack) {
            (Self::S3, true) => format!("{name}{fips}.dualstack.{region}.{domain}"),
            (_, true) => format!("{name}{fips}.{region}.{dual_stack_domain}"),
            (_, false) => format!("{name}{fips}.{region}.{domain}"),
        })
    }
}

/// Whether a bucket can be a part of a host name over TLS: the certificate covers one label, and a name
/// of a host is not as free as that of a bucket once was.
pub(crate) fn can_be_host(bucket: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(allowed)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(endpoint: Endpoint, region: &str, fips: bool, dual_stack: bool) -> String {
        let region = Region::try_from(region.to_owned()).unwrap();
        endpoint
            .host(&region, Variant { fips, dual_stack })
            .unwrap_or_else(|error| error)
    }

    #[test]
    fn a_service_has_an_address_in_each_variant() {
        let firehose = |fips, dual| host(Endpoint::Firehose, "eu-central-1", fips, dual);
        assert_eq!(
            firehose(false, false),
            "firehose.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            firehose(true, false),
            "firehose-fips.eu-central-1.amazonaws.com"
        );
        assert_eq!(firehose(false, true), "firehose.eu-central-1.api.aws");
        assert_eq!(firehose(true, true), "firehose-fips.eu-central-1.api.aws");
    }

    #[test]
    fn services_with_rules_of_their_own_follow_them() {
        assert_eq!(
            host(Endpoint::SiteWise, "us-gov-west-1", true, false),
            "data.iotsitewise-fips.us-gov-west-1.amazonaws.com"
        );
        assert_eq!(
            host(Endpoint::CloudWatchLogs, "us-gov-west-1", true, false),
            "logs.us-gov-west-1.amazonaws.com"
        );
        assert_eq!(
            host(Endpoint::S3, "cn-north-1", false, true),
            "s3.dualstack.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(
            host(Endpoint::S3, "cn-north-1", true, false),
            "Amazon S3 has no FIPS address in `cn-north-1`"
        );
    }

    #[test]
    fn a_bucket_with_a_dot_or_capitals_is_no_host() {
        assert!(can_be_host("plant-7"));
        for bucket in ["a.b", "Plant", "a_b", "-ab", "ab-", "ab", &"a".repeat(64)] {
            assert!(!can_be_host(bucket), "{bucket}");
        }
    }
}
