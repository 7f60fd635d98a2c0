//! What a failed call of S3 means, in the words of the contract.
//!
//! Error codes: Amazon S3 API Reference, "Error responses". Codes and not the SDK's error types decide,
//! because few of the codes have a type.
//!
//! Three kinds are told apart. What is the fault of the task (a bucket that does not exist, a key that is
//! too long) ends it. What time mends, and what an operator can mend (credentials, permissions, the
//! Region) is tried again for ever, so that a mistake on the way to the cloud costs no task. A refused
//! permission is of the second kind although it may be the task's bucket that is wrong: S3 answers the
//! same to both, and a task that ends by mistake has to be appended again by a program that may be gone,
//! while one that waits by mistake is seen in the export's status and ends with its time to live.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use millstream_plugin::{ExportError, Failure};

use crate::service::Fault;

impl Fault {
    /// Reads the SDK's error; `target` names the object for the operator.
    pub(crate) fn new<E>(error: &SdkError<E, HttpResponse>, target: &str) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        match error {
            SdkError::ConstructionFailure(_) => Self::Later(ExportError::misconfigured(format!(
                "The request for {target} cannot be made: {}; check `region`, `endpoint`, `useFips` and \
                 `useDualStack`.",
                cause(error)
            ))),
            SdkError::ServiceError(context) => {
                let raw = context.raw();
                let error = context.err();
                Refusal {
                    status: raw.status().as_u16(),
                    code: error
                        .code()
                        .or_else(|| raw.headers().get("x-amzn-errortype")),
                    message: error
                        .message()
                        .map(str::to_owned)
                        .or_else(|| beginning(raw)),
                    retry_after: retry_after(raw),
                }
                .classify(target)
            }
            // An answer that is no answer of S3, such as one of a proxy.
            SdkError::ResponseError(context) => Self::Later(ExportError::unavailable(format!(
                "The answer about {target}, with the HTTP status {}, is not one of S3: {}.",
                context.raw().status().as_u16(),
                cause(error)
            ))),
            _ => Self::not_connected(&cause(error), target),
        }
    }

    /// The request did not come to an answer; `cause` is the error at its root.
    fn not_connected(cause: &str, target: &str) -> Self {
        // The codes of `wasi:http` for an answer that does not come in time, and for a request that
        // the host's allow-list stops.
        let error = if cause.contains("ConnectionReadTimeout")
            || cause.contains("connection-read-timeout")
        {
            ExportError::unavailable(format!("No answer about {target} in time."))
        } else if cause.contains("HttpRequestDenied") || cause.contains("HTTP-request-denied") {
            ExportError::denied(format!(
                "The host does not let this plugin send {target}; put the name of the bucket's host into \
                 `hosts` and `s3` into `aws-services` of the plugin's grants."
            ))
        } else {
            ExportError::unavailable(format!("S3 cannot be reached with {target}: {cause}."))
        };
        Self::Later(error)
    }
}

/// What the service said when it refused a call.
#[derive(Debug)]
struct Refusal<'a> {
    status: u16,
    code: Option<&'a str>,
    message: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal<'_> {
    fn classify(self, target: &str) -> Fault {
        let said = match (self.code, &self.message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, Some(message)) => {
                format!(
                    "HTTP status {} without an error code of S3: {message}",
                    self.status
                )
            }
            (None, None) => format!("HTTP status {} without an error code of S3", self.status),
        };
        let reason = |what: &str| format!("{target} {what}: {said}");
        let error = match (self.code.unwrap_or_default(), self.status) {
            ("NoSuchBucket", _) => {
                return Fault::Never(reason("cannot be uploaded, since there is no such bucket"));
            }
            ("NoSuchUpload" | "InvalidPart" | "InvalidPartOrder", _) => {
                return Fault::UploadGone(reason("is not known as an upload in parts any more"));
            }
            (
                "InvalidBucketName" | "KeyTooLongError" | "MetadataTooLarge" | "EntityTooLarge"
                | "EntityTooSmall" | "InvalidArgument" | "InvalidRequest" | "InvalidURI"
                | "InvalidTag" | "InvalidObjectState" | "InvalidStorageClass" | "MethodNotAllowed",
                _,
            ) => return Fault::Never(reason("is refused")),
            (
                "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded"
                | "TooManyRequestsException" | "RequestThrottled" | "BandwidthLimitExceeded",
                _,
            )
            | ("", 429) => ExportError::Throttled(self.failure(reason("has to wait"))),
            (
                "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch" | "InvalidSecurity" | "InvalidToken" | "ExpiredToken"
                | "TokenRefreshRequired" | "RequestTimeTooSkewed" | "RequestExpired" | "NotSignedUp"
                | "UnauthorizedAccess" | "UnrecognizedClientException" | "InvalidPayer",
                _,
            )
            | ("", 401 | 403) => ExportError::denied(reason(
                "may not be uploaded by this device; check its credentials, its clock and the \
                 permissions `s3:PutObject`, `s3:AbortMultipartUpload` and \
                 `s3:ListMultipartUploadParts`",
            )),
            (
                "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException" | "Redirect",
                _,
            ) => ExportError::misconfigured(reason(
                "lies in a bucket of another Region; check `region` and `endpoint`",
            )),
            // A part or a connection that was damaged on its way, and a turn that was lost.
            (
                "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody"
                | "RequestTimeout" | "OperationAborted" | "ConditionalRequestConflict" | "InternalError"
                | "ServiceUnavailable",
                _,
            )
            // Without a code it was not the service that answered, but a proxy or a login page.
            | ("", _)
            | (_, 500..) => ExportError::Unavailable(self.failure(reason("cannot be taken now"))),
            _ => ExportError::misconfigured(reason("is refused")),
        };
        Fault::Later(error)
    }

    fn failure(&self, reason: String) -> Failure {
        let failure = Failure::new(reason);
        match self.retry_after {
            Some(pause) => failure.retry_after(pause),
            None => failure,
        }
    }
}

/// The error at the root of an error of the SDK; those between say nothing more than its kind.
fn cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The pause that the answer asks for. A date instead of seconds is passed over.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

/// The first of an answer that has no message of S3, for the operator.
fn beginning(response: &HttpResponse) -> Option<String> {
    const CHARACTERS: usize = 200;
    let text = String::from_utf8_lossy(response.body().bytes()?).into_owned();
    let text: Vec<&str> = text.split_whitespace().collect();
    let text: String = text.join(" ").chars().take(CHARACTERS).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
