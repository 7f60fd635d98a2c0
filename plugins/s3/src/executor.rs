//! From a task to an object, in steps.
//!
//! A small file is one call of S3. A large one goes up in parts, and its work in steps, each a call of the
//! host:
//!
//! 1. The upload is created, and remembered before a byte of the file goes, so that no crash leaves an
//!    upload of which nobody knows.
//! 2. Parts go up in their order for some seconds; how many are done is remembered with each step. A new
//!    instance asks S3 first, which may have more.
//! 3. The parts are listed and compared with the file's, and the tag that the object will have is
//!    remembered.
//! 4. The upload is completed. If it was completed already and the answer was lost, S3 knows the upload
//!    no more, and the object has the tag.
//!
//! What the file was at the beginning is remembered too: a file that is another one later ends the task.
//! What ends a task for good aborts its upload first. Programs are told in the status stream, which never
//! holds a task up.

mod outcome;
mod upload;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use millstream_plugin::{
    CancelReason, Canceled, ExportContext, ExportError, Message, Undelivered, log,
};

use crate::config::Settings;
use crate::memory::Begun;
use crate::service::{Fault, Object, ObjectStore};
use crate::source::Source;
use crate::status::{self, Status};
use crate::task::{Definition, Task};
use outcome::{Step, Stop};

/// What the executor asks of the host.
pub(crate) trait Host {
    /// What the last call has remembered.
    fn recall(&mut self) -> Option<Vec<u8>>;
    /// Remembers, or forgets.
    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String>;
    /// Says how far the work is.
    fn in_progress(&mut self, text: &str);
    /// Appends messages to a stream; the error says why not.
    fn append(&mut self, stream: &str, messages: &[Vec<u8>]) -> Result<(), String>;
    /// The time of day.
    fn now(&self) -> Timestamp;
}

/// Carries out the tasks of one export, one after the other.
#[derive(Debug)]
pub(crate) struct Executor<S, H> {
    store: S,
    host: H,
    settings: Settings,
    context: ExportContext,
    /// How long a call goes on with further parts.
    working_time: Duration,
    /// The task in hand, as it is remembered.
    begun: Option<Begun>,
    /// The upload of which this instance knows how many parts are done.
    known_upload: Option<String>,
}

/// The message whose task is carried out.
#[derive(Debug, Clone, Copy)]
struct About<'a> {
    sequence_number: u64,
    definition: Option<&'a Definition>,
}

impl<S: ObjectStore, H: Host> Executor<S, H> {
    pub(crate) fn new(store: S, host: H, settings: Settings, context: ExportContext) -> Self {
        Self {
            store,
            host,
            settings,
            context,
            // A sixth of a call's usual time, so that a last part on a slow line still fits.
            working_time: Duration::from_secs(10),
            begun: None,
            known_upload: None,
        }
    }

    /// Does a step of a task, or all of it.
    pub(crate) fn carry_out(&mut self, message: &Message) -> Result<Vec<Undelivered>, ExportError> {
        let started = Instant::now();
        self.recall();
        self.clear_up_before(message.sequence_number);
        let definition = Definition::parse(&message.payload);
        let about = About {
            sequence_number: message.sequence_number,
            definition: definition.as_ref().ok(),
        };
        let task = match &definition {
            Ok(definition) => Task::try_from(definition),
            Err(reason) => Err(reason.clone()),
        };
        let done = task
            .map_err(Stop::Failed)
            .and_then(|task| self.step(about, &task, started));
        match done {
            Ok(Step::Done(what)) => {
                self.tell(about, Status::Success, &what);
                self.keep(None);
                Ok(Vec::new())
            }
            Ok(Step::Working(how_far)) => {
                self.host.in_progress(&how_far);
                Ok(vec![Undelivered::retry(0, how_far)])
            }
            Err(Stop::Failed(reason)) => self.fail(about, reason),
            Err(Stop::Later(error)) => Err(error),
        }
    }

    fn step(&mut self, about: About<'_>, task: &Task, started: Instant) -> Result<Step, Stop> {
        let mut source = Source::open(&task.path).map_err(Stop::Failed)?;
        let begun = match self.begun.clone() {
            Some(begun) => begun,
            None => self.begin(about, task)?,
        };
        let object = Object {
            bucket: &begun.bucket,
            key: &begun.key,
            metadata: &task.metadata,
        };
        match begun.upload.clone() {
            Some(upload) => self.go_on(object, &mut source, upload, started),
            None if source.stamp().bytes > self.settings.threshold_bytes => {
                self.create(object, &source)
            }
            None => self.put(object, &mut source),
        }
    }

    /// Fills in the key, and tells that the upload begins.
    fn begin(&mut self, about: About<'_>, task: &Task) -> Result<Begun, Stop> {
        let key = task
            .key
            .resolve(self.host.now())
            .map_err(|reason| Stop::Failed(format!("The key of the task cannot be: {reason}.")))?;
        let begun = Begun {
            sequence_number: about.sequence_number,
            bucket: task.bucket.clone(),
            key,
            upload: None,
        };
        self.keep(Some(begun.clone()));
        let what = format!("The upload to s3://{}/{} begins.", begun.bucket, begun.key);
        self.tell(about, Status::InProgress, &what);
        Ok(begun)
    }

