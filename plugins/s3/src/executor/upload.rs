//! The steps of an upload in parts.

use std::time::Instant;

use millstream_plugin::ExportError;

use super::outcome::{Step, Stop};
use super::{Executor, Host};
use crate::memory::{Begun, Upload};
use crate::parts::Parts;
use crate::service::{Fault, Object, ObjectStore, Part, tag_of};
use crate::source::{Source, changed};

impl<S: ObjectStore, H: Host> Executor<S, H> {
    /// Creates the upload, and leaves it at that: only what a call leaves behind when it returns is
    /// remembered.
    pub(super) fn create(&mut self, object: Object<'_>, source: &Source) -> Result<Step, Stop> {
        let file = source.stamp();
        let parts = Parts::of(file.bytes, self.settings.least_part_bytes).map_err(Stop::Failed)?;
        let id = self.store.create_upload(object)?;
        let upload = Upload {
            id,
            file,
            parts,
            done: 0,
            tag: None,
        };
        let step = working(object, &upload);
        self.keep_upload(Some(upload));
        Ok(step)
    }

    /// Goes on where the last call has left off.
    pub(super) fn go_on(
        &mut self,
        object: Object<'_>,
        source: &mut Source,
        upload: Upload,
        started: Instant,
    ) -> Result<Step, Stop> {
        if source.stamp() != upload.file {
            return Err(Stop::Failed(changed(source.path())));
        }
        if upload.tag.is_some() {
            return self.complete(object, &upload);
        }
        let upload = self.known(object, upload)?;
        match self.send_parts(object, source, upload.clone(), started)? {
            Some(step) => Ok(step),
            None => self.check(object, upload),
        }
    }

    /// The upload with all the parts that S3 has. After the end of an instance these can be more than are
    /// remembered, which are those of its last call that returned.
    fn known(&mut self, object: Object<'_>, mut upload: Upload) -> Result<Upload, Stop> {
        if self.known_upload.as_ref() != Some(&upload.id) {
            let parts = match self.store.list_parts(object, &upload.id) {
                Err(Fault::UploadGone(reason)) => return Err(self.begin_anew(&reason)),
                parts => first_parts(&upload, parts?),
            };
            upload.done = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            self.keep_upload(Some(upload.clone()));
        }
        Ok(upload)
    }

    /// Sends parts while there is time; none if all are there.
    fn send_parts(
        &mut self,
        object: Object<'_>,
        source: &mut Source,
        mut upload: Upload,
        started: Instant,
    ) -> Result<Option<Step>, Stop> {
        let mut sent = false;
        while upload.done < upload.parts.count() {
            if sent && started.elapsed() >= self.working_time {
                break;
            }
            let number = upload.done + 1;
            let body = source
                .read(upload.parts.bytes(number))
                .map_err(Stop::Failed)?;
            match self.store.upload_part(object, &upload.id, number, body) {
                Err(Fault::UploadGone(reason)) => return Err(self.begin_anew(&reason)),
                answer => answer?,
            }
            sent = true;
            upload.done = number;
            self.keep_upload(Some(upload.clone()));
        }
        Ok(sent.then(|| working(object, &upload)))
    }

    /// Compares what S3 has with the file, and remembers what the object is to be known by.
    fn check(&mut self, object: Object<'_>, mut upload: Upload) -> Result<Step, Stop> {
        let parts = self.listed(object, &upload)?;
        upload.tag = Some(tag_of(&parts));
        self.keep_upload(Some(upload));
        Ok(Step::Working(format!(
            "uploading {object}: all parts are there"
        )))
    }

    fn complete(&mut self, object: Object<'_>, upload: &Upload) -> Result<Step, Stop> {
        let parts = match self.store.list_parts(object, &upload.id) {
            Err(Fault::UploadGone(reason)) => {
                return self.completed_before(object, upload, &reason);
            }
            parts => self.all_of(upload, parts?)?,
        };
        match self.store.complete_upload(object, &upload.id, &parts) {
            Err(Fault::UploadGone(reason)) => self.completed_before(object, upload, &reason),
            answer => {
                answer?;
                Ok(Step::uploaded(object, upload.parts.file_bytes()))
            }
        }
    }

    /// An upload that was to be completed is gone: it was completed and the answer lost, or it was aborted
    /// by somebody else.
    fn completed_before(
        &mut self,
        object: Object<'_>,
        upload: &Upload,
        reason: &str,
    ) -> Result<Step, Stop> {
        let wanted = upload.tag.as_deref().filter(|tag| !tag.is_empty());
        match self.store.tag(object) {
            Ok(Some(found)) if Some(found.trim_matches('"')) == wanted => {
                Ok(Step::uploaded(object, upload.parts.file_bytes()))
            }
            Err(Fault::Later(
                error @ (ExportError::Unavailable(_) | ExportError::Throttled(_)),
            )) => Err(Stop::Later(error)),
            // Without the permission to look, the file goes up again: the same object, made twice.
            _ => Err(self.begin_anew(reason)),
        }
    }

    /// The parts as S3 has them, if they are all there.
    fn listed(&mut self, object: Object<'_>, upload: &Upload) -> Result<Vec<Part>, Stop> {
        match self.store.list_parts(object, &upload.id) {
            Err(Fault::UploadGone(reason)) => Err(self.begin_anew(&reason)),
            parts => self.all_of(upload, parts?),
        }
    }

    /// Parts that S3 lacks, or has in another size, are sent again.
    fn all_of(&mut self, upload: &Upload, listed: Vec<Part>) -> Result<Vec<Part>, Stop> {
        let parts = first_parts(upload, listed);
        let done = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        if done == upload.parts.count() {
            return Ok(parts);
        }
        self.keep_upload(Some(Upload {
            done,
            tag: None,
            ..upload.clone()
        }));
        Err(Stop::Later(ExportError::unavailable(format!(
            "S3 lacks part {} of an upload, though it had acknowledged it; it is sent again.",
            done + 1
        ))))
    }

    /// After a pause, so that a service that forgets each upload is not asked without end.
    fn begin_anew(&mut self, reason: &str) -> Stop {
        self.keep_upload(None);
        Stop::Later(ExportError::unavailable(format!(
            "The upload begins anew. {reason}"
        )))
    }

    fn keep_upload(&mut self, upload: Option<Upload>) {
        self.known_upload = upload.as_ref().map(|upload| upload.id.clone());
        if let Some(begun) = self.begun.clone() {
            self.keep(Some(Begun { upload, ..begun }));
        }
    }
}

/// The parts from the first on that are there as they should be.
fn first_parts(upload: &Upload, listed: Vec<Part>) -> Vec<Part> {
    (1..=upload.parts.count())
        .zip(listed)
        .take_while(|(number, part)| {
            part.number == *number && part.bytes == upload.parts.size(*number)
        })
        .map(|(_, part)| part)
        .collect()
}

fn working(object: Object<'_>, upload: &Upload) -> Step {
    Step::Working(format!(
        "uploading {object}: {} of {} parts",
        upload.done,
        upload.parts.count()
    ))
}
