//! What an error code of Kafka means, in the words of the contract.
//!
//! Codes: protocol guide, "Error Codes". What a client may try again is taken from there too
//! ("Retriable").

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode;
use millstream_plugin::ExportError;

use crate::protocol::ProducedPartition;

/// What became of a batch of one partition.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is with all replicas that are in sync.
    Taken,
    /// It is not; the reason holds for whatever is sent to the partition.
    Failed(ExportError),
    /// The same, and what is known of the cluster is no longer right.
    Moved(ExportError),
    /// It is larger than the topic or the broker takes.
    TooLarge(String),
    /// Something is wrong with records in it: these, by their places, or the broker does not say which.
    Invalid {
        reason: String,
        at_fault: Vec<(usize, String)>,
    },
}

impl Verdict {
    /// Reads the answer for one partition; `target` names it for the operator.
    pub(crate) fn of(answer: &ProducedPartition, target: &str) -> Self {
        let Some(error) = answer.error.err() else {
            return Self::Taken;
        };
        let said = match answer.message.as_deref() {
            Some(message) if !message.is_empty() => format!("{}: {message}", name(error)),
            _ => name(error),
        };
        match error {
            ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
                Self::TooLarge(format!(
                    "{target} does not take it: {said}; its size is limited by max.message.bytes."
                ))
            }
            ResponseError::InvalidRecord | ResponseError::InvalidTimestamp => {
                let reason = format!("{target} calls it invalid: {said}.");
                let at_fault = answer.at_fault.iter().filter_map(|(place, message)| {
                    let why = match message {
                        Some(message) => {
                            format!("{target} calls it invalid: {}: {message}.", name(error))
                        }
                        None => reason.clone(),
                    };
                    Some((usize::try_from(*place).ok()?, why))
                });
                Self::Invalid {
                    at_fault: at_fault.collect(),
                    reason,
                }
            }
            ResponseError::UnknownTopicOrPartition
            | ResponseError::LeaderNotAvailable
            | ResponseError::NotLeaderOrFollower
            | ResponseError::ReplicaNotAvailable
            | ResponseError::KafkaStorageError
            | ResponseError::FencedLeaderEpoch
            | ResponseError::UnknownLeaderEpoch
            | ResponseError::UnknownTopicId => Self::Moved(error_of(error, target, &said)),
            _ => Self::Failed(error_of(error, target, &said)),
        }
    }
}

/// What an error that stands for a whole request or topic means.
pub(crate) fn failure(code: i16, target: &str) -> Option<ExportError> {
    let error = code.err()?;
    Some(error_of(error, target, &name(error)))
}

fn error_of(error: ResponseError, target: &str, said: &str) -> ExportError {
    match error {
        ResponseError::TopicAuthorizationFailed | ResponseError::ClusterAuthorizationFailed => {
            ExportError::denied(format!(
                "{target} refuses this device: {said}; it needs the operations Describe and Write on \
                 the topic."
            ))
        }
        ResponseError::SaslAuthenticationFailed => ExportError::denied(format!(
            "{target} refuses this device: {said}; check the user and the secret of `sasl`."
        )),
        ResponseError::ThrottlingQuotaExceeded => {
            ExportError::throttled(format!("{target} asks for less: {said}."))
        }
        ResponseError::UnknownServerError
        | ResponseError::BrokerNotAvailable
        | ResponseError::LogDirNotFound => {
            ExportError::unavailable(format!("{target} cannot serve now: {said}."))
        }
        error if error.is_retriable() => {
            ExportError::unavailable(format!("{target} cannot serve now: {said}."))
        }
        ResponseError::UnsupportedCompressionType => ExportError::misconfigured(format!(
            "{target} does not take batches packed like this: {said}; change `compression`."
        )),
        _ => ExportError::misconfigured(format!("{target} refuses the request: {said}.")),
    }
}

