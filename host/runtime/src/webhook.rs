//! Answers HTTP requests with components that export `wasi:http/incoming-handler`.
//!
//! Each request gets an instance of its own, which costs microseconds: a request that crashes its
//! instance disturbs no other, and nothing that one client sent is there when the next one calls. The
//! answer is gathered before it is passed on, so that a crash after its head is still a crash to the
//! client and not a body that breaks off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::{oneshot, watch};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::component::Component;
use crate::error::RuntimeError;
use crate::grants::Grants;
use crate::guest::{bounded_by, fault};
use crate::limits::Limits;
use crate::log::PluginLog;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::streams::StreamAccess;

/// The longest body of an answer, in bytes: a webhook tells its client what became of the request.
const LONGEST_ANSWER: usize = 1 << 20;

/// Everything a webhook needs.
pub struct WebhookSettings {
    /// Its name in the log.
    pub label: String,
    /// Its arguments. By custom the first is the program's own name.
    pub args: Vec<String>,
    /// Its environment: only what is here.
    pub env: Vec<(String, String)>,
    /// What it may reach.
    pub grants: Grants,
    /// What each instance may take. The call's deadline is [`Self::time`].
    pub limits: Limits,
    /// The longest that it may take for one request.
    pub time: Duration,
    /// The streams behind the grants.
    pub streams: Arc<dyn StreamAccess>,
    /// Becomes true when it is asked to end: then calls on streams answer `unavailable`.
    pub stop: watch::Receiver<bool>,
}

/// A component that answers requests.
pub struct Webhook {
    component: Component,
    program: ProxyPre<State>,
    log: Arc<PluginLog>,
    grants: Arc<Grants>,
    settings: WebhookSettings,
}

impl Webhook {
    pub(crate) fn new(
        component: Component,
        program: ProxyPre<State>,
        mut settings: WebhookSettings,
    ) -> Self {
        settings.limits.call_deadline = settings.time;
        Self {
            component,
            program,
            log: PluginLog::new(settings.label.clone()),
            grants: Arc::new(std::mem::take(&mut settings.grants)),
            settings,
        }
    }

    /// Answers one request, whose address or `host` header names an authority. Any number may be under
    /// way at once; dropping the future ends the instance.
    ///
    /// # Errors
    ///
    /// `NoAnswer`, `Folder` for a granted folder that is not there, and the errors of a call: `Trapped`,
    /// `TimedOut`, `OutOfMemory`.
    pub async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RuntimeError> {
        let runtime = self.component.runtime();
        let sandbox = self.sandbox();
        let label = self.log.label();
        let mut store = sandbox.store(runtime, None).await?;
        let no_answer = |reason: String| RuntimeError::NoAnswer {
            component: label.into(),
            reason,
        };

        let (sender, answered) = oneshot::channel();
        let request = request.map(Full::new);
        let mut http = store.data_mut().http();
        let handles = http
            .new_incoming_request(Scheme::Http, request)
            .and_then(|request| Ok((request, http.new_response_outparam(sender)?)));
        let (request, outparam) = handles.map_err(|error| no_answer(format!("{error:#}")))?;

        // It owns the store, so that what the guest has left open is closed when it is over.
        let guest = async move {
            let called = async {
                let instance = self.program.instantiate_async(&mut store).await?;
                let handler = instance.wasi_http_incoming_handler();
                handler.call_handle(&mut store, request, outparam).await
            };
            let called = called.await;
            called.map_err(|error| fault(&mut store, label, &error))
        };
        let answer = async {
            let answer = answered
                .await
                // The guest's own fault goes before this, where there is one.
                .map_err(|_| no_answer("it returned without an answer".into()))?
                .map_err(|code| no_answer(format!("it gave the error {code:?}")))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| no_answer(format!("its body breaks off: {error}")))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let both = async {
            let (called, answer) = tokio::join!(guest, answer);
            Ok(called.and(answer))
        };
        let bounded = bounded_by(self.settings.time, runtime, &sandbox, both).await?;
        let mut answer =
            bounded.map_err(|error: wasmtime::Error| no_answer(error.to_string()))??;
        // The body is whole: its length is what it is, whatever the guest has said of it.
        answer.headers_mut().remove(CONTENT_LENGTH);
        answer.headers_mut().remove(TRANSFER_ENCODING);
        Ok(answer)
    }

    fn sandbox(&self) -> Sandbox {
        let settings = &self.settings;
        Sandbox {
            args: settings.args.clone(),
            env: settings.env.clone(),
            ..Sandbox::new(
                &self.component,
                Arc::clone(&self.log),
                Arc::clone(&self.grants),
                settings.limits,
                Some(Arc::clone(&settings.streams)),
                settings.stop.clone(),
            )
        }
    }
}

#[cfg(test)]
mod tests;
