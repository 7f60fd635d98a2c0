//! To AWS IoT Analytics, which has ended.

use millstream_protocol::Call;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, MessageStreamDefinition, StrategyOnFull,
};
use millstream_tests::{Host, RawClient};

use crate::setup::{STREAM, append_numbered, status, wait_for_error};

#[test]
fn an_export_of_an_sdk_is_taken_says_that_the_service_has_ended_and_does_not_spin() {
    let config = "[exports]\nlinger = \"50ms\"\nretry-first = \"50ms\"\nretry-longest = \"5m\"\n";
    let host = Host::start(config);
    let overwrite = StrategyOnFull::OverwriteOldestData;
    let mut definition = MessageStreamDefinition::new(STREAM.parse().unwrap(), overwrite);
    let destination = Destination::IotAnalytics {
        channel: "plant".to_owned(),
        message_id_prefix: Some("p".to_owned()),
    };
    let export = Export::new("to-analytics".parse().unwrap(), destination);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let response = RawClient::connect(host.port()).call("a", Call::Create(Box::new(definition)));
    assert!(response.outcome.is_ok(), "{response:?}");

    append_numbered(&host, 0..150);
    let error = wait_for_error(&host, "ended on 15 December 2025");
    assert!(
        error.contains("`plant`") && error.contains("Firehose"),
        "{error}"
    );
    let export = status(&host);
    assert_eq!(export["rejectedMessages"], 0);
    let described = host.describe(STREAM).unwrap();
    assert_eq!(described["exports"][0]["exportedMessagesCount"], 0);
    assert_eq!(described["newestSequenceNumber"], 149);
}
