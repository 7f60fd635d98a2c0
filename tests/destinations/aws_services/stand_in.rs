//! A service that answers as it is told, in the words of a [`Subject`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use millstream_tests::{HttpAnswer, HttpRequest, HttpSink, Reserved};
use serde_json::{Value, json};

use super::{Subject, body};

/// How a call is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Everything is taken.
    Accept,
    /// The entries at these places fail with this code; the others are taken.
    Fail(Vec<usize>, &'static str),
    /// The whole call fails with this status and code.
    Refuse(u16, &'static str),
    /// A success that says nothing.
    Nonsense,
    /// No answer at all, and nothing is taken.
    Hang,
    /// Everything is taken, and no answer.
    TakeAndHang,
}

/// What a test opens once it has seen that a service in trouble is shown.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Everything is taken once the gate is open; this reply before that.
    pub(super) fn or(&self, before: Reply) -> Reply {
        match self.0.load(Ordering::SeqCst) {
            true => Reply::Accept,
            false => before,
        }
    }
}

/// A running service.
pub(super) struct StandIn {
    server: HttpSink,
    subject: Subject,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl StandIn {
    /// Starts a service that answers each call as the script says, given its number from 0 and its body.
    pub(super) fn scripted(
        subject: Subject,
        script: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(subject, Reserved::on_loopback(), script)
    }

    /// Starts a service that answers each call so, until the gate is opened.
    pub(super) fn gated(subject: Subject, before: Reply) -> (Self, Gate) {
        let gate = Gate::default();
        let inside = gate.clone();
        let service = Self::scripted(subject, move |_, _| inside.or(before.clone()));
        (service, gate)
    }

    /// The same as [`Self::scripted`] at an address that was kept for it.
    pub(super) fn listen(
        subject: Subject,
        reserved: Reserved,
        script: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&taken);
        let server = HttpSink::listen(reserved, move |number, request| {
            let call = body(request);
            let take = |failing: &[usize]| {
                let carried = (subject.carried)(&call).into_iter().enumerate();
                let those = carried.filter(|(place, _)| !failing.contains(place));
                all.lock()
                    .unwrap()
                    .extend(those.map(|(_, payload)| payload));
            };
            let answer = |status, body: Value| {
                let json = ("content-type", "application/json".to_owned());
                HttpAnswer::Status(status, vec![json], body.to_string())
            };
            match script(number, &call) {
                Reply::Accept => {
                    take(&[]);
                    answer(200, (subject.answer)(&call, &[], ""))
                }
                Reply::Fail(places, code) => {
                    take(&places);
                    answer(200, (subject.answer)(&call, &places, code))
                }
                Reply::Refuse(status, code) => {
                    answer(status, json!({ "__type": code, "message": "as told" }))
                }
                Reply::Nonsense => answer(200, json!("<p>Welcome to the hotel</p>")),
                Reply::Hang => HttpAnswer::Hang,
                Reply::TakeAndHang => {
                    take(&[]);
                    HttpAnswer::Hang
                }
            }
        });
        Self {
            server,
            subject,
            taken,
        }
    }

    pub(super) fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// All requests so far.
    pub(super) fn requests(&self) -> Vec<HttpRequest> {
        self.server.requests()
    }

    /// The payloads of each call so far.
    pub(super) fn calls(&self) -> Vec<Vec<Vec<u8>>> {
        let requests = self.requests();
        let carried = |request| (self.subject.carried)(&body(request));
        requests.iter().map(carried).collect()
    }

    /// The payloads that were taken, in order.
    pub(super) fn taken(&self) -> Vec<Vec<u8>> {
        self.taken.lock().unwrap().clone()
    }
}
