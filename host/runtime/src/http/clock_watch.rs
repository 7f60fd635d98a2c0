//! Finds out that a signature was refused because the clock of this device is wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::WasiBody;

use super::stand_in::StandIn;
use crate::clock::{Skew, is_about_signature};

/// The most that is read of a refusal, in bytes. A longer one is not about a signature.
const MAX_REFUSAL: u64 = 64 << 10;
const ERROR_TYPE: &str = "x-amzn-errortype";

/// Watches the clock by the answers to signed requests, and says once when it is found wrong, and once
/// when it is right again.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    wrong: AtomicBool,
}

impl ClockWatch {
    /// Looks at the answer to a signed request. One that refuses the signature for the clock's sake is
    /// replaced by one whose sentence says so; any other stays as it is.
    pub(super) async fn look(
        &self,
        host: &str,
        service: &str,
        answer: Response<WasiBody>,
    ) -> Response<WasiBody> {
        let Some(skew) = Skew::of(answer.headers(), SystemTime::now()) else {
            return answer;
        };
        if !skew.is_too_much() {
            if self.wrong.swap(false, Ordering::Relaxed) {
                tracing::info!("the clock of this device agrees with the one of {host} again");
            }
            return answer;
        }
        if !matches!(
            answer.status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return answer;
        }
        let sentence = skew.sentence(host);
        if !self.wrong.swap(true, Ordering::Relaxed) {
            tracing::error!("{sentence}");
        }
        match other_refusal(answer).await {
            Some(answer) => answer,
            None => StandIn::Clock.answer(service, &sentence),
        }
    }
}

/// The answer, whole, unless it refuses the signature.
async fn other_refusal(answer: Response<WasiBody>) -> Option<Response<WasiBody>> {
    let kind = answer.headers().get(ERROR_TYPE);
    if kind.is_some_and(|kind| is_about_signature(&String::from_utf8_lossy(kind.as_bytes()))) {
        return None;
    }
    if answer.body().size_hint().lower() > MAX_REFUSAL {
        return Some(answer);
    }
    let (head, body) = answer.into_parts();
    // Of one that breaks off or has no end, nothing is left to give back.
    let limit = usize::try_from(MAX_REFUSAL).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).collect().await.ok()?.to_bytes();
    if is_about_signature(&String::from_utf8_lossy(&body)) {
        return None;
    }
    let body = Full::new(body).map_err(|never| match never {});
    Some(Response::from_parts(head, body.boxed_unsync()))
}
