//! What a failed `PutRecords` call means, in the words of the contract.
//!
//! Error codes: API reference of `PutRecords`, "Common errors" of the Kinesis API, and those of the
//! AWS Key Management Service that Kinesis passes on. Codes and not the SDK's error types decide,
//! because the common errors have no type.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use millstream_plugin::{ExportError, Failure};

/// Why a call of one or more records delivered nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum CallError {
    /// Something that holds for every call.
    Failed(ExportError),
    /// No answer in time: fewer bytes a call may help.
    TimedOut(String),
    /// The service says that the call's content is wrong: it may be one record that is.
    Invalid(String),
}

/// What the service said when it refused a call.
#[derive(Debug, Clone, Copy)]
struct Refusal<'a> {
    status: u16,
    code: Option<&'a str>,
    message: Option<&'a str>,
    retry_after: Option<Duration>,
}

impl CallError {
    /// Reads the SDK's error; `target` names the stream and the Region for the operator.
    pub(crate) fn new(error: &SdkError<PutRecordsError, HttpResponse>, target: &str) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Failed(ExportError::misconfigured(format!(
                "The request to {target} cannot be made: {}.",
                cause(error)
            ))),
            SdkError::ServiceError(context) => {
                let raw = context.raw();
                let metadata = context.err().meta();
                let refusal = Refusal {
                    status: raw.status().as_u16(),
                    code: metadata.code(),
                    message: metadata.message(),
                    retry_after: retry_after(raw),
                };
                refusal.classify(target)
            }
            _ => Self::not_connected(&cause(error), target),
        }
    }

    /// The request did not come to an answer; `cause` is the error at its root.
    fn not_connected(cause: &str, target: &str) -> Self {
        // The codes of `wasi:http` for an answer that does not come in time, and for a request that
        // the host's allow-list stops.
        if cause.contains("ConnectionReadTimeout") || cause.contains("connection-read-timeout") {
            return Self::TimedOut(format!("No answer from {target} in time."));
        }
        if cause.contains("HttpRequestDenied") || cause.contains("HTTP-request-denied") {
            return Self::Failed(ExportError::denied(format!(
                "The host does not let this plugin call {target}; put its host name into `hosts` and \
                 `kinesis` into `aws-services` of the plugin's grants."
            )));
        }
        Self::Failed(ExportError::unavailable(format!(
            "{target} cannot be reached: {cause}."
        )))
    }

    /// The error for the host if nothing of the batch was delivered.
    pub(crate) fn into_export_error(self) -> ExportError {
        match self {
            Self::Failed(error) => error,
            Self::TimedOut(reason) => ExportError::unavailable(reason),
            Self::Invalid(reason) => ExportError::misconfigured(reason),
        }
    }

    /// Why, in one sentence.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Failed(error) => error.reason(),
            Self::TimedOut(reason) | Self::Invalid(reason) => reason,
        }
    }
}

