use millstream_plugin::config::parse;

use super::*;
use crate::config::Config;

/// Answers every request alike, and keeps what it was sent.
struct Script {
    /// Whether a condition is answered with 501 instead.
    unconditional: bool,
    answer: Result<Answer, Unanswered>,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Transport for &mut Script {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        assert_eq!(request.method, Method::Put);
        self.url = request.address.url();
        self.headers = request.headers.clone();
        self.body = request.body.to_vec();
        if self.unconditional && self.headers.contains_key("if-none-match") {
            return Ok(answer(501, "NotImplemented"));
        }
        self.answer.clone()
    }
}

fn script(answer: Result<Answer, Unanswered>) -> Script {
    Script {
        unconditional: false,
        answer,
        url: String::new(),
        headers: HeaderMap::new(),
        body: Vec::new(),
    }
}

fn answer(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as it \
         is</Message><RequestId>1</RequestId></Error>"
    );
    Answer {
        status,
        body: body.into_bytes(),
        ..Answer::default()
    }
}

fn taken() -> Answer {
    Answer {
        status: 200,
        headers: HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"e\""))]),
        ..Answer::default()
    }
}

fn put(script: &mut Script, config: &str, write: Write) -> Result<(), ExportError> {
    let config = format!(r#"{{"bucket": "plant", "region": "eu-central-1"{config}}}"#);
    let settings = Settings::try_from(parse::<Config>(&config).unwrap()).unwrap();
    let keys = Keys::new(settings.key.clone(), "press 4", "e", "x").unwrap();
    let object = Object {
        body: b"123456789".to_vec(),
        first: 7,
        last: 12,
        messages: 5,
    };
    Bucket::new(script, settings, &keys).put("a/d=(1)/7-12.x", &object, write)
}

fn refused(status: u16, code: &str) -> ExportError {
    put(&mut script(Ok(answer(status, code))), "", Write::Over).unwrap_err()
}

#[test]
fn an_object_goes_to_its_key_with_all_that_s3_shall_know() {
    let mut script = script(Ok(taken()));
    let config = r#", "storageClass": "GLACIER_IR", "serverSideEncryption": "aws:kms""#;
    put(&mut script, config, Write::Over).unwrap();
    assert_eq!(
        script.url,
        "https://plant.s3.eu-central-1.amazonaws.com/a/d%3D%281%29/7-12.x"
    );
    assert_eq!(script.body, b"123456789");
    for (name, value) in [
        ("content-type", "application/gzip"),
        ("x-millstream-aws-sign", "s3/eu-central-1"),
        // The check value of CRC-32, cbf43926.
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-storage-class", "GLACIER_IR"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-meta-stream", "press_x204"),
        ("x-amz-meta-first-sequence-number", "7"),
        ("x-amz-meta-last-sequence-number", "12"),
        ("x-amz-meta-messages", "5"),
    ] {
        assert_eq!(script.headers[name], value, "{name}");
    }
    assert!(!script.headers.contains_key("content-encoding"));
    assert!(!script.headers.contains_key("if-none-match"));
}

#[test]
fn an_object_that_may_only_be_missing_counts_as_written_if_it_is_there() {
    let mut there = script(Ok(answer(412, "PreconditionFailed")));
    put(&mut there, "", Write::Missing).unwrap();
    assert_eq!(there.headers["if-none-match"], "*");
    assert!(put(&mut there, "", Write::Over).is_err());

    let mut unconditional = script(Ok(taken()));
    unconditional.unconditional = true;
    put(&mut unconditional, "", Write::Missing).unwrap();
    assert!(!unconditional.headers.contains_key("if-none-match"));
}

#[test]
fn a_refusal_says_what_an_operator_has_to_do() {
    let ExportError::Misconfigured(reason) = refused(404, "NoSuchBucket") else {
        panic!("not misconfigured");
    };
    assert!(
        reason.starts_with("S3 bucket `plant` in `eu-central-1` does not exist; check `bucket`"),
        "{reason}"
    );
    for code in ["AccessDenied", "SignatureDoesNotMatch", "ExpiredToken"] {
        let ExportError::Denied(reason) = refused(403, code) else {
            panic!("{code} is not denied");
        };
        assert!(reason.contains("`s3:PutObject`"), "{reason}");
    }
    assert!(matches!(
        refused(503, "SlowDown"),
        ExportError::Throttled(_)
    ));
    for (status, code) in [
        (400, "RequestTimeout"),
        (400, "BadDigest"),
        (409, "ConditionalRequestConflict"),
        (500, "InternalError"),
    ] {
        let error = refused(status, code);
        assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
        assert!(error.reason().contains(code), "{error:?}");
    }
    for (status, code) in [
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),
        (400, "KMS.NotFoundException"),
        (400, "EntityTooLarge"),
        (400, "InvalidStorageClass"),
    ] {
        let error = refused(status, code);
        assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
        assert!(error.reason().contains(code), "{error:?}");
    }
}

#[test]
fn an_answer_that_is_not_from_s3_delivers_nothing() {
    let page = Answer {
        status: 200,
        body: b"<html>welcome</html>".to_vec(),
        ..Answer::default()
    };
    let error = put(&mut script(Ok(page)), "", Write::Over).unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
}

#[test]
fn without_an_answer_nothing_is_delivered_and_a_missing_grant_is_named() {
    let error = put(&mut script(Err(Unanswered::TimedOut)), "", Write::Over).unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
    let ungranted = put(&mut script(Err(Unanswered::NotGranted)), "", Write::Over).unwrap_err();
    let ExportError::Denied(reason) = ungranted else {
        panic!("not denied");
    };
    assert!(
        reason.contains("\"https://plant.s3.eu-central-1.amazonaws.com\" into `hosts`"),
        "{reason}"
    );
}
