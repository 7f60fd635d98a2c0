//! Requests that the host signs.

use super::*;

fn to_sign(uri: &str, scope: &'static str) -> Request<WasiBody> {
    let mut request = post(uri, "the body");
    let headers = request.headers_mut();
    headers.insert("x-millstream-aws-sign", HeaderValue::from_static(scope));
    headers.insert("authorization", HeaderValue::from_static("Basic Zm9yZ2Vk"));
    request
}

#[tokio::test]
async fn a_request_is_signed_for_a_granted_service() {
    let server = Server::answering(OK).await;
    let exchange = exchange_with(granting(&["127.0.0.1"], &["kinesis"]), known());
    let request = to_sign(&server.uri("127.0.0.1"), "kinesis/eu-west-1");
    assert_eq!(
        text(perform(&exchange, request).await.unwrap()).await,
        "hello"
    );
    let requests = server.requests();
    let request = &requests[0];
    assert!(!request.contains("x-millstream-aws-sign"), "{request}");
    assert!(!request.contains("basic "), "{request}");
    assert!(
        request.contains("authorization: aws4-hmac-sha256 credential=akid/"),
        "{request}"
    );
    assert!(
        request.contains("/eu-west-1/kinesis/aws4_request"),
        "{request}"
    );
    assert!(request.contains("x-amz-security-token: token"), "{request}");
    assert!(request.ends_with("the body"), "{request}");
}

#[tokio::test]
async fn a_service_without_a_grant_is_not_signed_for() {
    let server = Server::answering(OK).await;
    let exchange = exchange_with(granting(&["127.0.0.1"], &["kinesis"]), known());
    for scope in ["s3/eu-west-1", "kinesis"] {
        let request = to_sign(&server.uri("127.0.0.1"), scope);
        let error = perform(&exchange, request).await.unwrap_err();
        assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_credentials_the_host_answers_as_the_service_would() {
    let server = Server::answering(OK).await;
    let none = no_credentials();
    let exchange = exchange_with(granting(&["127.0.0.1"], &["kinesis"]), none);
    let request = to_sign(&server.uri("127.0.0.1"), "kinesis/eu-west-1");
    let response = perform(&exchange, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        response.headers()["x-amzn-errortype"],
        "UnrecognizedClientException"
    );
    assert!(text(response).await.contains("no AWS credentials"));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_too_large_to_sign_is_refused() {
    let exchange = exchange_with(granting(&["127.0.0.1"], &["s3"]), known());
    let mut request = post("http://127.0.0.1:1", vec![0; MAX_SIGNED_BODY + 1]);
    request.headers_mut().insert(
        "x-millstream-aws-sign",
        HeaderValue::from_static("s3/eu-west-1"),
    );
    let error = perform(&exchange, request).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestBodySize(_)), "{error}");
}

#[tokio::test]
async fn an_unsigned_body_is_not_held_and_so_may_be_of_any_size() {
    let server = Server::answering(OK).await;
    let exchange = exchange_with(granting(&["127.0.0.1"], &["s3"]), known());
    let size = MAX_SIGNED_BODY + 1;
    for (name, value, signed_as) in [
        ("x-millstream-aws-payload", "unsigned", "unsigned-payload"),
        (
            "x-amz-content-sha256",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "streaming-unsigned-payload-trailer",
        ),
    ] {
        let mut request = post(&server.uri("127.0.0.1"), vec![b'x'; size]);
        let headers = request.headers_mut();
        headers.insert(
            "x-millstream-aws-sign",
            HeaderValue::from_static("s3/eu-west-1"),
        );
        headers.insert(name, HeaderValue::from_static(value));
        perform(&exchange, request).await.unwrap();
        let request = server.requests().pop().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), size);
        assert!(!head.contains("x-millstream"), "{head}");
        let says = format!("x-amz-content-sha256: {signed_as}\r\n");
        assert!(head.contains(&says), "{head}");
        assert!(head.contains("x-amz-content-sha256;x-amz-date"), "{head}");
    }
}

#[tokio::test]
async fn what_leaves_a_body_unsigned_goes_over_tls_or_stays_within_the_device() {
    let exchange = exchange_with(granting(&["http://s3.example"], &["s3"]), known());
    let mut request = to_sign("http://s3.example/", "s3/eu-west-1");
    request.headers_mut().insert(
        "x-millstream-aws-payload",
        HeaderValue::from_static("unsigned"),
    );
    let error = perform(&exchange, request).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error}");
}

/// A refusal whose clock is years behind that of the device.
fn refusal(status: &str, body: &str) -> &'static str {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: \
         {length}\r\n\r\n{body}"
    )
    .leak()
}

#[tokio::test]
async fn a_signature_that_is_refused_for_the_clock_says_how_wrong_it_is() {
    for (scope, status, body, code) in [
        (
            "kinesis/eu-west-1",
            "400 Bad Request",
            r#"{"__type":"InvalidSignatureException","message":"Signature expired: x"}"#,
            "InvalidSignatureException",
        ),
        (
            "s3/eu-west-1",
            "403 Forbidden",
            "<Error><Code>RequestTimeTooSkewed</Code></Error>",
            "<Code>RequestTimeTooSkewed</Code>",
        ),
    ] {
        let server = Server::answering(refusal(status, body)).await;
        let exchange = exchange_with(granting(&["127.0.0.1"], &["kinesis", "s3"]), known());
        let request = to_sign(&server.uri("127.0.0.1"), scope);
        let response = perform(&exchange, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let said = text(response).await;
        let sentence = format!("years ahead of the one of 127.0.0.1:{}; AWS", server.port);
        assert!(said.contains(&sentence) && said.contains(code), "{said}");
    }
}

#[tokio::test]
async fn a_refusal_for_another_reason_reaches_the_guest_as_it_is() {
    let body = r#"{"__type":"AccessDeniedException","message":"no"}"#;
    let server = Server::answering(refusal("400 Bad Request", body)).await;
    let exchange = exchange_with(granting(&["127.0.0.1"], &["kinesis"]), known());
    let request = to_sign(&server.uri("127.0.0.1"), "kinesis/eu-west-1");
    let response = perform(&exchange, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, body);
    // What nobody signed is nothing to look at.
    let response = perform(&exchange, get(&server.uri("127.0.0.1")))
        .await
        .unwrap();
    assert_eq!(text(response).await, body);
}
