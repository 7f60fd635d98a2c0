//! The frames of real SDKs: each decodes to what its recording says.
//!
//! A decoded value is compared field by field by encoding it and reading the result with a plain
//! CBOR reader that knows nothing of the protocol. Before that, what the recording left out is
//! filled in with the defaults of the specification, as decoding does.

use bytes::BytesMut;
use millstream_protocol::{decode_request, decode_request_noting, decode_response, encode_request};
use serde_json::{Value, json};

use crate::properties::{encode_response, whole_frame};
use crate::support::{fixtures, to_json};

#[test]
fn there_are_ninety_five_frames() {
    assert_eq!(fixtures().len(), 95);
}

#[test]
fn every_frame_has_the_length_and_operation_of_its_recording() {
    for fixture in fixtures() {
        let frame = fixture.frame();
        assert_eq!(fixture.decoded["length"], frame.payload.len() + 1);
        assert_eq!(fixture.decoded["opcode"], frame.operation);
        let operation = millstream_protocol::Operation::from_code(frame.operation).unwrap();
        assert_eq!(fixture.decoded["operation"], operation.name());
    }
}

#[test]
fn every_request_decodes_to_what_its_recording_says() {
    let requests = fixtures().into_iter().filter(|fixture| fixture.from_client);
    for fixture in requests {
        let frame = fixture.frame();
        let no_unknown = &mut |key: &str| panic!("{}: unknown key {key}", fixture.name);
        let request = decode_request_noting(frame.operation, &frame.payload, no_unknown)
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let mut out = BytesMut::new();
        encode_request(&mut out, &request).unwrap();
        let encoded = whole_frame(&mut out);
        assert_eq!(encoded.operation, frame.operation);
        assert_eq!(
            to_json(&encoded.payload),
            completed_request(&fixture.decoded["payload"]),
            "{}",
            fixture.name
        );
        assert_eq!(
            decode_request(encoded.operation, &encoded.payload),
            Ok(request),
            "{}",
            fixture.name
        );
    }
}

#[test]
fn every_response_decodes_to_what_its_recording_says() {
    let responses = fixtures()
        .into_iter()
        .filter(|fixture| !fixture.from_client);
    for fixture in responses {
        let frame = fixture.frame();
        let response = decode_response(frame.operation, &frame.payload)
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let encoded = whole_frame(&mut encode_response(&response).unwrap());
        assert_eq!(encoded.operation, frame.operation);
        assert_eq!(
            to_json(&encoded.payload),
            completed_response(&fixture.decoded["payload"]),
            "{}",
            fixture.name
        );
        assert_eq!(
            decode_response(encoded.operation, &encoded.payload),
            Ok(response),
            "{}",
            fixture.name
        );
    }
}

fn completed_request(recorded: &Value) -> Value {
    let mut value = without_renderings(recorded);
    // An empty token, as the Java SDK sends it, is none.
    if value["authToken"] == "" {
        value.as_object_mut().unwrap().remove("authToken");
    }
    if let Some(definition) = value.get_mut("definition") {
        complete_definition(definition);
    }
    if value.get("streamName").is_some() {
        let options = &mut value["readMessagesOptions"];
        complete(
            options,
            json!({
                "desiredStartSequenceNumber": 0, "minMessageCount": 1, "readTimeoutMillis": 0,
            }),
        );
        let min = options["minMessageCount"].clone();
        complete(options, json!({ "maxMessageCount": min }));
    }
    value
}

fn completed_response(recorded: &Value) -> Value {
    let mut value = without_renderings(recorded);
    if value["status"] != 0 {
        // Of a failure, status and message count; some recordings add empty lists.
        let fields = value.as_object_mut().unwrap();
        fields.retain(|key, value| {
            !value.is_array() || ["requestId", "status", "errorMessage"].contains(&key.as_str())
        });
    }
    complete(&mut value, json!({ "errorMessage": "" }));
    if let Some(definition) = value.pointer_mut("/messageStreamInfo/definition") {
        complete_definition(definition);
    }
    value
}

fn complete_definition(definition: &mut Value) {
    // JavaScript has no such integer: it sends the float 2^63.
    if definition["maxSize"].is_f64() {
        definition["maxSize"] = json!(i64::MAX);
    }
    complete(
        definition,
        json!({ "persistence": 0, "flushOnWrite": false, "exportDefinition": {} }),
    );
    let exports = &mut definition["exportDefinition"];
    let common = json!({ "priority": 10, "disabled": false });
    for (kind, own) in [
        ("http", json!({ "batchSize": 500, "exportFormat": 0 })),
        ("iotAnalytics", json!({ "batchSize": 100 })),
        ("kinesis", json!({ "batchSize": 500 })),
        ("IotSitewise", json!({ "batchSize": 10 })),
        (
            "s3TaskExecutor",
            json!({ "sizeThresholdForMultipartUploadBytes": 5_242_880 }),
        ),
    ] {
        complete(exports, json!({ kind: [] }));
        for export in exports[kind].as_array_mut().unwrap() {
            complete(export, common.clone());
            complete(export, own.clone());
        }
    }
}

/// Adds the fields that `value` does not have.
fn complete(value: &mut Value, defaults: Value) {
    if value.is_null() {
        *value = json!({});
    }
    let fields = value.as_object_mut().unwrap();
    let Value::Object(defaults) = defaults else {
        panic!("defaults are an object");
    };
    for (key, default) in defaults {
        fields.entry(key).or_insert(default);
    }
}

/// The recording writes bytes in hex, and where they are text once more as text.
fn without_renderings(recorded: &Value) -> Value {
    match recorded {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != "$utf8")
            .map(|(key, value)| (key.clone(), without_renderings(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_renderings).collect(),
        other => other.clone(),
    }
}
