//! What is sent, and what the answer means.

use serde_json::json;

/// A message as a line of JSON; none if its payload is no text.
pub fn line(sequence_number: u64, ingest_time: u64, payload: &[u8]) -> Option<Vec<u8>> {
    let payload = str::from_utf8(payload).ok()?;
    let fields = json!({
        "sequenceNumber": sequence_number,
        "ingestTime": ingest_time,
        "payload": payload,
    });
    Some(format!("{fields}\n").into_bytes())
}

/// What becomes of the messages of a request.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// The server has them.
    Delivered,
    /// The server refuses what they are: they can never be delivered.
    Refused,
    /// The server asks for less.
    Throttled,
    /// The server refuses this device.
    Denied,
    /// It may go better later.
    Unavailable,
    /// The address is wrong.
    Misconfigured,
}

/// What a status means.
pub fn meaning(status: u16) -> Meaning {
    match status {
        200..300 => Meaning::Delivered,
        400 | 413 | 415 | 422 => Meaning::Refused,
        401 | 403 | 407 => Meaning::Denied,
        429 | 503 => Meaning::Throttled,
        408 | 500.. => Meaning::Unavailable,
        _ => Meaning::Misconfigured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_line_if_it_is_text() {
        let line = |payload| line(7, 1, payload);
        let expected = b"{\"ingestTime\":1,\"payload\":\"a\\nb\",\"sequenceNumber\":7}\n";
        assert_eq!(line(b"a\nb"), Some(expected.to_vec()));
        assert_eq!(line(b"\xff"), None);
    }

    #[test]
    fn only_what_the_server_took_is_delivered_and_only_what_it_refuses_is_rejected() {
        assert_eq!(meaning(204), Meaning::Delivered);
        assert_eq!(meaning(422), Meaning::Refused);
        for status in (100..200).chain(300..400).chain(500..600) {
            let meaning = meaning(status);
            assert!(!matches!(meaning, Meaning::Delivered | Meaning::Refused), "{status}");
        }
    }
}
