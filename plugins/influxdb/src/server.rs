//! A database or bucket, ready to be written to.

use std::borrow::Cow;

use millstream_plugin::ExportError;
use millstream_plugin::http::{
    Address, Advice, Compression, FINAL, HeaderMap, HeaderValue, Keep, Method, Network, Request,
    Sent, Transport, header,
};

/// Where an operator looks when a server refuses.
const ADVICE: Advice = Advice {
    credentials: "`token`, or `user` and `password`",
    address: "`uri`",
    request: "`uri`, and `database` or `org` and `bucket`",
};

/// The status of a write that succeeded, in both versions of the API ("Write data with the InfluxDB API").
/// Any other success is that of a web server, a portal or a proxy, which has written nothing.
const WRITTEN: u16 = 204;

/// What all requests of an export have in common, and the network that carries them.
#[derive(Debug)]
pub(crate) struct Server<T = Network> {
    transport: T,
    address: Address,
    headers: HeaderMap,
    compression: Compression,
}

impl<T: Transport> Server<T> {
    pub(crate) fn new(
        transport: T,
        address: Address,
        mut headers: HeaderMap,
        compression: Compression,
    ) -> Self {
        headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
        Self {
            transport,
            address,
            headers,
            compression,
        }
    }

    /// Writes lines, each with its line end, in one request.
    ///
    /// A server of version 1 writes the good ones of a request that it refuses for a bad one. That they
    /// come again does no harm: each point has its time, and overwrites itself.
    pub(crate) fn send<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> Sent {
        let body: String = lines.collect();
        let mut headers = self.headers.clone();
        let body = self
            .compression
            .apply(Cow::Owned(body.into_bytes()), &mut headers);
        let outcome = self.transport.send(&Request {
            method: Method::Post,
            address: &self.address,
            headers,
            body,
            keep: Keep::Beginning,
        });
        match outcome {
            Ok(answer) if (200..=299).contains(&answer.status) && answer.status != WRITTEN => {
                Sent::Failed(ExportError::misconfigured(format!(
                    "{} answers {}, and InfluxDB says {WRITTEN} when points are written; check `uri`, and \
                     whether something else answers in its place",
                    self.address,
                    answer.said()
                )))
            }
            outcome => Sent::all_or_nothing(outcome, &self.address, &ADVICE, &FINAL),
        }
    }

    #[cfg(test)]
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    #[cfg(test)]
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::http::{Answer, Unanswered};

    use super::*;

    struct Script(u16, Vec<u8>);

    impl Transport for Script {
        fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
            self.1 = request.body.to_vec();
            Ok(Answer {
                status: self.0,
                body: br#"{"error":"partial write: field type conflict dropped=1"}"#.to_vec(),
                ..Answer::default()
            })
        }
    }

    #[test]
    fn lines_are_one_body_and_a_partial_write_is_a_refusal() {
        let address = Address::try_from("http://a/write?db=d".to_owned()).unwrap();
        let script = Script(204, Vec::new());
        let mut server = Server::new(script, address, HeaderMap::new(), Compression::None);
        let lines = || ["m v=1 1\n", "m v=2 2\n"].into_iter();
        assert_eq!(server.send(lines()), Sent::Taken);
        assert_eq!(server.transport.1, b"m v=1 1\nm v=2 2\n");
        server.transport.0 = 200;
        let Sent::Failed(ExportError::Misconfigured(reason)) = server.send(lines()) else {
            panic!("taken for a write");
        };
        assert!(reason.contains("204"), "{reason}");
        server.transport.0 = 400;
        let Sent::Refused(reason) = server.send(lines()) else {
            panic!("not refused");
        };
        assert!(reason.contains("field type conflict"), "{reason}");
        assert!(!reason.contains("db=d"), "{reason}");
    }
}
