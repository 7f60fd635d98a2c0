//! What a failed `PutRecords` call means, in the words that exporters to AWS share.

use std::error::Error;
use std::time::Duration;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::put_records::PutRecordsError;
use millstream_aws::{CallError, Refusal, Target};
use millstream_plugin::ExportError;

/// Reads the SDK's error. Codes and not the SDK's error types decide, because the errors that all
/// services have in common have no type.
pub(crate) fn of_call(
    error: &SdkError<PutRecordsError, HttpResponse>,
    target: &Target,
) -> CallError {
    match error {
        SdkError::ConstructionFailure(_) => CallError::Failed(ExportError::misconfigured(format!(
            "The request to {} cannot be made: {}.",
            target.name,
            cause(error)
        ))),
        SdkError::ServiceError(context) => {
            let raw = context.raw();
            let metadata = context.err().meta();
            let refusal = Refusal {
                status: raw.status().as_u16(),
                pause: pause(raw),
                ..Refusal::saying(metadata.code(), metadata.message())
            };
            refusal.into_error(target)
        }
        SdkError::ResponseError(_) => CallError::Failed(ExportError::unavailable(format!(
            "The answer of {} is not what the service answers ({}); check `endpoint`.",
            target.name,
            cause(error)
        ))),
        _ => not_connected(&cause(error), target),
    }
}

/// The request did not come to an answer; `cause` is the error at its root.
fn not_connected(cause: &str, target: &Target) -> CallError {
    let Target { name, .. } = target;
    // The codes of `wasi:http` for an answer that does not come in time, and for a request that the
    // host's allow-list stops.
    if cause.contains("ConnectionReadTimeout") || cause.contains("connection-read-timeout") {
        let reason = format!("No answer from {name} in time.");
        return CallError::TimedOut(ExportError::unavailable(reason));
    }
    if cause.contains("HttpRequestDenied") || cause.contains("HTTP-request-denied") {
        return CallError::Failed(ExportError::denied(format!(
            "The host does not let this plugin call {name}; put its host name into `hosts` and \
             `kinesis` into `aws-services` of the plugin's grants."
        )));
    }
    CallError::Failed(ExportError::unavailable(format!(
        "{name} cannot be reached: {cause}."
    )))
}

/// The error at the root of an error of the SDK; those between say nothing more than its kind.
fn cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The pause that the answer asks for. A date instead of seconds is passed over.
fn pause(response: &HttpResponse) -> Option<Duration> {
    let text = response.headers().get("retry-after")?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::error::ErrorMetadata;
    use millstream_aws::Fault;

    use super::*;

    fn target() -> Target {
        Target {
            name: "Kinesis stream `s` in `eu-central-1`".to_owned(),
            keys: "`kinesisStreamName`",
            permission: "`kinesis:PutRecords`",
        }
    }

    fn refused(status: u16, code: Option<&str>) -> Fault {
        let mut metadata = ErrorMetadata::builder().message("as it is");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let error = PutRecordsError::generic(metadata.build());
        let mut response = HttpResponse::new(status.try_into().unwrap(), "".into());
        response.headers_mut().insert("retry-after", "7");
        match of_call(&SdkError::service_error(error, response), &target()) {
            CallError::Refused { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_services_code_and_its_words_decide() {
        let fault = refused(400, Some("ResourceNotFoundException"));
        let Fault::Passing(ExportError::Misconfigured(reason)) = fault else {
            panic!("{fault:?}");
        };
        assert_eq!(
            reason,
            "Kinesis stream `s` in `eu-central-1` does not exist; check `kinesisStreamName`: \
             ResourceNotFoundException: as it is"
        );
        let fault = refused(400, Some("ValidationException"));
        assert!(matches!(fault, Fault::Content(_)), "{fault:?}");
    }

    #[test]
    fn a_pause_that_was_named_is_kept() {
        let fault = refused(400, Some("ProvisionedThroughputExceededException"));
        let Fault::Passing(ExportError::Throttled(failure)) = fault else {
            panic!("{fault:?}");
        };
        assert_eq!(failure.retry_after_ms, Some(7000));
    }

    #[test]
    fn an_answer_that_is_not_the_services_goes_by_its_status() {
        let fault = refused(403, None);
        assert!(matches!(fault, Fault::Passing(ExportError::Denied(_))));
        let fault = refused(502, None);
        assert!(matches!(fault, Fault::Passing(ExportError::Unavailable(_))));
    }

    #[test]
    fn no_answer_is_unavailable_and_no_grant_is_denied() {
        let error = not_connected("ErrorCode::ConnectionReadTimeout", &target());
        assert!(matches!(
            error,
            CallError::TimedOut(ExportError::Unavailable(_))
        ));
        let error = not_connected("ErrorCode::HttpRequestDenied", &target());
        assert!(matches!(error, CallError::Failed(ExportError::Denied(_))));
        let error = not_connected("connection refused", &target());
        assert!(matches!(
            error,
            CallError::Failed(ExportError::Unavailable(_))
        ));
    }
}