    fn put(&mut self, object: Object<'_>, source: &mut Source) -> Result<Step, Stop> {
        let bytes = source.stamp().bytes;
        let body = source.read(0..bytes).map_err(Stop::Failed)?;
        self.store.put(object, body)?;
        Ok(Step::uploaded(object, bytes))
    }

    /// Ends a task for good, and aborts its upload. What keeps the upload from being aborted and passes is
    /// waited for, since parts without an upload cost money.
    fn fail(&mut self, about: About<'_>, reason: String) -> Result<Vec<Undelivered>, ExportError> {
        match self.abort() {
            Ok(()) => {}
            Err(Fault::Later(
                error @ (ExportError::Unavailable(_) | ExportError::Throttled(_)),
            )) => return Err(error),
            Err(fault) => self.tell(about, Status::Warning, &left_behind(&fault)),
        }
        self.tell(about, Status::Failure, &reason);
        self.keep(None);
        Ok(vec![Undelivered::reject(0, reason)])
    }

    /// Tells of tasks that are not carried out, and aborts the upload of the one in hand.
    pub(crate) fn cancel(&mut self, canceled: &[Canceled], reason: CancelReason) {
        self.recall();
        let why = match reason {
            CancelReason::StreamDeleted => "The stream was deleted",
            CancelReason::ExportDeleted => "The export was deleted",
            CancelReason::Expired => "The task expired",
        };
        let why = format!("{why} before the upload was done.");
        let definitions: Vec<_> = canceled
            .iter()
            .map(|canceled| Definition::parse(canceled.payload.as_deref()?).ok())
            .collect();
        let abouts: Vec<About<'_>> = canceled
            .iter()
            .zip(&definitions)
            .map(|(canceled, definition)| About {
                sequence_number: canceled.sequence_number,
                definition: definition.as_ref(),
            })
            .collect();
        // Told first: S3 may not answer in the time that is left.
        self.tell_all(&abouts, Status::Canceled, &why);
        let in_hand = abouts
            .into_iter()
            .find(|about| self.in_hand() == Some(about.sequence_number));
        if let Some(about) = in_hand {
            if let Err(fault) = self.abort() {
                self.tell(about, Status::Warning, &left_behind(&fault));
                log::warn(&left_behind(&fault));
            }
            self.keep(None);
        }
    }

    /// A task that is remembered though another one comes was given up by the host, as after repeated
    /// crashes, or its end was not told of.
    fn clear_up_before(&mut self, next: u64) {
        let Some(sequence_number) = self.in_hand().filter(|&number| number != next) else {
            return;
        };
        let about = About {
            sequence_number,
            definition: None,
        };
        if let Err(fault) = self.abort() {
            log::warn(&left_behind(&fault));
        }
        self.tell(
            about,
            Status::Failure,
            "The task was given up before the upload was done.",
        );
        self.keep(None);
    }

    fn abort(&mut self) -> Result<(), Fault> {
        let Some(Begun {
            bucket,
            key,
            upload: Some(upload),
            ..
        }) = &self.begun
        else {
            return Ok(());
        };
        let object = Object {
            bucket,
            key,
            metadata: &Default::default(),
        };
        match self.store.abort_upload(object, &upload.id) {
            Ok(()) | Err(Fault::UploadGone(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn tell(&mut self, about: About<'_>, status: Status, message: &str) {
        self.tell_all(&[about], status, message);
    }

    /// Writes a message for each task, if somebody wants to know; what cannot be told is logged.
    fn tell_all(&mut self, abouts: &[About<'_>], status: Status, message: &str) {
        let Some(stream) = &self.settings.status_stream else {
            return;
        };
        if status.level() > self.settings.status_level.0 || abouts.is_empty() {
            return;
        }
        let now = self.host.now().as_millisecond();
        let messages: Vec<Vec<u8>> = abouts
            .iter()
            .map(|about| {
                status::write(
                    &self.context,
                    about.sequence_number,
                    about.definition,
                    (status, message),
                    now,
                )
            })
            .collect();
        if let Err(reason) = self.host.append(stream, &messages) {
            log::warn(&format!(
                "the status stream `{stream}` was not told of task {}, that it is {status:?} \
                 ({message}): {reason}",
                abouts.first().map_or(0, |about| about.sequence_number)
            ));
        }
    }

    fn in_hand(&self) -> Option<u64> {
        self.begun.as_ref().map(|begun| begun.sequence_number)
    }

    fn recall(&mut self) {
        self.begun = self.host.recall().and_then(|bytes| {
            let begun = Begun::from_bytes(&bytes);
            begun
                .inspect_err(|error| {
                    log::warn(&format!(
                        "what was remembered of a task cannot be read, and the task begins anew: {error}"
                    ));
                })
                .ok()
        });
    }

    fn keep(&mut self, begun: Option<Begun>) {
        let bytes = begun.as_ref().map(Begun::to_bytes);
        if let Err(reason) = self.host.remember(bytes.as_deref()) {
            log::error(&format!("the work on a task was not remembered: {reason}"));
        }
        self.begun = begun;
    }
}

fn left_behind(fault: &Fault) -> String {
    format!(
        "An upload in parts was left behind, which costs storage until it is aborted by hand or by a \
         lifecycle rule: {}",
        fault.reason()
    )
}

#[cfg(test)]
mod tests;