/// The name of an error as Kafka's documents write it, such as `NOT_ENOUGH_REPLICAS`.
pub(crate) fn name(error: ResponseError) -> String {
    if let ResponseError::Unknown(code) = error {
        return format!("error {code}");
    }
    let mut name = String::new();
    for letter in error.to_string().chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: i16) -> ProducedPartition {
        ProducedPartition {
            index: 0,
            error,
            at_fault: Vec::new(),
            message: None,
        }
    }

    fn of(error: ResponseError) -> Verdict {
        Verdict::of(&answer(error.code()), "Partition 0 of `t`")
    }

    #[test]
    fn no_error_is_delivery() {
        assert_eq!(Verdict::of(&answer(0), "t"), Verdict::Taken);
    }

    #[test]
    fn what_a_new_leader_mends_makes_the_cluster_be_looked_at_again() {
        for error in [
            ResponseError::NotLeaderOrFollower,
            ResponseError::UnknownTopicOrPartition,
            ResponseError::LeaderNotAvailable,
            ResponseError::FencedLeaderEpoch,
            ResponseError::KafkaStorageError,
        ] {
            let verdict = of(error);
            assert!(
                matches!(verdict, Verdict::Moved(ExportError::Unavailable(_))),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn what_time_mends_is_unavailable() {
        for error in [
            ResponseError::RequestTimedOut,
            ResponseError::NotEnoughReplicas,
            ResponseError::NotEnoughReplicasAfterAppend,
            ResponseError::CorruptMessage,
            ResponseError::UnknownServerError,
        ] {
            let verdict = of(error);
            assert!(
                matches!(verdict, Verdict::Failed(ExportError::Unavailable(_))),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn permissions_are_denied_and_quotas_throttled() {
        for error in [
            ResponseError::TopicAuthorizationFailed,
            ResponseError::ClusterAuthorizationFailed,
            ResponseError::SaslAuthenticationFailed,
        ] {
            let verdict = of(error);
            assert!(
                matches!(verdict, Verdict::Failed(ExportError::Denied(_))),
                "{verdict:?}"
            );
        }
        let verdict = of(ResponseError::ThrottlingQuotaExceeded);
        assert!(matches!(
            verdict,
            Verdict::Failed(ExportError::Throttled(_))
        ));
    }

    #[test]
    fn what_nobody_knows_is_shown_to_the_operator() {
        for code in [1234, ResponseError::PolicyViolation.code()] {
            let Verdict::Failed(ExportError::Misconfigured(reason)) =
                Verdict::of(&answer(code), "Partition 0 of `t`")
            else {
                panic!("{code} is not misconfigured");
            };
            assert!(
                reason.contains("1234") || reason.contains("POLICY_VIOLATION"),
                "{reason}"
            );
        }
    }

    #[test]
    fn records_at_fault_are_named_with_the_brokers_words() {
        let verdict = Verdict::of(
            &ProducedPartition {
                at_fault: vec![(3, Some("no key".to_owned())), (4, None), (-1, None)],
                message: Some("2 are wrong".to_owned()),
                ..answer(ResponseError::InvalidRecord.code())
            },
            "Partition 0 of `t`",
        );
        let Verdict::Invalid { reason, at_fault } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(
            reason,
            "Partition 0 of `t` calls it invalid: INVALID_RECORD: 2 are wrong."
        );
        assert_eq!(at_fault.len(), 2);
        assert_eq!(at_fault[0].0, 3);
        assert!(at_fault[0].1.contains("no key"), "{}", at_fault[0].1);
        assert_eq!(at_fault[1], (4, reason));
    }

    #[test]
    fn errors_have_the_names_of_the_documents() {
        assert_eq!(
            name(ResponseError::NotEnoughReplicasAfterAppend),
            "NOT_ENOUGH_REPLICAS_AFTER_APPEND"
        );
        assert_eq!(name(ResponseError::Unknown(999)), "error 999");
    }
}
