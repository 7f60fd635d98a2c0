//! Our own client, which writes as the Java SDK does.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_protocol::ResponseStatusCode;
use serde_json::Value;

use super::{Call, Client, Connecting, Outcome, Refusal};
use crate::wire::{Answer, Item, Wire, frame, list, map, op};

/// A connection in the hands of the suite.
pub(crate) struct Raw {
    wire: Wire,
    requests: u64,
}

impl Raw {
    /// # Errors
    ///
    /// The host's refusal.
    pub(crate) fn connect(how: &Connecting) -> Result<Self, Refusal> {
        let mut wire = Wire::open(how.port);
        let connect = map([
            ("requestId", "connect".into()),
            ("protocolVersion", "1.1.0".into()),
            ("otherSupportedProtocolVersions", list(["1.0.0".into()])),
            ("sdkVersion", "1.1.0".into()),
            // The Java SDK sends an empty credential if it has none.
            ("authToken", how.token.clone().unwrap_or_default().into()),
        ]);
        let answer = wire.greet(&connect.opened());
        if answer.status == ResponseStatusCode::Success {
            return Ok(Self { wire, requests: 0 });
        }
        wire.assert_closed();
        Err(Refusal::Host {
            status: answer.status,
            message: answer.message,
        })
    }
}

impl Client for Raw {
    fn at_once(&mut self, calls: &[Call]) -> Vec<Outcome> {
        let mut sent = Vec::new();
        let mut frames = Vec::new();
        for call in calls {
            self.requests += 1;
            let id = format!("request-{}", self.requests);
            let (operation, request) = request(call);
            let request = map([("requestId", (&id).into())]).joined(request);
            frames.extend(frame(operation, &request.opened().encode()));
            sent.push((id, operation));
        }
        self.wire.send(&frames);
        let mut answers: HashMap<_, _> = sent
            .iter()
            .map(|_| self.wire.answer())
            .map(|answer| (answer.request_id.clone().expect("an id"), answer))
            .collect();
        let in_order = sent.iter().map(|(id, operation)| {
            let answer = answers.remove(id).expect("each request has one answer");
            outcome(answer, *operation)
        });
        in_order.collect()
    }
}

fn request(call: &Call) -> (u8, Item) {
    match call {
        Call::Create(definition) => (op::CREATE, map([("definition", as_java(definition))])),
        Call::Update(definition) => (op::UPDATE, map([("definition", as_java(definition))])),
        Call::Delete(name) => (op::DELETE, map([("name", name.into())])),
        Call::List => (op::LIST, map([])),
        Call::Describe(name) => (op::DESCRIBE, map([("name", name.into())])),
        Call::Append(name, payload) => (
            op::APPEND,
            map([
                ("name", name.into()),
                ("payload", payload.as_slice().into()),
            ]),
        ),
        Call::Read(name, options) => {
            let request = map([("streamName", name.into())]);
            let request = match options {
                Some(options) => request.with("readMessagesOptions", options.clone()),
                None => request,
            };
            (op::READ, request)
        }
    }
}

/// A definition without its empty lists, which the Java SDK leaves out (specification, 1.3).
fn as_java(definition: &Value) -> Item {
    let mut definition = definition.clone();
    if let Some(Value::Object(exports)) = definition.get_mut("exportDefinition") {
        exports.retain(|_, list| list.as_array().is_none_or(|list| !list.is_empty()));
    }
    definition.into()
}

fn outcome(answer: Answer, request: u8) -> Outcome {
    assert_eq!(answer.operation, op::answer_to(request), "{answer:?}");
    if answer.status != ResponseStatusCode::Success {
        assert!(answer.fields.is_empty(), "a refusal carries nothing");
        return Err(Refusal::Host {
            status: answer.status,
            message: answer.message,
        });
    }
    let mut fields = answer.fields;
    let key = match request {
        op::APPEND => "sequenceNumber",
        op::READ => "messages",
        op::LIST => "streams",
        op::DESCRIBE => "messageStreamInfo",
        _ => return Ok(Value::Null),
    };
    Ok(fields.remove(key).expect("what was asked for"))
}

/// Payloads travel as base64 in JSON.
pub(super) fn to_base64(payload: &[u8]) -> String {
    STANDARD.encode(payload)
}

pub(super) fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
