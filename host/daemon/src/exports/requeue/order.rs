//! What is asked for, and what is said of it: both go over the socket of the host.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What to send again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) stream: String,
    pub(crate) export: String,
    pub(crate) which: Which,
    /// Only say which ones would be sent.
    pub(crate) dry_run: bool,
}

/// Messages, by their numbers in their own stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Which {
    All,
    Numbers(BTreeSet<u64>),
    Range { from: u64, to: Option<u64> },
}

impl Which {
    pub(super) fn has(&self, number: u64) -> bool {
        match self {
            Self::All => true,
            Self::Numbers(numbers) => numbers.contains(&number),
            Self::Range { from, to } => (*from..=to.unwrap_or(u64::MAX)).contains(&number),
        }
    }
}

/// What has become of something. The last one is [`Report::Done`]; without it, the host has ended
/// before it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Report {
    /// A dry run would send it.
    Chosen {
        sequence_number: u64,
    },
    Delivered {
        sequence_number: u64,
    },
    /// It stays in the dead-letter stream, as it was.
    Rejected {
        sequence_number: u64,
        reason: String,
    },
    /// It was not taken, and may be another time.
    NotDelivered {
        sequence_number: u64,
        reason: String,
    },
    /// A call has failed, and the next one waits.
    Waiting {
        reason: String,
        pause_millis: u64,
    },
    /// There are no more.
    Done {
        chosen: u64,
        delivered: u64,
        rejected: u64,
        not_delivered: u64,
        /// Numbers that were asked for and have no letter.
        missing: Vec<u64>,
        /// The highest number that was chosen.
        highest: Option<u64>,
        /// Why not everything was tried.
        given_up: Option<String>,
    },
}
