use millstream_plugin::http::{HeaderMap, HeaderName};

use super::*;

fn target() -> Target {
    Target {
        name: "Firehose stream `f` in `eu-central-1`".to_owned(),
        keys: "`deliveryStreamName` and `region`",
        permission: "`firehose:PutRecordBatch`",
    }
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, value.parse().unwrap())
    });
    Answer {
        status,
        headers: HeaderMap::from_iter(headers),
        body: body.as_bytes().to_vec(),
    }
}

fn read(status: u16, headers: &[(&'static str, &str)], body: &str) -> Refusal {
    Refusal::read(&answer(status, headers, body), SystemTime::UNIX_EPOCH)
}

fn passing(status: u16, code: &str) -> ExportError {
    let body = serde_json::json!({ "__type": code, "message": "as it is" });
    match read(status, &[("retry-after", "7")], &body.to_string()).fault(&target()) {
        Fault::Passing(error) => error,
        Fault::Content(reason) => panic!("{code}: {reason}"),
    }
}

#[test]
fn a_code_is_found_wherever_services_put_it() {
    let namespace = "com.amazonaws.firehose.v20150804#ResourceNotFoundException";
    let address = "ResourceNotFoundException:http://internal.amazon.com/coral/";
    for refusal in [
        read(
            400,
            &[],
            &format!(r#"{{"__type":"{namespace}","message":"gone"}}"#),
        ),
        read(
            404,
            &[("x-amzn-errortype", address)],
            r#"{"message":"gone"}"#,
        ),
        read(
            400,
            &[],
            r#"{"code":"ResourceNotFoundException","Message":"gone"}"#,
        ),
        read(
            404,
            &[],
            "<?xml version=\"1.0\"?><Error><Code>ResourceNotFoundException</Code><Message>gone</Message></Error>",
        ),
    ] {
        assert_eq!(refusal.code.as_deref(), Some("ResourceNotFoundException"));
        assert_eq!(refusal.message.as_deref(), Some("gone"));
    }
}

#[test]
fn what_does_not_exist_is_misconfigured_and_named_with_its_keys() {
    let ExportError::Misconfigured(reason) = passing(400, "ResourceNotFoundException") else {
        panic!("not misconfigured");
    };
    assert_eq!(
        reason,
        "Firehose stream `f` in `eu-central-1` does not exist; check `deliveryStreamName` and \
         `region`: ResourceNotFoundException: as it is"
    );
}

#[test]
fn a_key_that_cannot_be_used_is_misconfigured() {
    let error = passing(400, "KMSDisabledException");
    assert!(matches!(error, ExportError::Misconfigured(_)));
    assert!(error.reason().contains("its encryption key"));
}

#[test]
fn too_much_is_throttled_with_the_pause_that_was_named() {
    for (status, code) in [
        (400, "LimitExceededException"),
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "KMSThrottlingException"),
        (503, "ServiceUnavailableException"),
        (503, "SlowDown"),
    ] {
        let ExportError::Throttled(failure) = passing(status, code) else {
            panic!("{code} is not throttled");
        };
        assert_eq!(failure.retry_after_ms, Some(7000));
    }
}

#[test]
fn credentials_clock_and_permissions_are_denied() {
    for code in [
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "RequestTimeTooSkewed",
        "UnrecognizedClientException",
    ] {
        let ExportError::Denied(reason) = passing(403, code) else {
            panic!("{code} is not denied");
        };
        assert!(reason.contains("clock") && reason.contains("`firehose:PutRecordBatch`"));
    }
}

#[test]
fn a_wrong_request_may_be_the_fault_of_its_content() {
    for code in [
        "ValidationException",
        "InvalidArgumentException",
        "InvalidParameterException",
        "InvalidRequestException",
        "SerializationException",
    ] {
        let refusal = Refusal::of_entry(code, "as it is");
        assert!(
            matches!(refusal.fault(&target()), Fault::Content(_)),
            "{code}"
        );
    }
}

#[test]
fn a_service_in_trouble_is_unavailable() {
    for (status, code) in [
        (500, "InternalFailure"),
        (409, "ConflictingOperationException"),
        (500, "SomethingNewException"),
    ] {
        assert!(
            matches!(passing(status, code), ExportError::Unavailable(_)),
            "{code}"
        );
    }
}

#[test]
fn an_unknown_code_is_shown_to_the_operator() {
    let error = passing(400, "SomethingNewException");
    assert!(matches!(error, ExportError::Misconfigured(_)));
    assert!(error.reason().contains("SomethingNewException"));
}

#[test]
fn an_answer_that_is_not_the_services_goes_by_its_status() {
    let by_status = |status| match read(status, &[], "<html>no").fault(&target()) {
        Fault::Passing(error) => error,
        Fault::Content(reason) => panic!("{status}: {reason}"),
    };
    assert!(matches!(by_status(302), ExportError::Misconfigured(_)));
    assert!(matches!(by_status(403), ExportError::Denied(_)));
    assert!(matches!(by_status(404), ExportError::Misconfigured(_)));
    assert!(matches!(by_status(429), ExportError::Throttled(_)));
    assert!(matches!(by_status(400), ExportError::Unavailable(_)));
    assert!(matches!(by_status(502), ExportError::Unavailable(_)));
}

#[test]
fn what_a_service_says_cannot_disturb_a_log() {
    let long = "x".repeat(5000);
    let refusal = read(
        400,
        &[],
        &format!(r#"{{"__type":"A\nB","message":"a\r\n\u001b[31mb {long}"}}"#),
    );
    let Fault::Passing(error) = refusal.fault(&target()) else {
        panic!("about its content");
    };
    assert!(!error.reason().contains(['\r', '\n', '\u{1b}']));
    assert!(error.reason().len() < 700);
}
