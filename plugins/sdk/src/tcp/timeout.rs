//! How long an exporter may be busy with a batch.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// How long a batch may take, connecting included, as `timeoutSeconds` has it: 1 to 3600 seconds, and 20
/// unless it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct Timeout(Duration);

impl Timeout {
    /// The time.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// When a batch that begins now has to end.
    pub fn deadline(self) -> Instant {
        Instant::now() + self.0
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self(Duration::from_secs(20))
    }
}

impl TryFrom<u16> for Timeout {
    type Error = &'static str;

    fn try_from(seconds: u16) -> Result<Self, &'static str> {
        match seconds {
            1..=3600 => Ok(Self(Duration::from_secs(seconds.into()))),
            _ => Err("give 1 to 3600 seconds"),
        }
    }
}
