//! Answers that the host gives in the place of an AWS service, so that an exporter reports a matter of
//! credentials and not of the network.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::WasiBody;

/// Why the host answers itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum StandIn {
    /// There are no credentials.
    Credentials,
    /// The time of the signature is wrong.
    Clock,
}

impl StandIn {
    /// The code in the services' own words. S3 has others than the rest.
    fn code(self, service: &str) -> &'static str {
        match (self, speaks_xml(service)) {
            (Self::Credentials, false) => "UnrecognizedClientException",
            (Self::Credentials, true) => "InvalidAccessKeyId",
            (Self::Clock, false) => "InvalidSignatureException",
            (Self::Clock, true) => "RequestTimeTooSkewed",
        }
    }

    /// The answer of a service that refuses, with a sentence of the host.
    pub(super) fn answer(self, service: &str, reason: &str) -> Response<WasiBody> {
        let code = self.code(service);
        let (kind, text) = if speaks_xml(service) {
            let reason = reason.replace('&', "&amp;").replace('<', "&lt;");
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
                 <Message>{reason}</Message></Error>"
            );
            ("application/xml", text)
        } else {
            let text = serde_json::json!({ "__type": code, "message": reason });
            ("application/x-amz-json-1.1", text.to_string())
        };
        let body = Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::FORBIDDEN;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(code),
        );
        answer
    }
}

fn speaks_xml(service: &str) -> bool {
    super::sign::is_s3(service)
}