impl Refusal<'_> {
    fn classify(self, target: &str) -> CallError {
        let said = match (self.code, self.message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => format!("HTTP status {} without an AWS error code", self.status),
        };
        let reason = |what: &str| format!("{target} {what}: {said}");
        let failure = |what| Failure {
            reason: reason(what),
            ..self.failure()
        };
        let error = match (self.code.unwrap_or_default(), self.status) {
            ("ResourceNotFoundException", _) => ExportError::misconfigured(reason(
                "does not exist; check `kinesisStreamName`, `region` and the account",
            )),
            ("ValidationException" | "InvalidArgumentException" | "SerializationException", _)
            | ("", 413) => return CallError::Invalid(reason("calls the request invalid")),
            (
                "ProvisionedThroughputExceededException"
                | "LimitExceededException"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequestsException"
                | "KMSThrottlingException",
                _,
            )
            | ("", 429) => ExportError::Throttled(failure("asks for less")),
            ("KMSDisabledException" | "KMSInvalidStateException" | "KMSNotFoundException", _) => {
                ExportError::misconfigured(reason("cannot use its encryption key"))
            }
            (
                "AccessDenied"
                | "AccessDeniedException"
                | "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "IncompleteSignature"
                | "IncompleteSignatureException"
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "RequestExpired"
                | "MissingAuthenticationToken"
                | "MissingAuthenticationTokenException"
                | "NotAuthorized"
                | "OptInRequired"
                | "KMSAccessDeniedException"
                | "KMSOptInRequired",
                _,
            )
            | ("", 401 | 403) => ExportError::denied(reason(
                "refuses this device; check its credentials, its clock and the permission \
                 `kinesis:PutRecords`",
            )),
            // Without a code it was not the service that answered, but a proxy or a login page.
            ("", _) | (_, 500..) => ExportError::Unavailable(failure("cannot serve now")),
            _ => ExportError::misconfigured(reason("refuses the request")),
        };
        CallError::Failed(error)
    }

    fn failure(self) -> Failure {
        let failure = Failure::new("");
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
    response
        .headers()
        .get("retry-after")?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::error::ErrorMetadata;

    use super::*;

    const TARGET: &str = "Kinesis stream `s` in `eu-central-1`";

    fn service_error(status: u16, code: Option<&str>) -> SdkError<PutRecordsError, HttpResponse> {
        let mut metadata = ErrorMetadata::builder().message("as it is");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let error = PutRecordsError::generic(metadata.build());
        let mut response = HttpResponse::new(status.try_into().unwrap(), "".into());
        response.headers_mut().insert("retry-after", "7");
        SdkError::service_error(error, response)
    }

    fn classify(status: u16, code: &str) -> CallError {
        CallError::new(&service_error(status, Some(code)), TARGET)
    }

    #[test]
    fn an_unknown_stream_is_misconfigured_and_named() {
        let CallError::Failed(ExportError::Misconfigured(reason)) =
            classify(400, "ResourceNotFoundException")
        else {
            panic!("not misconfigured");
        };
        assert!(reason.starts_with(TARGET), "{reason}");
        assert!(
            reason.ends_with("ResourceNotFoundException: as it is"),
            "{reason}"
        );
    }

    #[test]
    fn too_much_is_throttled_with_the_pause_that_was_named() {
        for code in [
            "ProvisionedThroughputExceededException",
            "LimitExceededException",
            "ThrottlingException",
            "KMSThrottlingException",
        ] {
            let CallError::Failed(ExportError::Throttled(failure)) = classify(400, code) else {
                panic!("{code} is not throttled");
            };
            assert_eq!(failure.retry_after_ms, Some(7000));
        }
    }

    #[test]
    fn credentials_and_permissions_are_denied() {
        for code in [
            "AccessDeniedException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "ExpiredTokenException",
            "MissingAuthenticationToken",
            "KMSAccessDeniedException",
        ] {
            assert!(
                matches!(
                    classify(400, code),
                    CallError::Failed(ExportError::Denied(_))
                ),
                "{code}"
            );
        }
    }

    #[test]
    fn a_wrong_request_may_be_the_fault_of_one_record() {
        for code in [
            "ValidationException",
            "InvalidArgumentException",
            "SerializationException",
        ] {
            assert!(
                matches!(classify(400, code), CallError::Invalid(_)),
                "{code}"
            );
        }
    }

    #[test]
    fn a_broken_service_is_unavailable() {
        for (status, code) in [(500, "InternalFailure"), (503, "ServiceUnavailable")] {
            assert!(
                matches!(
                    classify(status, code),
                    CallError::Failed(ExportError::Unavailable(_))
                ),
                "{code}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_not_the_services_goes_by_its_status() {
        let by_status = |status| CallError::new(&service_error(status, None), TARGET);
        assert!(matches!(
            by_status(302),
            CallError::Failed(ExportError::Unavailable(_))
        ));
        assert!(matches!(
            by_status(403),
            CallError::Failed(ExportError::Denied(_))
        ));
        assert!(matches!(by_status(413), CallError::Invalid(_)));
        assert!(matches!(
            by_status(429),
            CallError::Failed(ExportError::Throttled(_))
        ));
        assert!(matches!(
            by_status(502),
            CallError::Failed(ExportError::Unavailable(_))
        ));
    }

    #[test]
    fn an_unknown_code_is_shown_to_the_operator() {
        let error = classify(400, "SomethingNewException");
        assert!(matches!(
            error,
            CallError::Failed(ExportError::Misconfigured(_))
        ));
        assert!(error.reason().contains("SomethingNewException"));
    }

    #[test]
    fn no_answer_is_unavailable_and_no_grant_is_denied() {
        let error = CallError::not_connected("ErrorCode::ConnectionReadTimeout", TARGET);
        assert!(matches!(error, CallError::TimedOut(_)));
        assert!(matches!(
            error.into_export_error(),
            ExportError::Unavailable(_)
        ));

        let denied = CallError::not_connected("ErrorCode::HttpRequestDenied", TARGET);
        assert!(matches!(denied, CallError::Failed(ExportError::Denied(_))));
        let refused = CallError::not_connected("connection refused", TARGET);
        assert!(matches!(
            refused,
            CallError::Failed(ExportError::Unavailable(_))
        ));
    }
}
