//! One webhook: what stands between a client and the component that answers it.
//!
//! A request takes one of a few places before its body is read, so places times the longest body is the
//! most memory that bodies take. Whatever goes wrong has a status of its own, and nothing of it reaches
//! other requests or the host: each has an instance for itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use millstream_runtime::{self as runtime, RuntimeError, WebhookSettings};
use tokio::sync::{Semaphore, oneshot};

use super::Common;
use super::complaints::Complaints;
use super::meter::ProducerState;
use crate::plugins::VersionId;

/// The longest that a client may take for the body of its request.
const BODY_TIME: Duration = Duration::from_secs(10);
/// When a client that finds no place may try again, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("1");

/// A component that is reached over HTTP.
pub(crate) struct Webhook {
    path: String,
    common: Common,
    /// In bytes.
    max_body: usize,
    parallel: u32,
    time: Duration,
    places: Arc<Semaphore>,
    /// Of the version that was used last. It is kept, since the bound on its lines in the log goes with it.
    made: Mutex<Option<(VersionId, Arc<runtime::Webhook>)>>,
    complaints: Mutex<Complaints>,
}

/// A request that the component does not answer, with the status and the sentence for the client.
struct Refusal(StatusCode, String);

impl Webhook {
    pub(super) fn new(path: String, common: Common) -> Self {
        let requests = common.producer.requests.unwrap_or_default();
        Self {
            path,
            common,
            max_body: usize::try_from(requests.max_body.0).unwrap_or(usize::MAX),
            parallel: u32::try_from(requests.parallel).unwrap_or(1),
            time: requests.timeout.0,
            places: Arc::new(Semaphore::new(requests.parallel)),
            made: Mutex::default(),
            complaints: Mutex::new(Complaints::new(Instant::now())),
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Loads it ahead of its first request, and is there until all requests have ended after the stop.
    pub(super) async fn run(&self, loaded: oneshot::Sender<()>) {
        let (common, name) = (&self.common, self.common.producer.name.as_str());
        // Its file is looked at from now on.
        let _followed = common.plugins.follow(&common.producer.component);
        let component = tokio::select! {
            component = self.load() => component,
            () = common.stopped() => return,
        };
        match component {
            Ok(_) => {
                common.meter.enter(ProducerState::Running);
                tracing::info!(producer = name, path = self.path, "webhook can be called");
            }
            Err(reason) => {
                common.meter.enter(ProducerState::Failed);
                common.meter.fail(&reason);
                tracing::warn!(producer = name, reason, "webhook cannot be called");
            }
        }
        drop(loaded);
        common.stopped().await;
        let limit = common.producer.stop_timeout.0;
        let all_ended = self.places.acquire_many(self.parallel);
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            tracing::warn!(
                producer = name,
                "requests were under way when the time to stop was over"
            );
        }
        // Those that still wait for a place find none.
        self.places.close();
    }

    /// Answers a request, or says why it is not answered.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        self.common.meter.count_request();
        match self.handle(request).await {
            Ok(response) => response,
            Err(Refusal(status, sentence)) => {
                self.common.meter.count_failed_request();
                refusal(status, sentence)
            }
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Bytes>, Refusal> {
        if self.common.is_stopped() {
            return Err(unavailable("the host is stopping"));
        }
        let _place = self.places.try_acquire().map_err(|_| {
            unavailable("as many requests are under way as this webhook takes; try again later")
        })?;
        let host = request.headers().get(HOST);
        if host.is_none_or(|host| host.to_str().is_err()) {
            let sentence = "the request has no header `host`".to_owned();
            return Err(Refusal(StatusCode::BAD_REQUEST, sentence));
        }
        let (head, body) = request.into_parts();
        let body = self.read(body).await?;
        let loaded = tokio::time::timeout(self.time, self.load()).await;
        let webhook = match loaded {
            Ok(Ok(webhook)) => webhook,
            Ok(Err(reason)) => {
                self.common.meter.enter(ProducerState::Failed);
                return Err(self.failed(&reason));
            }
            Err(_) => return Err(unavailable("the webhook is being loaded; try again later")),
        };
        self.common.meter.enter(ProducerState::Running);
        let answered = webhook.answer(Request::from_parts(head, body)).await;
        answered.map_err(|error| {
            let Refusal(status, sentence) = self.failed(&error.to_string());
            match error {
                RuntimeError::TimedOut { .. } => Refusal(
                    StatusCode::GATEWAY_TIMEOUT,
                    "the webhook did not answer in time".to_owned(),
                ),
                _ => Refusal(status, sentence),
            }
        })
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let longest = self.max_body;
        let too_large = || {
            let sentence = format!("the body has more than {longest} bytes");
            Refusal(StatusCode::PAYLOAD_TOO_LARGE, sentence)
        };
        if body.size_hint().lower() > longest as u64 {
            return Err(too_large());
        }
        let read = Limited::new(body, longest).collect();
        match tokio::time::timeout(BODY_TIME, read).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => {
                let sentence = format!("the body cannot be read: {error}");
                Err(Refusal(StatusCode::BAD_REQUEST, sentence))
            }
            Err(_) => {
                let sentence = "the body did not come to an end in time".to_owned();
                Err(Refusal(StatusCode::REQUEST_TIMEOUT, sentence))
            }
        }
    }

    /// The component of the file as it is now, so that a replaced one counts at once.
    async fn load(&self) -> Result<Arc<runtime::Webhook>, String> {
        let common = &self.common;
        let current = common.plugins.current(&common.producer.component).await;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let before = made.take();
        let loaded = current?;
        if let Some((id, webhook)) = before
            && id == loaded.id
        {
            *made = Some((id, Arc::clone(&webhook)));
            return Ok(webhook);
        }
        let settings = WebhookSettings {
            label: common.producer.name.clone(),
            args: common.args(),
            env: common.env(),
            grants: common.grants.clone(),
            limits: common.plugins.limits(),
            time: self.time,
            streams: Arc::clone(&common.streams),
            stop: common.stop.clone(),
        };
        let webhook = loaded.component.webhook(settings);
        let webhook = Arc::new(webhook.map_err(|error| error.to_string())?);
        *made = Some((loaded.id.clone(), Arc::clone(&webhook)));
        Ok(webhook)
    }

    /// Notes a failure of the component. Its reason is for the operator: a client may be anybody.
    fn failed(&self, reason: &str) -> Refusal {
        let name = self.common.producer.name.as_str();
        let admitted = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(reason, Instant::now());
        if let Some(left_out) = admitted {
            if left_out > 0 {
                tracing::warn!(producer = name, left_out, "webhook failed more often");
            }
            tracing::warn!(producer = name, reason, "webhook failed");
        }
        self.common.meter.fail(reason);
        let sentence = "the webhook failed; the log of the host says why".to_owned();
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    }
}

fn unavailable(sentence: &str) -> Refusal {
    Refusal(StatusCode::SERVICE_UNAVAILABLE, sentence.to_owned())
}

fn refusal(status: StatusCode, sentence: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{sentence}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, LATER);
    }
    response
}
