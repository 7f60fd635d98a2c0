//! The addresses that plugins compute, against AWS's own rules.

use millstream_aws::endpoint::{Endpoint, Variant};
use millstream_aws::{Place, Region};
use millstream_tests::run_script;

/// A line of what `aws_endpoints.py` prints.
type Line = (
    String,
    Option<String>,
    bool,
    String,
    bool,
    bool,
    Option<String>,
);

#[test]
fn every_region_and_variant_has_the_address_that_botocore_finds() {
    let table: Vec<Line> = serde_json::from_str(&run_script("aws_endpoints.py", &[])).unwrap();
    assert!(table.len() > 1000, "{} lines", table.len());
    for (service, bucket, path_style, region, fips, dual_stack, expected) in table {
        let endpoint = match service.as_str() {
            "firehose" => Endpoint::Firehose,
            "iotsitewise" => Endpoint::SiteWise,
            "logs" => Endpoint::CloudWatchLogs,
            "s3" => Endpoint::S3,
            other => panic!("unknown service {other}"),
        };
        let variant = Variant { fips, dual_stack };
        let place = Region::try_from(region.clone()).unwrap();
        let place = Place::new("p", Some(place), None, variant).unwrap();
        let found = match &bucket {
            Some(bucket) => place.bucket(bucket, path_style),
            None => place.address(endpoint),
        };
        let found = found
            .ok()
            .map(|address| address.url().trim_end_matches('/').to_owned());
        assert_eq!(found, expected, "{service} {bucket:?} {region} {variant:?}");
    }
}
