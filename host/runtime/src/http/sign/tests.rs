//! The expected signatures are those that AWS publishes: of its test suite for Signature Version 4,
//! and of the examples in the documentation of S3.

use std::time::Duration;

use http::Request;

use super::*;

/// A time as seconds since the epoch.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 2015-08-30T12:36:00Z and 2013-05-24T00:00:00Z.
const SUITE_TIME: u64 = 1_440_938_160;
const S3_TIME: u64 = 1_369_353_600;

fn wish(service: &str) -> Wish {
    Wish {
        scope: SigningScope {
            service: service.into(),
            region: "us-east-1".into(),
        },
        payload: Payload::Signed,
    }
}

fn parts(request: http::request::Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers[name].to_str().unwrap()
}

fn suite_credentials(token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, token.map(Into::into), None, "test")
}

#[test]
fn a_plain_request_is_signed_as_published() {
    let mut parts = parts(Request::get("https://example.amazonaws.com/"));
    sign(
        &mut parts,
        b"",
        &wish("service"),
        suite_credentials(None),
        at(SUITE_TIME),
    )
    .unwrap();
    assert_eq!(header(&parts, "x-amz-date"), "20150830T123600Z");
    assert_eq!(
        header(&parts, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn a_session_token_is_signed_as_published() {
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    let mut parts = parts(Request::post("https://example.amazonaws.com/"));
    let credentials = suite_credentials(Some(token));
    sign(
        &mut parts,
        b"",
        &wish("service"),
        credentials,
        at(SUITE_TIME),
    )
    .unwrap();
    assert_eq!(header(&parts, "x-amz-security-token"), token);
    assert!(
        header(&parts, "authorization")
            .ends_with("85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")
    );
}

#[test]
fn a_request_to_s3_is_signed_as_published() {
    let mut parts = parts(
        Request::get("https://examplebucket.s3.amazonaws.com/test.txt")
            .header("range", "bytes=0-9"),
    );
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test");
    sign(&mut parts, b"", &wish("s3"), credentials, at(S3_TIME)).unwrap();
    assert_eq!(
        header(&parts, "x-amz-content-sha256"),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert!(
        header(&parts, "authorization")
            .ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    );
}

#[test]
fn what_the_guest_says_of_credentials_is_replaced() {
    let mut parts = parts(
        Request::get("https://example.amazonaws.com/")
            .header("authorization", "Basic Zm9yZ2Vk")
            .header("x-amz-security-token", "forged")
            .header("x-amz-date", "20000101T000000Z")
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    );
    sign(
        &mut parts,
        b"",
        &wish("service"),
        suite_credentials(None),
        at(SUITE_TIME),
    )
    .unwrap();
    assert!(
        header(&parts, "authorization")
            .ends_with("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    );
    assert!(!parts.headers.contains_key("x-amz-security-token"));
    assert!(!parts.headers.contains_key("x-amz-content-sha256"));
}

#[test]
fn the_wish_for_a_signature_is_taken_out() {
    let mut headers = HeaderMap::new();
    assert_eq!(SigningScope::take(&mut headers), Ok(None));
    headers.insert(ASK, HeaderValue::from_static("kinesis/eu-west-1"));
    let scope = SigningScope::take(&mut headers).unwrap().unwrap();
    assert_eq!(
        (scope.service.as_str(), scope.region.as_str()),
        ("kinesis", "eu-west-1")
    );
    assert!(headers.is_empty());
}

#[test]
fn a_wish_that_makes_no_sense_is_refused_and_taken_out_too() {
    for wrong in ["kinesis", "kinesis/", "/eu", "a/b/c", "Kinesis/eu", "a b/c"] {
        let mut headers = HeaderMap::new();
        headers.insert(ASK, HeaderValue::from_str(wrong).unwrap());
        assert!(SigningScope::take(&mut headers).is_err(), "{wrong}");
        assert!(headers.is_empty());
    }
    let mut headers = HeaderMap::new();
    headers.append(ASK, HeaderValue::from_static("kinesis/eu-west-1"));
    headers.append(ASK, HeaderValue::from_static("s3/eu-west-1"));
    assert!(SigningScope::take(&mut headers).is_err());
}

fn taken(headers: &[(&'static str, &'static str)]) -> (Result<Option<Wish>, String>, HeaderMap) {
    let mut map = HeaderMap::new();
    for &(name, value) in headers {
        map.append(name, HeaderValue::from_static(value));
    }
    (Wish::take(&mut map), map)
}

#[test]
fn what_of_the_body_is_signed_is_read_from_the_headers() {
    const SIGN: (&str, &str) = ("x-millstream-aws-sign", "s3/eu-west-1");
    const ASK: &str = "x-millstream-aws-payload";
    const S3: &str = "x-amz-content-sha256";
    let payload = |header| taken(&[SIGN, header]).0.map(|wish| wish.unwrap().payload);
    assert_eq!(payload(("accept", "*/*")), Ok(Payload::Signed));
    assert_eq!(payload((ASK, "unsigned")), Ok(Payload::Unsigned));
    assert_eq!(payload((S3, "UNSIGNED-PAYLOAD")), Ok(Payload::Signed));
    assert_eq!(
        payload((S3, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
        Ok(Payload::UnsignedWithTrailer)
    );
    let problem = payload((S3, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")).unwrap_err();
    assert!(
        problem.contains("which the host does not sign"),
        "{problem}"
    );
    assert!(payload((ASK, "signed")).is_err());
    let (twice, left) = taken(&[SIGN, (ASK, "unsigned"), (ASK, "unsigned")]);
    assert!(twice.is_err() && left.is_empty());
    // Without a wish for a signature it means nothing, and goes no further.
    assert_eq!(taken(&[(ASK, "unsigned")]), (Ok(None), HeaderMap::new()));
}

#[test]
fn a_query_that_is_no_text_is_refused_and_not_signed_wrong() {
    let mut parts = parts(Request::get("https://example.amazonaws.com/?a=%FF"));
    let (credentials, time) = (suite_credentials(None), at(SUITE_TIME));
    let problem = sign(&mut parts, b"", &wish("service"), credentials, time).unwrap_err();
    assert!(problem.contains("not UTF-8"), "{problem}");
}
