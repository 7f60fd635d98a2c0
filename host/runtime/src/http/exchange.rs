//! One request, from the guest's hands to the head of the response.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tracing::Level;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::{LentBody, TimedBody};
use super::client::{CONNECT_TIMEOUT, SendError, Timeouts};
use super::destination::Destination;
use super::pace::Pacer;
use super::secret::{self, Keeper};
use super::sign::{self, Payload, Wish};
use super::stand_in::StandIn;
use super::{HttpHost, TrafficCounter, fault};
use crate::deadline::{Deadline, Waits};
use crate::grants::Grants;
use crate::log::PluginLog;
use crate::sandbox::Sandbox;

/// Requests of one instance under way at once; further ones wait.
const MAX_UNDER_WAY: usize = 8;
/// The largest body whose hash is signed, in bytes: it is held whole.
const MAX_SIGNED_BODY: usize = 16 << 20;

/// What the requests of one instance have in common.
pub(super) struct Exchange {
    host: Arc<HttpHost>,
    section: String,
    log: Arc<PluginLog>,
    grants: Arc<Grants>,
    /// The longest that any time limit of a request may be.
    longest: Duration,
    traffic: Arc<TrafficCounter>,
    waits: Arc<Waits>,
    /// None if the bandwidth has no ceiling.
    pacer: Option<Pacer>,
    turns: Semaphore,
}

/// Why a request is not sent as it is.
enum Refusal {
    /// The guest sees an error.
    Error(Error),
    /// The guest sees an answer that the host gives in the place of the destination.
    Answer(Response<WasiBody>),
}

impl Exchange {
    pub(super) fn new(host: Arc<HttpHost>, sandbox: &Sandbox) -> Self {
        let pacer = host
            .line
            .as_ref()
            .map(|line| Pacer::new(Arc::clone(line), Arc::clone(&sandbox.waits)));
        Self {
            host,
            section: sandbox.section.clone(),
            log: Arc::clone(&sandbox.log),
            grants: Arc::clone(&sandbox.grants),
            longest: sandbox.limits.call_deadline,
            traffic: Arc::clone(&sandbox.traffic),
            waits: Arc::clone(&sandbox.waits),
            pacer,
            turns: Semaphore::new(MAX_UNDER_WAY),
        }
    }

    /// Does everything that [`super`] says for one request.
    pub(super) async fn perform(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        let (parts, body) = request.into_parts();
        let body = LentBody::new(body);
        let outcome = self
            .attempt(parts, body.clone().boxed_unsync(), options)
            .await;
        if outcome.is_err() {
            body.drain().await;
        }
        outcome
    }

