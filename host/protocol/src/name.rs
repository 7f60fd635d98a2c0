//! Names of streams and exports, and the ids of requests.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::error::clipped;
use crate::{ProtocolError, text::Text};

/// The name of a stream or of a status stream, or the identifier of an export (section 2).
///
/// 1 to 255 ASCII letters, digits, underscores, spaces, commas, full stops and hyphens. `.`, `..`
/// and names that end in a dot or a space are valid: never make a path of a name without encoding
/// it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Text);

impl Name {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    pub(crate) fn from_text(text: Text) -> Result<Self, ProtocolError> {
        let name = text.as_bytes();
        let length_fits = (1..=Self::MAX_LEN).contains(&name.len());
        if length_fits && name.iter().copied().all(is_allowed) {
            Ok(Self(text))
        } else {
            Err(ProtocolError::value(format!(
                "must have 1 to {} characters out of A-Z, a-z, 0-9, underscore, space, comma, full \
                 stop and hyphen, but it is {:?} with {} bytes",
                Self::MAX_LEN,
                clipped(text.as_str()),
                name.len()
            )))
        }
    }
}

/// The rule `^[\w ,.\-_]*$`, with the ASCII meaning of `\w`.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b',' | b'.' | b'-')
}

/// What ties a response to its request: chosen by the client, echoed by the server.
///
/// 1 to 255 bytes of any text. One SDK sends a single space with every request, so ids are neither
/// unique nor speaking (section 1.5). Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Text);

impl RequestId {
    /// The longest id, in bytes. The SDKs send 1 or 36.
    pub const MAX_LEN: usize = 255;

    pub(crate) fn from_text(text: Text) -> Result<Self, ProtocolError> {
        let length = text.as_bytes().len();
        if (1..=Self::MAX_LEN).contains(&length) {
            Ok(Self(text))
        } else {
            Err(ProtocolError::value(format!(
                "must have 1 to {} bytes, but it has {length}",
                Self::MAX_LEN
            )))
        }
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// A copy on memory of its own. What was decoded from a frame may share the memory of
            /// the frame and of those that arrived with it; detach what is kept.
            #[must_use]
            pub fn detached(&self) -> Self {
                Self(Text::copied(self.as_str()))
            }
        }

        impl FromStr for $name {
            type Err = ProtocolError;

            fn from_str(text: &str) -> Result<Self, ProtocolError> {
                Self::from_text(Text::copied(text))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = ProtocolError;

            fn try_from(text: &str) -> Result<Self, ProtocolError> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

text_newtype!(Name);
text_newtype!(RequestId);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_specification() {
        for good in ["a", ".", "..", " ", "My Stream, 2.0-b_1", &"x".repeat(255)] {
            assert_eq!(Name::try_from(good).unwrap(), good);
        }
        for bad in ["", "é", "a/b", "a\n", "a\0", "a:b", "+", &"x".repeat(256)] {
            assert!(Name::try_from(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_map_by_name_can_be_asked_with_a_str() {
        let by_name = HashMap::from([(Name::try_from("s").unwrap(), 1)]);
        assert_eq!(by_name.get("s"), Some(&1));
    }

    #[test]
    fn an_id_may_be_a_single_space_but_not_empty() {
        assert_eq!(RequestId::try_from(" ").unwrap(), " ");
        assert!(RequestId::try_from("").is_err());
        assert!(RequestId::try_from("x".repeat(256).as_str()).is_err());
    }
}
