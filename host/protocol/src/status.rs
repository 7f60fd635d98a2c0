//! The status codes of responses (section 2.1) and the texts that clients test for (section 2.2).

use crate::{Version, codes::codes};

/// The text of `InvalidRequest` when a stream is created twice; public clients compare it whole
/// (section 2.2).
pub const STREAM_ALREADY_EXISTS: &str = "the message stream already exists";

/// The text of `NotEnoughMessages` when a read starts beyond the newest message; clients look for
/// the second half of it (section 2.2).
pub const DESIRED_START_BEYOND_LAST: &str =
    "desired starting sequence number is greater than the last sequence number of the stream";

codes! {
    /// How a request ended (section 2.1). 15 to 18 came with protocol 1.1.0.
    pub enum ResponseStatusCode {
        /// It was done.
        Success = 0,
        /// The server failed in a way that has no code of its own.
        UnknownFailure = 1,
        /// The client may not connect.
        Unauthorized = 2,
        /// The request breaks a rule.
        InvalidRequest = 3,
        /// The frame of the request is longer than the server takes.
        RequestPayloadTooLarge = 4,
        /// There is no such stream.
        ResourceNotFound = 5,
        /// The server took too long.
        ServerTimeout = 6,
        /// The answer would be longer than a frame may be.
        ResponsePayloadTooLarge = 7,
        /// Connect only: the first byte is not 1.
        UnsupportedConnectVersion = 8,
        /// Connect only: the first frame is no Connect.
        UnexpectedOperation = 9,
        /// Connect only: no version in common.
        UnsupportedProtocolVersion = 10,
        /// Connect only: the version offered is no version.
        InvalidProtocolVersion = 11,
        /// Connect only: any other reason.
        FailedToConnect = 12,
        /// A read did not find as many messages as it asked for.
        NotEnoughMessages = 13,
        /// Stored messages could not be read.
        MessageStoreReadError = 14,
        /// The server has no memory for the request.
        OutOfMemoryError = 15,
        /// An update could not be applied.
        UpdateFailed = 16,
        /// An update changes what may not change.
        UpdateNotAllowed = 17,
        /// The server does not know the operation.
        UnknownOperation = 18,
    }
}

impl ResponseStatusCode {
    /// The code to send on a connection that runs `version`: 1.0.0 does not know 15 to 18, and its
    /// clients break on a number they do not know (section 2.1).
    #[must_use]
    pub const fn for_version(self, version: Version) -> Self {
        match (version, self) {
            (Version::V1_0_0, Self::OutOfMemoryError | Self::UnknownOperation) => {
                Self::UnknownFailure
            }
            (Version::V1_0_0, Self::UpdateFailed | Self::UpdateNotAllowed) => Self::InvalidRequest,
            (_, same) => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_1_0_0_client_never_sees_a_code_above_14() {
        for code in 0..=18 {
            let status = ResponseStatusCode::from_code(code).unwrap();
            assert_eq!(status.for_version(Version::V1_1_0), status);
            assert!(status.for_version(Version::V1_0_0).code() <= 14);
        }
        assert_eq!(
            ResponseStatusCode::UpdateNotAllowed.for_version(Version::V1_0_0),
            ResponseStatusCode::InvalidRequest
        );
        assert_eq!(ResponseStatusCode::from_code(19), None);
    }
}
