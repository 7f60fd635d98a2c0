//! Calls of a service: JSON in, JSON out, signed by the host.

use std::time::SystemTime;

use millstream_plugin::http::{
    Address, HeaderMap, HeaderName, HeaderValue, Keep, Method, Request, Transport, Unanswered,
    header,
};
use millstream_plugin::{ConfigError, ExportError};
use serde::Serialize;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::refusal::{CallError, Refusal, Target};
use crate::{Place, Region};

/// Asks the host to sign a request; its value is `SERVICE/REGION` (`wit/exporter.wit`).
const SIGN: HeaderName = HeaderName::from_static("x-millstream-aws-sign");
/// Names the operation, in the protocol JSON 1.1.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The longest answer that is read, in bytes: several times what any operation here answers.
const MAX_ANSWER: usize = 1 << 20;

/// Asks the host to sign a request for a service in a Region.
pub fn sign(headers: &mut HeaderMap, service: Endpoint, region: &Region) {
    let scope = format!("{}/{}", service.signing_name(), region.as_str());
    // A Region has nothing in its name that a header could not have.
    if let Ok(value) = HeaderValue::from_str(&scope) {
        headers.insert(SIGN, value);
    }
}

/// A service in its place, ready to be called.
#[derive(Debug)]
pub struct Service<T> {
    transport: T,
    endpoint: Endpoint,
    address: Address,
    region: Region,
    target: Target,
}

