//! One record of a call, and the service's answer to it.

/// A message on its way to Kinesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The message's place in the batch.
    pub(crate) index: usize,
    /// 1 to 256 characters.
    pub(crate) key: String,
    /// The message's payload.
    pub(crate) data: Vec<u8>,
}

impl Record {
    /// The size that the service's limits speak of: data before base64, and the key.
    pub(crate) fn bytes(&self) -> u64 {
        self.data.len() as u64 + self.key.len() as u64
    }
}

/// What the service says of one record of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is stored.
    Taken,
    /// It is not, for this reason; all reasons that the service knows pass with time.
    Failed(String),
}

impl Answer {
    /// Reads an entry of the answer: one without an error code was taken.
    pub(crate) fn new(code: Option<&str>, message: Option<&str>) -> Self {
        match (code, message) {
            (None, _) => Self::Taken,
            (Some(code), Some(message)) => Self::Failed(format!("{code}: {message}")),
            (Some(code), None) => Self::Failed(code.to_owned()),
        }
    }
}