    async fn attempt(
        &self,
        mut parts: Parts,
        body: WasiBody,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        let destination = Destination::of(&parts.uri).inspect_err(|_| {
            self.log.refuse(&format!(
                "refused a request to the host `{}`: its address names a user or an impossible port, \
                 or is none",
                parts.uri.host().unwrap_or_default()
            ));
        })?;
        let reach = destination.reach(&self.grants).ok_or_else(|| {
            self.log.refuse(&format!(
                "refused a request to {destination}: the host is not granted; to allow it, add it \
                 to `[{}] hosts = [\"{}\"]`",
                self.section,
                destination.authority(),
            ));
            Error::HttpRequestDenied
        })?;
        parts.uri = destination.normalize(parts.uri)?;
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_| Error::InternalError(None))?;
        let filled = self.fill_secrets(&destination, &mut parts, body).await;
        let body = match filled {
            Ok(body) => body,
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Answer(answer)) => return Ok(answer),
        };
        let wish = self.wish(&mut parts, &destination)?;
        let body = match &wish {
            Some(wish) => match self.sign(&mut parts, body, wish).await {
                Ok(body) => body,
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Answer(answer)) => return Ok(answer),
            },
            None => body,
        };

        let head = head_len(&parts);
        self.traffic.request(head);
        let body = match &self.pacer {
            Some(pacer) => {
                pacer.pass(head).await;
                pacer.body(body)
            }
            None => body,
        };
        let sent = Arc::clone(&self.traffic);
        let body = body.inspect_frame(move |frame| sent.sent(data_len(frame)));
        let request = Request::from_parts(parts, body.boxed_unsync());
        // Half of a call: a guest learns that an answer does not come before its call is cut off.
        let usual = self.longest / 2;
        let within = |wanted: Option<Duration>, usual| wanted.unwrap_or(usual).min(self.longest);
        let timeouts = Timeouts {
            connect: within(options.connect_timeout, CONNECT_TIMEOUT),
            first_byte: within(options.first_byte_timeout, usual),
            waits: Arc::clone(&self.waits),
        };
        let between = within(options.between_bytes_timeout, usual);
        let response = self
            .host
            .client
            .send(reach, request, timeouts)
            .await
            .map_err(|error| {
                self.report(&destination, &error);
                error.code()
            })?;
        let received = Arc::clone(&self.traffic);
        let response = response.map(|body| {
            TimedBody::new(body, Deadline::after(between, Arc::clone(&self.waits)))
                .inspect_frame(move |frame| received.received(data_len(frame)))
                .boxed_unsync()
        });
        let Some(wish) = wish else {
            return Ok(response);
        };
        let (clock, host) = (&self.host.clock, destination.authority());
        Ok(clock.look(&host, &wish.scope.service, response).await)
    }

    /// Sets the secrets that the request asks for. A signature for AWS then covers them.
    async fn fill_secrets(
        &self,
        destination: &Destination,
        parts: &mut Parts,
        body: WasiBody,
    ) -> Result<WasiBody, Refusal> {
        let keeper = Keeper {
            section: &self.section,
            grants: &self.grants,
            secrets: &self.host.secrets,
            destination,
        };
        match keeper.fill(&mut parts.headers, body).await {
            Ok(body) => Ok(body),
            Err(secret::Problem::Body(error)) => Err(Refusal::Error(error)),
            Err(secret::Problem::Refused(reason)) => {
                self.log.refuse(&format!("refused a request: {reason}"));
                Err(Refusal::Answer(secret::refusal(&reason)))
            }
        }
    }

    /// What signature the request asks for, if it may have it.
    fn wish(&self, parts: &mut Parts, destination: &Destination) -> Result<Option<Wish>, Error> {
        let refused = |problem: &str| {
            self.log.refuse(problem);
            Err(Error::HttpRequestDenied)
        };
        let wish = match Wish::take(&mut parts.headers) {
            Ok(None) => return Ok(None),
            Ok(Some(wish)) => wish,
            Err(problem) => return refused(&format!("refused a request: {problem}")),
        };
        let service = &wish.scope.service;
        if !self.grants.signs_for(service) {
            return refused(&format!(
                "refused to sign a request: the AWS service `{service}` is not granted; to allow \
                 it, add it to `[{section}] aws-services = [\"{service}\"]`",
                section = self.section,
            ));
        }
        if wish.payload != Payload::Signed && !destination.is_protected() {
            return refused(&format!(
                "refused to sign a request to {destination}: what leaves its body unsigned must go \
                 over https, so that nobody on the way can change it",
            ));
        }
        Ok(Some(wish))
    }

    /// Signs the request.
    async fn sign(
        &self,
        parts: &mut Parts,
        body: WasiBody,
        wish: &Wish,
    ) -> Result<WasiBody, Refusal> {
        // A body whose hash is signed is held whole, any other goes through as it comes.
        let (hashed, body) = match wish.payload {
            Payload::Signed => {
                let body = collect(body).await.map_err(Refusal::Error)?;
                let whole = Full::new(body.clone()).map_err(|never| match never {});
                (body, whole.boxed_unsync())
            }
            Payload::Unsigned | Payload::UnsignedWithTrailer => (Bytes::new(), body),
        };
        let credentials = match self.host.credentials.get().await {
            Ok(credentials) => credentials,
            Err(error) => {
                let stand_in = StandIn::Credentials;
                let answer = stand_in.answer(&wish.scope.service, &error.to_string());
                return Err(Refusal::Answer(answer));
            }
        };
        sign::sign(parts, &hashed, wish, credentials, SystemTime::now()).map_err(|problem| {
            self.log.write(
                Level::WARN,
                &format!("a request cannot be signed: {problem}"),
            );
            Refusal::Error(Error::HttpRequestDenied)
        })?;
        Ok(body)
    }

    fn report(&self, destination: &Destination, error: &SendError) {
        let SendError::Client(error) = error else {
            return;
        };
        match fault::prohibited(error) {
            Some(refusal) => self.log.refuse(&format!(
                "refused a request to {destination}: {refusal}; if that is right, move the host to \
                 `[{}] private-hosts`",
                self.section,
            )),
            None => self.log.write(
                match fault::is_of_proxy(error) {
                    true => Level::WARN,
                    false => Level::DEBUG,
                },
                &format!("a request to {destination} failed: {}", fault::chain(error)),
            ),
        }
    }
}

/// The size of a request's head as HTTP/1.1 writes it. HTTP/2 takes less.
fn head_len(parts: &Parts) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n".len();
    const HEADER: usize = ": \r\n".len();
    let path = parts
        .uri
        .path_and_query()
        .map_or(1, |path| path.as_str().len());
    let authority = parts.uri.authority().map_or(0, |name| name.as_str().len());
    let headers: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER)
        .sum();
    // The client adds the header `host`; an empty line ends the head.
    parts.method.as_str().len() + path + LINE + headers + "host".len() + authority + HEADER + 2
}

fn data_len(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

/// The whole body, within the limit.
pub(super) async fn collect(body: WasiBody) -> Result<Bytes, Error> {
    match Limited::new(body, MAX_SIGNED_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::HttpRequestBodySize(Some(MAX_SIGNED_BODY as u64)))
        }
        Err(error) => Err(error
            .downcast()
            .map_or(Error::HttpProtocolError, |error| *error)),
    }
}

#[cfg(test)]
mod tests;
