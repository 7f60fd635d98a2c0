//! A server, ready to be sent requests.

use std::time::SystemTime;

use millstream_plugin::http::headers::{add_secrets, configured};
use millstream_plugin::http::{
    Address, Advice, Compression, HeaderMap, HeaderName, HeaderValue, Keep, Method, Network,
    Request, Sent, Transport, Unanswered, header,
};
use millstream_plugin::{ConfigError, Message};

use crate::config::{Config, Format, Method as Configured};
use crate::request::Requests;
use crate::signature::{self, Signature};

/// The stream whose messages a request carries.
const STREAM: HeaderName = HeaderName::from_static("x-millstream-stream");

/// The longest body that the host signs, in bytes (`wit/exporter.wit`).
const MAX_SIGNED: usize = 16 << 20;

/// Where an operator looks when a server refuses.
const ADVICE: Advice = Advice {
    credentials: "`headers`, `bearer` and `secretHeaders`",
    address: "`uri`",
    request: "`uri`, `method` and `headers`",
};

/// What all requests of an export have in common, and the network that carries them.
#[derive(Debug)]
pub(crate) struct Server<T = Network> {
    transport: T,
    method: Method,
    address: Address,
    headers: HeaderMap,
    stream_name: String,
    requests: Requests,
    compression: Compression,
    signature: Option<Signature>,
    finals: Vec<u16>,
}

impl<T: Transport> Server<T> {
    /// Puts together what a configuration says for the export of a stream.
    ///
    /// # Errors
    ///
    /// A key that cannot be, by its name.
    pub(crate) fn new(
        transport: T,
        stream_name: String,
        config: Config,
    ) -> Result<Self, ConfigError> {
        let mut headers = configured(&config.headers)?;
        add_secrets(&mut headers, config.bearer.as_ref(), &config.secret_headers)?;
        let content_type = match config.export_format {
            Format::Raw => "application/octet-stream",
            Format::Json => "application/json",
        };
        headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(content_type));
        let stream = HeaderValue::from_str(&stream_name).map_err(|_| {
            ConfigError::whole(format!(
                "The name of the stream, {stream_name:?}, cannot stand in the header `{STREAM}`."
            ))
        })?;
        headers.insert(STREAM, stream);
        Ok(Self {
            transport,
            method: match config.method {
                Configured::Post => Method::Post,
                Configured::Put => Method::Put,
            },
            address: config.uri,
            headers,
            requests: Requests::new(config.export_format, &stream_name),
            stream_name,
            compression: config.compression,
            signature: config.signature.map(|keys| keys.resolve()).transpose()?,
            finals: config.final_statuses.0,
        })
    }

    /// Sends messages in one request; a raw one carries the first alone.
    pub(crate) fn send(&mut self, messages: &[Message]) -> Sent {
        let outcome = match self.request(messages, SystemTime::now()) {
            Ok(None) => return Sent::Taken,
            Ok(Some((_, body))) if self.signature.is_some() && body.len() > MAX_SIGNED => {
                return Sent::Refused(format!(
                    "the request has {} bytes, and the host signs {MAX_SIGNED} at most",
                    body.len()
                ));
            }
            Ok(Some((headers, body))) => self.transport.send(&Request {
                method: self.method,
                address: &self.address,
                headers,
                body,
                keep: Keep::Beginning,
            }),
            Err(why) => Err(Unanswered::NotSent(why)),
        };
        Sent::all_or_nothing(outcome, &self.address, &ADVICE, &self.finals)
    }

    /// The headers and the body that carry these messages.
    fn request<'a>(
        &self,
        messages: &'a [Message],
        now: SystemTime,
    ) -> Result<Option<Carrying<'a>>, String> {
        let Some(request) = self.requests.carrying(messages) else {
            return Ok(None);
        };
        let mut headers = self.headers.clone();
        for &(name, number) in &request.numbers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
        let body = self.compression.apply(request.body, &mut headers);
        if let Some(signature) = &self.signature {
            let numbers = (request.numbers.first(), request.numbers.last());
            if let (Some((_, first)), Some((_, last))) = numbers {
                let id = signature::id(&self.stream_name, *first, *last);
                signature.add_to(&mut headers, &id, now)?;
            }
        }
        Ok(Some((headers, body)))
    }
}

/// The headers and the body of a request.
type Carrying<'a> = (HeaderMap, std::borrow::Cow<'a, [u8]>);

