//! S3 tasks that will never be carried out are reported as canceled.

use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, StatusConfig, StatusLevel, StrategyOnFull,
};
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::Success;
use millstream_protocol::{Bounded, Call, MessageStreamDefinition};
use millstream_tests::{Host, RawClient};
use serde_json::{Value, json};

fn definition(name: &str, exports: Vec<Export>) -> Box<MessageStreamDefinition> {
    let name = name.parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(exports).unwrap();
    Box::new(definition)
}

fn uploads(identifier: &str, level: StatusLevel) -> Export {
    let destination = Destination::S3TaskExecutor {
        multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
        status: Some(StatusConfig {
            level,
            stream_name: Some("status".parse().unwrap()),
        }),
    };
    Export::new(identifier.parse().unwrap(), destination)
}

fn task(number: u64) -> Value {
    json!({ "inputUrl": "file:/in", "bucket": "bucket", "key": format!("key{number}") })
}

fn statuses(client: &mut RawClient) -> Vec<Value> {
    let options = ReadMessagesOptions {
        max_message_count: Bounded::clamped(100),
        ..ReadMessagesOptions::default()
    };
    let name = "status".parse().unwrap();
    match client.call("r", Call::Read { name, options }).outcome {
        Ok(Success::Messages(messages)) => messages
            .iter()
            .map(|message| serde_json::from_slice(&message.payload).unwrap())
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn deleting_a_stream_or_its_s3_export_cancels_what_was_not_done() {
    let host = Host::start("");
    let mut client = RawClient::connect(host.port());
    let done =
        |outcome: millstream_protocol::Response| assert!(outcome.outcome.is_ok(), "{outcome:?}");
    done(client.call("c", Call::Create(definition("status", Vec::new()))));
    let quiet = uploads("quiet", StatusLevel::Error);
    let told = uploads("told", StatusLevel::Info);
    done(client.call(
        "c",
        Call::Create(definition("uploads", vec![told.clone(), quiet.clone()])),
    ));
    for number in 0..3 {
        let payload = task(number).to_string().into();
        let name = "uploads".parse().unwrap();
        done(client.call("a", Call::Append { name, payload }));
    }
    assert!(statuses(&mut client).is_empty());

    // The export goes, the stream stays.
    done(client.call(
        "u",
        Call::Update(definition("uploads", vec![quiet.clone()])),
    ));
    let canceled = statuses(&mut client);
    assert_eq!(canceled.len(), 3);
    for (number, status) in canceled.iter().enumerate() {
        assert_eq!(
            (&status["eventType"], &status["status"]),
            (&json!(0), &json!(4))
        );
        assert_eq!(status["statusLevel"], 2);
        assert_eq!(status["statusContext"]["sequenceNumber"], number);
        assert_eq!(status["statusContext"]["exportIdentifier"], "told");
        assert_eq!(status["statusContext"]["streamName"], "uploads");
        let definition = &status["statusContext"]["s3ExportTaskDefinition"];
        assert_eq!(*definition, task(number as u64));
        assert!(!status["message"].as_str().unwrap().is_empty());
    }

    // The stream goes, with an export that reports and one that reports only failures.
    done(client.call("u", Call::Update(definition("uploads", vec![told, quiet]))));
    let name = "uploads".parse().unwrap();
    done(client.call("d", Call::Delete(name)));
    assert_eq!(statuses(&mut client).len(), 6);
}
