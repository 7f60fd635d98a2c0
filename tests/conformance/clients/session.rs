//! A connected client in the hands of a behaviour, with a method for each call.

use millstream_protocol::ResponseStatusCode;
use serde_json::{Value, json};

use super::raw::from_base64;
use super::{Call, Client, Outcome, Refusal};

/// A connected client.
pub(crate) struct Session(Box<dyn Client>);

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) stream: String,
    pub(crate) number: u64,
    pub(crate) ingest_time: u64,
    pub(crate) payload: Vec<u8>,
}

impl Session {
    pub(crate) fn new(client: impl Client + 'static) -> Self {
        Self(Box::new(client))
    }

    /// Sends all calls before it waits for the first answer; the outcomes are in their order.
    pub(crate) fn at_once(&mut self, calls: &[Call]) -> Vec<Outcome> {
        let outcomes = self.0.at_once(calls);
        assert_eq!(outcomes.len(), calls.len());
        outcomes
    }

    fn call(&mut self, call: Call) -> Outcome {
        self.at_once(&[call]).remove(0)
    }

    pub(crate) fn create(&mut self, definition: &Value) -> Outcome {
        self.call(Call::Create(definition.clone()))
    }

    /// Creates a stream that overwrites, with all defaults.
    pub(crate) fn create_plain(&mut self, name: &str) {
        self.create(&json!({ "name": name, "strategyOnFull": 1 }))
            .unwrap();
    }

    pub(crate) fn update(&mut self, definition: &Value) -> Outcome {
        self.call(Call::Update(definition.clone()))
    }

    pub(crate) fn delete(&mut self, name: &str) -> Outcome {
        self.call(Call::Delete(name.to_owned()))
    }

    pub(crate) fn list(&mut self) -> Vec<String> {
        let names = self.call(Call::List).unwrap();
        serde_json::from_value(names).unwrap()
    }

    pub(crate) fn describe(&mut self, name: &str) -> Outcome {
        self.call(Call::Describe(name.to_owned()))
    }

    /// The definition of a stream, as a describe shows it.
    pub(crate) fn definition(&mut self, name: &str) -> Value {
        self.describe(name).unwrap()["definition"].take()
    }

    /// The oldest and the newest number, and the size.
    pub(crate) fn storage(&mut self, name: &str) -> (i64, i64, i64) {
        let storage = self.describe(name).unwrap()["storageStatus"].take();
        let number = |key: &str| storage[key].as_i64().unwrap();
        (
            number("oldestSequenceNumber"),
            number("newestSequenceNumber"),
            number("totalBytes"),
        )
    }

    /// The status of an export.
    pub(crate) fn export_status(&mut self, name: &str, identifier: &str) -> Option<Value> {
        let info = self.describe(name).unwrap();
        let statuses = info["exportStatuses"].as_array().unwrap();
        statuses
            .iter()
            .find(|status| status["exportConfigIdentifier"] == identifier)
            .cloned()
    }

    pub(crate) fn append(&mut self, name: &str, payload: impl AsRef<[u8]>) -> Result<u64, Refusal> {
        let payload = payload.as_ref().to_vec();
        self.call(Call::Append(name.to_owned(), payload))
            .map(|number| number.as_u64().expect("a number"))
    }

    /// Appends messages whose payloads are `0`, `1`, `2` and so on.
    pub(crate) fn fill(&mut self, name: &str, messages: u64) {
        let payloads = (0..messages).map(|number| number.to_string().into_bytes());
        let calls: Vec<_> = payloads
            .map(|payload| Call::Append(name.to_owned(), payload))
            .collect();
        for outcome in self.at_once(&calls) {
            outcome.unwrap();
        }
    }

    /// Reads with options.
    pub(crate) fn read(&mut self, name: &str, options: Value) -> Result<Vec<Message>, Refusal> {
        self.call(Call::Read(name.to_owned(), Some(options)))
            .map(|messages| messages_of(&messages))
    }

    /// Reads without any options.
    pub(crate) fn read_plainly(&mut self, name: &str) -> Result<Vec<Message>, Refusal> {
        self.call(Call::Read(name.to_owned(), None))
            .map(|messages| messages_of(&messages))
    }

    /// The numbers of what a read returns.
    pub(crate) fn numbers(&mut self, name: &str, options: Value) -> Vec<u64> {
        let messages = self.read(name, options).unwrap();
        messages.iter().map(|message| message.number).collect()
    }
}

/// The messages in the outcome of a read.
fn messages_of(outcome: &Value) -> Vec<Message> {
    let messages = outcome.as_array().expect("a list of messages");
    let message = |message: &Value| Message {
        stream: message["streamName"].as_str().unwrap().to_owned(),
        number: message["sequenceNumber"].as_u64().unwrap(),
        ingest_time: message["ingestTime"].as_u64().unwrap(),
        payload: from_base64(message["payload"].as_str().unwrap()),
    };
    messages.iter().map(message).collect()
}

/// What is done with outcomes.
pub(crate) trait Outcomes {
    /// The messages of a read.
    fn messages(self) -> Vec<Message>;
    /// The number of an append.
    fn number(self) -> u64;
}

impl Outcomes for Outcome {
    fn messages(self) -> Vec<Message> {
        messages_of(&self.unwrap())
    }

    fn number(self) -> u64 {
        self.unwrap().as_u64().expect("a number")
    }
}

/// The text with which the host refused, if it refused with this status.
pub(crate) fn refused<T: std::fmt::Debug>(
    outcome: Result<T, Refusal>,
    expected: ResponseStatusCode,
) -> String {
    match outcome {
        Err(Refusal::Host { status, message }) if status == expected => {
            assert!(!message.is_empty(), "a refusal says why");
            message
        }
        other => panic!("{expected} was expected, and this came: {other:?}"),
    }
}
