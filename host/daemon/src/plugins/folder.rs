//! Looks at the folder for as long as a plugin is used, and loads what it finds there.
//!
//! The folder is polled: that works on every file system, and a look costs two calls of `stat`. A file is
//! loaded when it has not changed from one look to the next and is whole (`millstream_runtime` tells by its
//! last byte); one that stops in the middle is waited for. A version that was loaded is handed out
//! until another one is ready to take its place, so whatever is wrong with a file costs nobody anything.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use millstream_runtime::RuntimeError;
use tokio::sync::watch;

use super::trust::signature_file;
use super::version::{Loaded, Offer, Standing};
use super::{Plugins, lock};

/// How often a plugin's file is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A file that stops in the middle is reported when it has stood still for this long.
const COPY_TIME: Duration = Duration::from_secs(10);
/// So long a signature or a right to read may come after the file that needs it.
const SIGNING_TIME: Duration = Duration::from_secs(1);
/// What may have failed for want of memory or room on the disk is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// A plugin that nobody has used for this long is not looked at any more, and its memory is given back.
const UNUSED: Duration = Duration::from_secs(60);

/// A plugin that is used, or was a moment ago.
pub(super) struct Place {
    standing: watch::Sender<Standing>,
    loaded: Mutex<Option<Arc<Loaded>>>,
}

impl Place {
    pub(super) fn new(offer: Offer) -> Self {
        Self {
            standing: watch::Sender::new(Standing::new(offer)),
            loaded: Mutex::default(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    pub(super) fn loaded(&self) -> Option<Arc<Loaded>> {
        self.held().clone()
    }

    pub(super) fn is_used(&self) -> bool {
        self.standing.receiver_count() > 0
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Loaded>>> {
        lock(&self.loaded)
    }

    /// The file holds this version, and it can be used.
    fn take(&self, name: &str, loaded: Loaded) {
        let id = loaded.id.clone();
        let before = self.loaded();
        let is_same = before.as_ref().is_some_and(|before| before.id == id);
        if !is_same {
            *self.held() = Some(Arc::new(loaded));
            match &before {
                None => tracing::info!(
                    plugin = name,
                    version = %id.version,
                    sha256 = %id.sha256,
                    "plugin loaded"
                ),
                Some(before) => tracing::info!(
                    plugin = name,
                    version = %id.version,
                    sha256 = %id.sha256,
                    before = %before.id,
                    "plugin replaced: its exports go on with the new version"
                ),
            }
        }
        self.change(|standing| {
            standing.replacements += u64::from(!is_same && before.is_some());
            standing.problem = None;
            standing.offer = Offer::Version(id);
        });
    }

    /// The file cannot be used. What was loaded goes on.
    fn fail(&self, name: &str, reason: String) {
        if self.standing.borrow().problem.as_ref() != Some(&reason) {
            match self.loaded() {
                Some(loaded) => tracing::warn!(
                    plugin = name,
                    in_use = %loaded.id,
                    error = reason,
                    "the file of a plugin cannot be used; the version in use goes on"
                ),
                None => {
                    tracing::warn!(plugin = name, error = reason, "a plugin cannot be used");
                }
            }
        }
        self.change(|standing| {
            if !matches!(standing.offer, Offer::Version(_)) {
                standing.offer = Offer::Nothing(reason.clone());
            }
            standing.problem = Some(reason);
        });
    }

    /// The file may become usable by itself. Those who wait for a first look need not wait longer.
    fn wait(&self, reason: String) {
        self.change(|standing| {
            if standing.offer == Offer::Unknown {
                standing.offer = Offer::Nothing(reason);
            }
        });
    }

    /// There is no file.
    fn empty(&self, name: &str, never_there: String, folder: &Path) {
        let offer = match self.loaded() {
            None => Offer::Nothing(never_there),
            Some(loaded) => {
                tracing::warn!(plugin = name, version = %loaded.id, "plugin taken away: its exports wait");
                Offer::Nothing(format!(
                    "the plugin \"{name}\" was taken away: its exports keep their place, and go on when \
                     {name}.wasm is in the folder {} again",
                    folder.display()
                ))
            }
        };
        self.change(|standing| {
            standing.offer = offer;
            standing.problem = None;
        });
        *self.held() = None;
    }

    /// Tells those who use the plugin, if there is something to tell.
    fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_if_modified(|standing| {
            let before = standing.clone();
            change(standing);
            *standing != before
        });
    }
}

/// Looks at the file of a plugin until nobody uses it any more.
pub(super) async fn watch(plugins: Weak<Plugins>, name: String, place: Arc<Place>) {
    let mut looks = Looks::new(Instant::now());
    let mut used = Instant::now();
    while let Some(plugins) = plugins.upgrade() {
        if place.is_used() {
            used = Instant::now();
        } else if used.elapsed() >= UNUSED && plugins.forget(&name, &place) {
            return;
        }
        match plugins.find(&name).await {
            Ok(found) => match looks.look(found, Instant::now()) {
                Step::Wait => {}
                Step::Leave => {
                    let never_there = plugins.missing(&name).await;
                    place.empty(&name, never_there, plugins.folder());
                }
                Step::Load => load(&plugins, &name, &place, &mut looks).await,
            },
            Err(error) => {
                if looks.are_in_vain(Instant::now()) {
                    let file = plugins.file(&name);
                    let reason = format!("{} cannot be looked at: {error}", file.display());
                    place.fail(&name, reason);
                }
            }
        }
        drop(plugins);
        tokio::time::sleep(LOOK).await;
    }
}

async fn load(plugins: &Plugins, name: &str, place: &Place, looks: &mut Looks) {
    let outcome = plugins.try_load(name).await;
    // What has changed meanwhile may have been read half from one file and half from another.
    if plugins.find(name).await.ok() != looks.found {
        return;
    }
    match outcome {
        Ok(loaded) => {
            looks.due = None;
            place.take(name, loaded);
        }
        Err(error) => {
            let stood = looks.since.elapsed();
            let reported = reported_after(&error);
            if stood < reported {
                looks.due = Some(reported);
                place.wait(error.to_string());
            } else {
                looks.due = may_pass(&error).then(|| stood + TRY_AGAIN);
                place.fail(name, error.to_string());
            }
        }
    }
}

/// How long a file must have stood still before somebody is told that it cannot be used.
fn reported_after(error: &RuntimeError) -> Duration {
    match error {
        RuntimeError::Incomplete { .. } => COPY_TIME,
        RuntimeError::Refused { .. } | RuntimeError::Unreadable { .. } => SIGNING_TIME,
        _ => Duration::ZERO,
    }
}

/// Whether a failure may have had another reason than the file.
fn may_pass(error: &RuntimeError) -> bool {
    matches!(
        error,
        RuntimeError::Unreadable { .. }
            | RuntimeError::Compile { .. }
            | RuntimeError::CompileTimeout { .. }
            | RuntimeError::CompilerMissing { .. }
            | RuntimeError::Cache { .. }
            | RuntimeError::TimedOut { .. }
            | RuntimeError::Internal { .. }
    )
}

/// What tells one content of a file from another, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    inode: u64,
    /// Of the content, and of the entry: a copy can carry the times of its original.
    changed: [(i64, i64); 2],
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            inode: metadata.ino(),
            changed: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
        }
    }
}

