//! What of a body is signed.

use aws_sigv4::http_request::SignableBody;
use http::{HeaderMap, HeaderName};

const ASK: HeaderName = HeaderName::from_static("x-millstream-aws-payload");
pub(super) const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What stands in the place of the hash for a body of chunks with a checksum behind them, as SDKs make
/// it (Amazon S3 API reference, "Signature calculations: trailing headers").
const WITH_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What of a body is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Payload {
    /// Its hash.
    Signed,
    /// Nothing, as the guest asks with the header `x-millstream-aws-payload: unsigned`.
    Unsigned,
    /// Nothing, and it brings a checksum of its own: the guest says so as S3 has it, in
    /// `x-amz-content-sha256`.
    UnsignedWithTrailer,
}

impl Payload {
    /// Takes the header out of a request; the error says what is wrong with it. What S3's own header
    /// says is left to be replaced.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Self, String> {
        let asked = headers.get_all(&ASK).iter().cloned().collect::<Vec<_>>();
        headers.remove(&ASK);
        match asked.as_slice() {
            [] => {}
            [value] if value == "unsigned" => return Ok(Self::Unsigned),
            _ => return Err(format!("its header `{ASK}` is not one value `unsigned`")),
        }
        let said = headers.get(&CONTENT_SHA256);
        match said.and_then(|value| value.to_str().ok()) {
            Some(WITH_TRAILER) => Ok(Self::UnsignedWithTrailer),
            // Each of its chunks has a signature, which only who has the credentials can make.
            Some(other) if other.starts_with("STREAMING-") => Err(format!(
                "its body is made for `{CONTENT_SHA256}: {other}`, which the host does not sign; \
                 {WITH_TRAILER} it does"
            )),
            _ => Ok(Self::Signed),
        }
    }

    /// What the signer is told.
    pub(super) fn signable(self, body: &[u8]) -> SignableBody<'_> {
        match self {
            Self::Signed => SignableBody::Bytes(body),
            Self::Unsigned => SignableBody::UnsignedPayload,
            Self::UnsignedWithTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
        }
    }
}
