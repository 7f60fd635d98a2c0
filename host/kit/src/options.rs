//! What an author can set.

use std::time::Duration;

use millstream_runtime::{Grants, Limits};
use serde_json::{Map, Value};

/// How a component is tried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration of an exporter; in its texts `{{sink}}` stands for the URL of the kit's HTTP
    /// server. Without it the kit makes one from the exporter's schema.
    pub config: Option<Map<String, Value>>,
    /// What the messages are, if the exporter takes messages of one form only; `{{number}}` stands for
    /// the number of the message. Without it they are JSON objects.
    pub payload: Option<String>,
    /// The body with which the kit's HTTP server answers when all is well.
    pub answer: String,
    /// How many batches the check of the memory hands over. With fewer than 200 it does not say that the
    /// memory does not grow, only that it does.
    pub batches: u64,
    /// The longest that the check of the memory may take; what it found is then about the batches so far.
    pub batches_within: Duration,
    /// How long a producer runs before it is asked to end.
    pub run_for: Duration,
    /// The arguments of a producer, without its own name.
    pub args: Vec<String>,
    /// What the component may take.
    pub limits: Limits,
    /// What the component may reach beyond the kit's own surroundings.
    pub grants: Grants,
}

impl Default for Options {
    /// Ten thousand batches within two minutes; producers run for five seconds.
    fn default() -> Self {
        Self {
            config: None,
            payload: None,
            answer: "{}".into(),
            batches: 10_000,
            batches_within: Duration::from_secs(120),
            run_for: Duration::from_secs(5),
            args: Vec::new(),
            limits: Limits::default(),
            grants: Grants::default(),
        }
    }
}
