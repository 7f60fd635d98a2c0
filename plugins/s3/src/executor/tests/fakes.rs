//! S3 and a host in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::time::SystemTime;

use md5::{Digest, Md5};
use serde_json::Value;

use super::super::*;
use super::unavailable;
use crate::service::Part;

/// S3 in memory, which remembers its calls and fails by a script.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) calls: Vec<String>,
    pub(super) faults: VecDeque<Option<Fault>>,
    pub(super) uploads: BTreeMap<String, Vec<Part>>,
    pub(super) objects: BTreeMap<String, (u64, String)>,
    /// Takes the call, and answers with a fault all the same.
    pub(super) answers_lost: bool,
}

impl Store {
    fn call(&mut self, what: String) -> Result<(), Fault> {
        self.calls.push(what);
        self.faults.pop_front().flatten().map_or(Ok(()), Err)
    }

    fn known(&mut self, upload: &str) -> Result<&mut Vec<Part>, Fault> {
        let parts = self.uploads.get_mut(upload);
        parts.ok_or_else(|| Fault::UploadGone("NoSuchUpload".to_owned()))
    }
}

fn tag(body: &[u8]) -> String {
    let digest = Md5::digest(body);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

impl ObjectStore for Store {
    fn put(&mut self, object: Object<'_>, body: Vec<u8>) -> Result<(), Fault> {
        self.call(format!("put {object}"))?;
        let made = (body.len() as u64, tag(&body));
        self.objects.insert(object.key.to_owned(), made);
        Ok(())
    }

    fn create_upload(&mut self, object: Object<'_>) -> Result<String, Fault> {
        self.call(format!("create {object}"))?;
        let id = format!("upload-{}", self.calls.len());
        self.uploads.insert(id.clone(), Vec::new());
        Ok(id)
    }

    fn upload_part(
        &mut self,
        _object: Object<'_>,
        upload: &str,
        number: u32,
        body: Vec<u8>,
    ) -> Result<(), Fault> {
        self.call(format!("part {number}"))?;
        let parts = self.known(upload)?;
        parts.retain(|part| part.number != number);
        parts.push(Part {
            number,
            bytes: body.len() as u64,
            tag: tag(&body),
        });
        Ok(())
    }

    fn list_parts(&mut self, _object: Object<'_>, upload: &str) -> Result<Vec<Part>, Fault> {
        self.call("list".to_owned())?;
        Ok(self.known(upload)?.clone())
    }

    fn complete_upload(
        &mut self,
        object: Object<'_>,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), Fault> {
        self.call("complete".to_owned())?;
        assert_eq!(self.known(upload)?.as_slice(), parts);
        self.uploads.remove(upload);
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let tag = format!("\"{}\"", crate::service::tag_of(parts));
        self.objects.insert(object.key.to_owned(), (bytes, tag));
        match self.answers_lost {
            true => Err(unavailable("the answer is lost")),
            false => Ok(()),
        }
    }

    fn abort_upload(&mut self, _object: Object<'_>, upload: &str) -> Result<(), Fault> {
        self.call("abort".to_owned())?;
        self.known(upload)?;
        self.uploads.remove(upload);
        Ok(())
    }

    fn tag(&mut self, object: Object<'_>) -> Result<Option<String>, Fault> {
        self.call("tag".to_owned())?;
        Ok(self.objects.get(object.key).map(|(_, tag)| tag.clone()))
    }
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) remembered: Option<Vec<u8>>,
    pub(super) progress: Vec<String>,
    pub(super) told: Vec<Value>,
    pub(super) status_stream_is_gone: bool,
    pub(super) day: i64,
    /// A file that is written anew at the same size, once, when a task is told of.
    pub(super) touched: Option<File>,
}

impl Host for Desk {
    fn recall(&mut self) -> Option<Vec<u8>> {
        self.remembered.clone()
    }

    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        self.remembered = bytes.map(<[u8]>::to_vec);
        Ok(())
    }

    fn in_progress(&mut self, text: &str) {
        self.progress.push(text.to_owned());
    }

    fn append(&mut self, stream: &str, messages: &[Vec<u8>]) -> Result<(), String> {
        assert_eq!(stream, "status");
        if let Some(file) = self.touched.take() {
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        if self.status_stream_is_gone {
            return Err("There is no stream of this name.".to_owned());
        }
        let read = |message: &Vec<u8>| serde_json::from_slice(message).unwrap();
        self.told.extend(messages.iter().map(read));
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + self.day * 86_400).unwrap()
    }
}
