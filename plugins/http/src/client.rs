//! A server, ready to be sent requests.

use millstream_plugin::http::{
    self, Address, Answer, HeaderMap, HeaderName, Keep, Method, Unanswered,
};

use crate::config;
use crate::delivery::Client;
use crate::request::Request;

/// What all requests of an export have in common.
#[derive(Debug)]
pub(crate) struct Server {
    method: Method,
    address: Address,
    headers: HeaderMap,
}

impl Server {
    /// A server whose requests all have these headers.
    pub(crate) fn new(method: config::Method, address: Address, headers: HeaderMap) -> Self {
        Self {
            method: match method {
                config::Method::Post => Method::Post,
                config::Method::Put => Method::Put,
            },
            address,
            headers,
        }
    }
}

impl Client for Server {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        let mut headers = self.headers.clone();
        for (name, value) in &request.headers {
            let value = value
                .parse()
                .map_err(|_| Unanswered::NotSent(format!("`{name}` cannot be a header")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        http::send(&http::Request {
            method: self.method,
            address: &self.address,
            headers,
            body: (&*request.body).into(),
            keep: Keep::Beginning,
        })
    }
}
