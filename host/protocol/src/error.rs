//! What can be wrong with bytes from a peer.

use crate::{Failure, Operation, RequestId, ResponseStatusCode};

/// Why bytes from a peer, or a value from a configuration, were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A frame whose length field is below 1. The connection is out of step and has to be closed.
    #[error(
        "A frame announces a length of {length}, and the least is 1: the peer does not speak the \
         Stream Manager protocol or lost its place; close the connection and connect again."
    )]
    FrameLength {
        /// The length field as it was read.
        length: i32,
    },
    /// A frame beyond the limit of the side that reads or writes it.
    #[error(
        "A frame of {length} bytes is longer than the {limit} bytes allowed; send smaller \
         messages, ask for fewer at once, or raise the limit."
    )]
    FrameTooLarge {
        /// Operation byte and payload, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A payload that is not one well-formed CBOR map.
    #[error("The payload is not well-formed CBOR at byte {position}: {reason}.")]
    Malformed {
        /// Offset in the payload, in bytes.
        position: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A field that is missing or breaks a rule of the protocol.
    #[error("{} {problem}.", subject(field))]
    Field {
        /// The way to the field, such as `definition.exportDefinition.kinesis[0].batchSize`; empty
        /// for a value that stands for itself.
        field: String,
        /// The rest of a sentence that begins with the field.
        problem: String,
    },
    /// An operation code that no request has.
    #[error(
        "The operation code {code} is not known; this server speaks protocol versions 1.0.0 and \
         1.1.0."
    )]
    UnknownOperation {
        /// The code as it was read.
        code: u8,
    },
    /// An operation code that no response has, seen by a client.
    #[error(
        "The peer sent the operation code {code}, which is no response; check that a Stream \
         Manager listens at this address."
    )]
    NotAResponse {
        /// The code as it was read.
        code: u8,
    },
}

impl ProtocolError {
    /// A rule broken by the value at hand; [`within`](Self::within) adds where it stood.
    pub(crate) fn value(problem: impl Into<String>) -> Self {
        Self::Field {
            field: String::new(),
            problem: problem.into(),
        }
    }

    /// A required field that is not there.
    pub(crate) fn missing(field: &str) -> Self {
        Self::Field {
            field: field.to_owned(),
            problem: "is missing".to_owned(),
        }
    }

    /// A number outside its bounds.
    pub(crate) fn outside(min: u64, max: u64, value: impl std::fmt::Display) -> Self {
        Self::value(format!(
            "must be between {min} and {max}, but it is {value}"
        ))
    }

    /// The same error, one level further out: puts `parent` before the field's name.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        match self {
            Self::Field { field, problem } => Self::Field {
                field: match field.chars().next() {
                    None => clipped(parent).to_owned(),
                    Some('[') => format!("{}{field}", clipped(parent)),
                    Some(_) => format!("{}.{field}", clipped(parent)),
                },
                problem,
            },
            other => other,
        }
    }
}

/// The subject of the sentence about a field.
fn subject(field: &str) -> String {
    if field.is_empty() {
        "The value".to_owned()
    } else {
        format!("The field {field}")
    }
}

/// The first characters of a text from a peer: enough to recognise it in a message.
pub(crate) fn clipped(text: &str) -> &str {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// A request that was not accepted, with all that its answer needs.
///
/// [`ResponseEncoder::failed`](crate::ResponseEncoder::failed) writes the answer. Without a request
/// id there is none, and the connection has to be closed: the client could not tell which of its
/// calls failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct RequestError {
    /// The id of the request, if it could be read.
    pub request_id: Option<RequestId>,
    /// The operation of the response.
    pub operation: Operation,
    /// The status of the response.
    pub status: ResponseStatusCode,
    /// What was wrong.
    pub cause: ProtocolError,
}

impl RequestError {
    /// The failure to answer with.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(self.status, self.cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_by_the_way_to_it() {
        let error = ProtocolError::outside(1, 500, 501)
            .within("batchSize")
            .within("[1]")
            .within("kinesis")
            .within("exportDefinition");
        assert_eq!(
            error.to_string(),
            "The field exportDefinition.kinesis[1].batchSize must be between 1 and 500, but it is 501."
        );
    }

    #[test]
    fn a_value_without_a_field_makes_a_sentence_too() {
        assert_eq!(
            ProtocolError::outside(1, 10, 11).to_string(),
            "The value must be between 1 and 10, but it is 11."
        );
    }

    #[test]
    fn long_text_from_a_peer_is_clipped_between_characters() {
        assert_eq!(clipped(&"é".repeat(100)), "é".repeat(64));
        assert_eq!(clipped("short"), "short");
    }
}