#[cfg(test)]
mod tests {
    use std::io::Read;

    use millstream_plugin::config::parse;
    use millstream_plugin::http::Answer;

    use super::*;

    /// Keeps the last request and answers with a status.
    #[derive(Default)]
    struct Script {
        status: u16,
        headers: HeaderMap,
        body: Vec<u8>,
    }

    impl Transport for Script {
        fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
            self.headers = request.headers.clone();
            self.body = request.body.to_vec();
            Ok(Answer {
                status: self.status,
                ..Answer::default()
            })
        }
    }

    fn server(json: &str) -> Result<Server<Script>, ConfigError> {
        let config = parse(&format!(r#"{{"uri": "http://a/in" {json}}}"#))?;
        let script = Script {
            status: 200,
            ..Script::default()
        };
        Server::new(script, "my stream".into(), config)
    }

    fn messages() -> Vec<Message> {
        (7..9)
            .map(|sequence_number| Message {
                sequence_number,
                ingest_time: 0,
                payload: b"payload ".repeat(100),
            })
            .collect()
    }

    fn sent(json: &str) -> (HeaderMap, Vec<u8>) {
        let mut server = server(json).unwrap();
        assert_eq!(server.send(&messages()), Sent::Taken);
        (server.transport.headers, server.transport.body)
    }

    #[test]
    fn a_request_names_its_stream_its_messages_and_the_type_of_its_body() {
        let (raw, body) = sent(r#", "headers": {"X-Key": "a b"}"#);
        assert_eq!(raw["content-type"], "application/octet-stream");
        assert_eq!(raw["x-millstream-stream"], "my stream");
        assert_eq!(raw["x-millstream-sequence-number"], "7");
        assert_eq!(raw["x-key"], "a b");
        assert_eq!(raw.len(), 4);
        assert_eq!(body, messages()[0].payload);
        let (json, _) = sent(r#", "exportFormat": 1"#);
        assert_eq!(json["content-type"], "application/json");
        assert_eq!(json["x-millstream-first-sequence-number"], "7");
        assert_eq!(json["x-millstream-last-sequence-number"], "8");
        let (own, _) = sent(r#", "headers": {"Content-Type": "text/plain"}"#);
        assert_eq!(own["content-type"], "text/plain");
    }

    #[test]
    fn a_compressed_body_is_the_same_one() {
        let (headers, body) = sent(r#", "compression": "gzip""#);
        assert_eq!(headers["content-encoding"], "gzip");
        let mut read = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&*body);
        decoder.read_to_end(&mut read).unwrap();
        assert_eq!(read, messages()[0].payload);
    }

    #[test]
    fn secrets_and_signatures_are_asked_of_the_host() {
        let (headers, _) = sent(
            r#", "bearer": "token", "secretHeaders": {"x-key": "{key}"}, "exportFormat": 1,
            "signature": {"style": "standard-webhooks", "secret": "hook"}"#,
        );
        let asked: Vec<_> = headers.get_all("x-millstream-secret").iter().collect();
        assert_eq!(asked, ["authorization Bearer {token}", "x-key {key}"]);
        assert_eq!(headers["webhook-id"], "my%20stream-7-8");
        let hmac = headers["x-millstream-hmac"].to_str().unwrap();
        let expected = "webhook-signature v1,{base64:whsec(hook):my%20stream-7-8.";
        assert!(hmac.starts_with(expected), "{hmac}");
    }

    #[test]
    fn a_body_that_is_too_long_to_be_signed_is_refused_and_not_tried_for_ever() {
        let keys = r#", "exportFormat": 1, "signature": {"style": "github", "secret": "hook"}"#;
        let mut server = server(keys).unwrap();
        let mut messages = messages();
        messages[0].payload = vec![b'x'; 13 << 20];
        assert!(matches!(server.send(&messages), Sent::Refused(_)));
        assert!(server.transport.body.is_empty());
        assert_eq!(server.send(&messages[1..]), Sent::Taken);
    }

    #[test]
    fn the_statuses_that_an_operator_chose_are_final_and_no_others() {
        let mut server = server(r#", "finalStatuses": [404]"#).unwrap();
        server.transport.status = 404;
        assert!(matches!(server.send(&messages()), Sent::Refused(_)));
        server.transport.status = 422;
        assert!(matches!(server.send(&messages()), Sent::Failed(_)));
    }
}