impl<T: Transport> Service<T> {
    /// A service that is called through `transport`; errors call it `target`.
    ///
    /// # Errors
    ///
    /// AWS has no such address.
    pub fn new(
        transport: T,
        endpoint: Endpoint,
        place: &Place,
        target: Target,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            transport,
            endpoint,
            address: place.address(endpoint)?,
            region: place.region().clone(),
            target,
        })
    }

    /// What errors call it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Calls an operation of a service that speaks JSON 1.1, such as `Firehose_20150804.PutRecordBatch`.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is an error.
    pub fn json(
        &mut self,
        operation: &'static str,
        body: &impl Serialize,
    ) -> Result<Value, CallError> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/x-amz-json-1.1");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(TARGET, HeaderValue::from_static(operation));
        let body = serde_json::to_vec(body).map_err(|error| {
            CallError::Failed(ExportError::unavailable(format!(
                "The request to {} cannot be written: {error}.",
                self.target.name
            )))
        })?;
        self.post(&self.address.clone(), headers, body)
    }

    /// Calls an operation of a service that speaks REST-JSON, by its path, such as `/properties`. The body
    /// is JSON already, so that values can go out as they came in.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is an error.
    pub fn rest_json(&mut self, path: &str, body: Vec<u8>) -> Result<Value, CallError> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let base = self.address.path_with_query.trim_end_matches('/');
        let address = self.address.with_path(format!("{base}{path}"));
        self.post(&address, headers, body)
    }

    fn post(
        &mut self,
        address: &Address,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Value, CallError> {
        sign(&mut headers, self.endpoint, &self.region);
        let request = Request {
            method: Method::Post,
            address,
            headers,
            body: body.into(),
            keep: Keep::Whole(MAX_ANSWER),
        };
        let answer = self
            .transport
            .send(&request)
            .map_err(|unanswered| self.unanswered(&unanswered, address))?;
        if !matches!(answer.status, 200..=299) {
            return Err(Refusal::read(&answer, SystemTime::now()).into_error(&self.target));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| self.not_understood())
    }

    /// The error for an answer that is a success but does not say what it has to.
    pub fn not_understood(&self) -> CallError {
        CallError::Failed(ExportError::unavailable(format!(
            "The answer of {} is not what the service answers; check `endpoint`.",
            self.target.name
        )))
    }

    fn unanswered(&self, unanswered: &Unanswered, address: &Address) -> CallError {
        let error = unanswered.error(address);
        match unanswered {
            Unanswered::TimedOut => CallError::TimedOut(error),
            Unanswered::NotGranted => CallError::Failed(ExportError::denied(format!(
                "The host does not let this plugin call {}; put \"{}\" into `hosts` and \"{}\" into \
                 `aws-services` of the plugin's grants.",
                self.target.name,
                address.grant(),
                self.endpoint.signing_name()
            ))),
            _ => CallError::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::http::Answer;

    use super::*;
    use crate::endpoint::Variant;
    use crate::refusal::Fault;

    /// Answers every request alike, and keeps what it was sent.
    struct Script {
        answer: Result<Answer, Unanswered>,
        seen: Vec<(String, HeaderMap, Vec<u8>)>,
    }

    impl Transport for &mut Script {
        fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
            self.seen.push((
                request.address.url(),
                request.headers.clone(),
                request.body.to_vec(),
            ));
            self.answer.clone()
        }
    }

    fn script(status: u16, body: &str) -> Script {
        Script {
            answer: Ok(Answer {
                status,
                body: body.as_bytes().to_vec(),
                ..Answer::default()
            }),
            seen: Vec::new(),
        }
    }

    fn service(script: &mut Script, endpoint: Endpoint) -> Service<&mut Script> {
        let region = Region::try_from("eu-central-1".to_owned()).unwrap();
        let place = Place::new("p", Some(region), None, Variant::default()).unwrap();
        let target = Target {
            name: "the service".to_owned(),
            keys: "`region`",
            permission: "`a:B`",
        };
        Service::new(script, endpoint, &place, target).unwrap()
    }

    #[test]
    fn a_call_goes_to_the_service_and_asks_for_a_signature() {
        let mut script = script(200, r#"{"a":1}"#);
        let mut firehose = service(&mut script, Endpoint::Firehose);
        let answer = firehose.json("X.Y", &serde_json::json!({ "b": 2 }));
        assert_eq!(answer.unwrap()["a"], 1);
        let (url, headers, body) = &script.seen[0];
        assert_eq!(url, "https://firehose.eu-central-1.amazonaws.com/");
        assert_eq!(headers["x-amz-target"], "X.Y");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
        assert_eq!(headers["x-millstream-aws-sign"], "firehose/eu-central-1");
        assert_eq!(body, br#"{"b":2}"#);
    }

    #[test]
    fn an_operation_by_path_has_the_name_of_the_service_in_signatures() {
        let mut script = script(200, "{}");
        let mut sitewise = service(&mut script, Endpoint::SiteWise);
        sitewise.rest_json("/properties", b"{}".to_vec()).unwrap();
        let (url, headers, _) = &script.seen[0];
        assert_eq!(
            url,
            "https://data.iotsitewise.eu-central-1.amazonaws.com/properties"
        );
        assert_eq!(headers["x-millstream-aws-sign"], "iotsitewise/eu-central-1");
        assert!(!headers.contains_key("x-amz-target"));
    }

    #[test]
    fn an_error_has_its_code_and_its_meaning() {
        let mut script = script(400, r#"{"__type":"a#ResourceNotFoundException"}"#);
        let error = service(&mut script, Endpoint::Firehose)
            .json("X.Y", &Value::Null)
            .unwrap_err();
        assert!(error.is("ResourceNotFoundException") && !error.is("Other"));
        assert!(matches!(
            error,
            CallError::Refused {
                fault: Fault::Passing(ExportError::Misconfigured(_)),
                ..
            }
        ));
    }

    #[test]
    fn nonsense_is_no_answer() {
        let mut script = script(200, "<html>welcome</html>");
        let error = service(&mut script, Endpoint::Firehose)
            .json("X.Y", &Value::Null)
            .unwrap_err();
        assert!(matches!(
            error,
            CallError::Failed(ExportError::Unavailable(_))
        ));
    }

    #[test]
    fn what_is_not_granted_names_host_and_service() {
        let mut script = script(200, "");
        script.answer = Err(Unanswered::NotGranted);
        let error = service(&mut script, Endpoint::SiteWise)
            .rest_json("/properties", b"{}".to_vec())
            .unwrap_err();
        let CallError::Failed(ExportError::Denied(reason)) = error else {
            panic!("{error:?}");
        };
        assert!(
            reason.contains("\"https://data.iotsitewise.eu-central-1.amazonaws.com\" into `hosts`"),
            "{reason}"
        );
        assert!(reason.contains("\"iotsitewise\" into `aws-services`"));
    }
}
