use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::put_object::PutObjectError;

use super::*;

const TARGET: &str = "s3://bucket/key";

fn refused(status: u16, code: Option<&str>) -> Fault {
    let mut metadata = ErrorMetadata::builder().message("as it is");
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    let error = PutObjectError::generic(metadata.build());
    let mut response = HttpResponse::new(status.try_into().unwrap(), "".into());
    response.headers_mut().insert("retry-after", "7");
    Fault::new(&SdkError::service_error(error, response), TARGET)
}

#[test]
fn what_is_the_tasks_own_fault_ends_it() {
    for code in [
        "NoSuchBucket",
        "KeyTooLongError",
        "MetadataTooLarge",
        "InvalidRequest",
    ] {
        let Fault::Never(reason) = refused(404, Some(code)) else {
            panic!("{code} does not end the task");
        };
        assert!(reason.starts_with(TARGET), "{reason}");
        assert!(reason.ends_with(&format!("{code}: as it is")), "{reason}");
    }
}

#[test]
fn an_upload_that_s3_forgot_is_gone() {
    for code in ["NoSuchUpload", "InvalidPart"] {
        assert!(
            matches!(refused(404, Some(code)), Fault::UploadGone(_)),
            "{code}"
        );
    }
}

#[test]
fn too_much_is_throttled_with_the_pause_that_was_named() {
    for (status, code) in [(503, Some("SlowDown")), (429, None)] {
        let Fault::Later(ExportError::Throttled(failure)) = refused(status, code) else {
            panic!("{code:?} is not throttled");
        };
        assert_eq!(failure.retry_after_ms, Some(7000));
    }
}

#[test]
fn what_an_operator_can_mend_is_waited_for() {
    for code in ["AccessDenied", "InvalidAccessKeyId", "RequestTimeTooSkewed"] {
        let fault = refused(403, Some(code));
        assert!(
            matches!(fault, Fault::Later(ExportError::Denied(_))),
            "{code}"
        );
    }
    for code in ["PermanentRedirect", "SomethingNew"] {
        let Fault::Later(ExportError::Misconfigured(reason)) = refused(400, Some(code)) else {
            panic!("{code} is not misconfigured");
        };
        assert!(reason.contains(code), "{reason}");
    }
}

#[test]
fn a_broken_service_or_way_is_unavailable() {
    for (status, code) in [
        (500, Some("InternalError")),
        (503, Some("ServiceUnavailable")),
        (400, Some("BadDigest")),
        (400, Some("RequestTimeout")),
        (302, None),
        (404, None),
        (502, None),
    ] {
        let fault = refused(status, code);
        assert!(
            matches!(fault, Fault::Later(ExportError::Unavailable(_))),
            "{status} {code:?}"
        );
    }
    assert!(matches!(
        refused(403, None),
        Fault::Later(ExportError::Denied(_))
    ));
}

#[test]
fn an_answer_of_somebody_else_is_shown_to_the_operator() {
    let error = PutObjectError::generic(ErrorMetadata::builder().build());
    let response = HttpResponse::new(407.try_into().unwrap(), "<p>\n  Log in</p>".into());
    let fault = Fault::new(&SdkError::service_error(error, response), TARGET);
    assert!(
        fault.reason().ends_with("<p> Log in</p>"),
        "{}",
        fault.reason()
    );
}

#[test]
fn no_answer_is_unavailable_and_no_grant_is_denied() {
    for cause in ["ErrorCode::ConnectionReadTimeout", "connection refused"] {
        let fault = Fault::not_connected(cause, TARGET);
        assert!(
            matches!(fault, Fault::Later(ExportError::Unavailable(_))),
            "{cause}"
        );
    }
    let fault = Fault::not_connected("ErrorCode::HttpRequestDenied", TARGET);
    assert!(matches!(fault, Fault::Later(ExportError::Denied(_))));
}
