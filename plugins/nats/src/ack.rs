//! What JetStream answers to a message that was published, and what becomes of the message.

use millstream_plugin::{ExportError, Outcome};
use serde::Deserialize;

use crate::protocol::Delivered;

/// `{"stream":"S","seq":1}`, or `{"error":{...}}`.
#[derive(Debug, Deserialize)]
struct PubAck {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// The status of an answer where nobody listens to the subject.
const NO_RESPONDERS: u16 = 503;

/// What an answer means for the message that was published to a subject.
pub(crate) fn outcome(answer: &Delivered, subject: &str) -> Outcome {
    if answer.status == Some(NO_RESPONDERS) {
        return Outcome::Failed(ExportError::misconfigured(format!(
            "No JetStream stream listens on the subject `{subject}`; make one, or change `subject`."
        )));
    }
    match serde_json::from_slice::<PubAck>(&answer.payload) {
        Ok(PubAck {
            error: Some(refusal),
            ..
        }) => refusal.outcome(subject),
        Ok(ack) if !ack.stream.is_empty() && ack.seq > 0 => Outcome::Delivered,
        _ => Outcome::Failed(ExportError::misconfigured(format!(
            "What answers on the subject `{subject}` is no JetStream stream; change `subject`."
        ))),
    }
}

impl Refusal {
    /// By the numbers of the server's `errors.json`; where a number covers many reasons, by its words.
    fn outcome(&self, subject: &str) -> Outcome {
        let words = format!("{} (error {})", self.description, self.err_code);
        let throttled = || {
            Outcome::Failed(ExportError::throttled(format!(
                "JetStream has no room for `{subject}`: {words}."
            )))
        };
        match self.err_code {
            // The message is larger than the stream takes.
            10054 => Outcome::Rejected(format!(
                "The message is larger than its stream takes: {words}."
            )),
            // Resources of the server or of the account: insufficient, exceeded, in memory, on the disk.
            10002 | 10023 | 10028 | 10047 => throttled(),
            // Storing failed: with `discard: new` a full stream says so, in words alone.
            10077 if self.description.contains("maximum") => throttled(),
            // Not the expected stream; the stream is sealed, or a mirror.
            10060 | 10109 | 10055 => Outcome::Failed(ExportError::misconfigured(format!(
                "The stream behind `{subject}` does not take messages so: {words}."
            ))),
            _ if self.code == 403 => Outcome::Failed(ExportError::denied(format!(
                "JetStream refuses `{subject}`: {words}."
            ))),
            _ => Outcome::Failed(ExportError::unavailable(format!(
                "JetStream did not store a message for `{subject}`: {words}."
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(payload: &str) -> Outcome {
        let answer = Delivered {
            subject: "_INBOX.a".into(),
            status: None,
            payload: payload.into(),
        };
        outcome(&answer, "plant.7")
    }

    fn refused(code: u16, err_code: u32, description: &str) -> Outcome {
        answered(&format!(
            r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"{description}"}},"stream":"S","seq":0}}"#
        ))
    }

    #[test]
    fn stored_is_stored_whether_now_or_before() {
        for ack in [
            r#"{"stream":"S","seq":1}"#,
            r#"{"stream":"S","seq":9,"duplicate":true,"domain":"d"}"#,
        ] {
            assert_eq!(answered(ack), Outcome::Delivered);
        }
    }

    #[test]
    fn an_answer_of_somebody_else_is_no_acknowledgement() {
        for answer in [
            "",
            "ok",
            "{}",
            "[]",
            r#"{"stream":"S"}"#,
            r#"{"seq":1}"#,
            r#"{"stream":"S","seq":0}"#,
        ] {
            let outcome = answered(answer);
            assert!(
                matches!(&outcome, Outcome::Failed(ExportError::Misconfigured(_))),
                "{answer}: {outcome:?}"
            );
        }
    }

    #[test]
    fn each_refusal_is_told_by_what_can_be_done() {
        let kind = |outcome: Outcome| match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Rejected(_) => "rejected",
            Outcome::Failed(ExportError::Throttled(_)) => "throttled",
            Outcome::Failed(ExportError::Unavailable(_)) => "unavailable",
            Outcome::Failed(ExportError::Denied(_)) => "denied",
            Outcome::Failed(ExportError::Misconfigured(_)) => "misconfigured",
        };
        for (code, err_code, description, expected) in [
            (
                400,
                10054,
                "message size exceeds maximum allowed",
                "rejected",
            ),
            (503, 10077, "maximum messages exceeded", "throttled"),
            (503, 10077, "maximum bytes exceeded", "throttled"),
            (503, 10077, "no space left on device", "unavailable"),
            (503, 10023, "insufficient resources", "throttled"),
            (
                400,
                10060,
                "expected stream does not match",
                "misconfigured",
            ),
            (403, 1, "forbidden", "denied"),
            (
                503,
                10008,
                "JetStream system temporarily unavailable",
                "unavailable",
            ),
            (400, 99999, "something new", "unavailable"),
        ] {
            assert_eq!(
                kind(refused(code, err_code, description)),
                expected,
                "{description}"
            );
        }
    }
}