/// What a look finds: the file, and its signature if one is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    file: Option<Stamp>,
    signature: Option<Stamp>,
}

impl Found {
    /// Whether there is a file.
    pub(super) fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// Looks at a file. It may wait for the disk.
    pub(super) fn look(path: &Path, needs_signature: bool) -> io::Result<Self> {
        let stamp = |path: &Path| match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Stamp::from(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok(Self {
            file: stamp(path)?,
            signature: match needs_signature {
                true => stamp(&signature_file(path))?,
                false => None,
            },
        })
    }
}

/// What is to be done after a look.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Wait,
    /// There is no file.
    Leave,
    /// There is one that was not loaded yet.
    Load,
}

/// What the looks have found so far.
struct Looks {
    /// By the last one; none before the first.
    found: Option<Found>,
    /// When that was found first.
    since: Instant,
    /// How long it must have stood still for something to be done; none if all is done.
    due: Option<Duration>,
    /// Since when nothing can be looked at; none if it can.
    in_vain: Option<Instant>,
}

impl Looks {
    fn new(now: Instant) -> Self {
        Self {
            found: None,
            since: now,
            due: None,
            in_vain: None,
        }
    }

    /// A look found neither a file nor that there is none. Whether that has lasted: a folder that cannot
    /// be read for a moment says nothing of its plugins.
    fn are_in_vain(&mut self, now: Instant) -> bool {
        let since = *self.in_vain.get_or_insert(now);
        let have_lasted = now.saturating_duration_since(since) >= SIGNING_TIME;
        if have_lasted {
            // It was reported, so whatever is found next has to take the report back.
            self.found = None;
        }
        have_lasted
    }

    fn look(&mut self, found: Found, now: Instant) -> Step {
        self.in_vain = None;
        if self.found.as_ref() != Some(&found) {
            let is_first = self.found.is_none();
            let is_there = found.file.is_some();
            (self.found, self.since, self.due) = (Some(found), now, Some(Duration::ZERO));
            // The first look takes what is there: it has lain there since before the host started. So does
            // a look that finds nothing where nothing was.
            if !is_first {
                return Step::Wait;
            }
            if !is_there {
                self.due = None;
                return Step::Leave;
            }
            return Step::Load;
        }
        let stood = now.saturating_duration_since(self.since);
        if self.due.is_none_or(|due| stood < due) {
            return Step::Wait;
        }
        match &self.found {
            Some(Found { file: Some(_), .. }) => Step::Load,
            _ => {
                self.due = None;
                Step::Leave
            }
        }
    }
}

#[cfg(test)]
mod tests;
