//! Destinations that do what the test says.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_runtime::{
    BatchLimits, BoxFuture, CancelReason, Disposition, ExportFailure, Exported, Message, Traffic,
    Undelivered,
};
use tokio::sync::{mpsc, oneshot};

use super::super::*;
use crate::plugins::{Offer, VersionId};

type Answer = Result<Exported, ExportFailure>;

/// A call that waits for the test to answer it.
pub(in crate::exports) struct Call {
    pub(super) export: String,
    /// The version that is called.
    pub(super) version: VersionId,
    pub(in crate::exports) numbers: Vec<u64>,
    pub(in crate::exports) messages: Vec<Message>,
    /// What the destination remembers when it is called.
    pub(super) remembered: Option<Arc<[u8]>>,
    /// The answer, and what is remembered after it.
    answer: oneshot::Sender<(Answer, Option<Arc<[u8]>>)>,
}

impl Call {
    pub(in crate::exports) fn answer(self, answer: Answer) {
        let remembered = self.remembered;
        assert!(self.answer.send((answer, remembered)).is_ok());
    }

    pub(in crate::exports) fn deliver(self) {
        self.answer(Ok(Exported::default()));
    }

    pub(in crate::exports) fn fail(self, failure: ExportFailure) {
        self.answer(Err(failure));
    }

    pub(in crate::exports) fn leave(self, undelivered: Vec<Undelivered>) {
        self.answer(Ok(Exported {
            undelivered,
            in_progress: None,
        }));
    }

    /// Does a step of work for all messages, and remembers something.
    pub(super) fn step(mut self, remembered: &[u8]) {
        self.remembered = Some(remembered.into());
        let retry = |index| Undelivered {
            index,
            disposition: Disposition::Retry,
            reason: "not yet".into(),
        };
        let undelivered = (0..self.numbers.len()).map(retry).collect();
        self.answer(Ok(Exported {
            undelivered,
            in_progress: Some("a step".into()),
        }));
    }
}

/// The versions of the plugin of all exports.
pub(in crate::exports) struct Versions {
    standing: watch::Sender<Standing>,
    /// How a transform before it stands.
    pub(super) transform: watch::Sender<Standing>,
    /// Why the plugin cannot be opened, if it cannot.
    pub(super) refusal: Mutex<Option<String>>,
    /// The most messages that it takes.
    pub(super) most: AtomicUsize,
}

impl Versions {
    pub(super) fn new() -> Self {
        Self {
            standing: watch::Sender::new(Standing::new(Offer::Version(version("1")))),
            transform: watch::Sender::new(Standing::new(Offer::Version(version("1")))),
            refusal: Mutex::default(),
            most: AtomicUsize::new(500),
        }
    }

    pub(super) fn offer(&self, offer: Offer) {
        self.standing.send_modify(|standing| standing.offer = offer);
    }

    fn current(&self) -> VersionId {
        match &self.standing.borrow().offer {
            Offer::Version(id) => id.clone(),
            other => panic!("nothing is to be opened: {other:?}"),
        }
    }
}

pub(super) fn version(version: &str) -> VersionId {
    VersionId {
        version: version.into(),
        sha256: version.repeat(64).into(),
    }
}

/// What a destination was told of: numbers, and whether the payload was there.
pub(super) type Told = (CancelReason, Vec<(u64, bool)>);

pub(in crate::exports) fn unavailable(retry_after: Option<Duration>) -> ExportFailure {
    ExportFailure::Unavailable {
        reason: "no route".into(),
        retry_after,
    }
}

pub(super) struct Fakes {
    pub(super) versions: Arc<Versions>,
    pub(super) calls: mpsc::UnboundedSender<Call>,
    pub(super) call_interval: Duration,
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    pub(super) rests: Arc<AtomicUsize>,
}

struct Fake {
    version: VersionId,
    rests: Arc<AtomicUsize>,
    export: String,
    calls: mpsc::UnboundedSender<Call>,
    told: Arc<Mutex<Vec<Told>>>,
    remembered: Option<Arc<[u8]>>,
}

impl Destinations for Fakes {
    fn open<'a>(
        &'a self,
        _stream: &'a str,
        identifier: &'a str,
        _settings: &'a ExportSettings,
        remembered: Option<Arc<[u8]>>,
    ) -> BoxFuture<'a, Result<Opened, String>> {
        let refusal = self.versions.refusal.lock().unwrap().clone();
        if let Some(refusal) = refusal {
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let id = self.versions.current();
        let destination = Box::new(Fake {
            version: id.clone(),
            rests: Arc::clone(&self.rests),
            export: identifier.to_owned(),
            calls: self.calls.clone(),
            told: Arc::clone(&self.told),
            remembered,
        });
        let opened = Opened {
            destination,
            id,
            limits: BatchLimits {
                max_messages: self
                    .versions
                    .most
                    .load(Ordering::SeqCst)
                    .try_into()
                    .unwrap(),
                max_batch_bytes: 1 << 20,
                max_message_bytes: 1 << 10,
            },
            call_interval: self.call_interval,
            cancels: true,
        };
        Box::pin(std::future::ready(Ok(opened)))
    }

    fn follow(&self, _plugin: &str) -> watch::Receiver<Standing> {
        self.versions.standing.subscribe()
    }

    fn follow_transforms(&self, _settings: &ExportSettings) -> Vec<watch::Receiver<Standing>> {
        vec![self.versions.transform.subscribe()]
    }

    fn cancels<'a>(&'a self, _plugin: &'a str) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

impl Destination for Fake {
    fn export<'a>(&'a mut self, batch: &'a [Message]) -> BoxFuture<'a, Answer> {
        Box::pin(async {
            let (answer, answered) = oneshot::channel();
            let call = Call {
                export: self.export.clone(),
                version: self.version.clone(),
                numbers: batch
                    .iter()
                    .map(|message| message.sequence_number)
                    .collect(),
                remembered: self.remembered.clone(),
                messages: batch.to_vec(),
                answer,
            };
            self.calls.send(call).unwrap();
            let (answer, remembered) = answered.await.unwrap();
            self.remembered = remembered;
            answer
        })
    }

    fn cancel<'a>(
        &'a mut self,
        messages: &'a [Canceled],
        reason: CancelReason,
    ) -> BoxFuture<'a, Result<(), String>> {
        let numbers = messages
            .iter()
            .map(|message| (message.sequence_number, message.payload.is_some()))
            .collect();
        self.told.lock().unwrap().push((reason, numbers));
        self.remembered = None;
        Box::pin(std::future::ready(Ok(())))
    }

    fn rest(&mut self) {
        self.rests.fetch_add(1, Ordering::SeqCst);
    }

    fn remembered(&self) -> Option<&Arc<[u8]>> {
        self.remembered.as_ref()
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}
