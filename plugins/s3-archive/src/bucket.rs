//! Objects go into a bucket, each with one `PutObject`.
//!
//! S3 checks a body twice: by the hash that the host signs, and by a CRC-32 that it keeps with the
//! object, which buckets with an object lock insist on.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millstream_aws::endpoint::Endpoint;
use millstream_aws::{Refusal, Region, Target, sign};
use millstream_plugin::ExportError;
use millstream_plugin::http::{
    Address, Answer, HeaderMap, HeaderName, HeaderValue, Keep, Method, Request, Transport,
    Unanswered, header,
};

use crate::archive::{Storage, Write};
use crate::config::Settings;
use crate::format::Object;
use crate::template::Keys;

const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-crc32");
/// What an object says of itself, for those who list without reading (user-defined metadata).
const STREAM: HeaderName = HeaderName::from_static("x-amz-meta-stream");
const FIRST: HeaderName = HeaderName::from_static("x-amz-meta-first-sequence-number");
const LAST: HeaderName = HeaderName::from_static("x-amz-meta-last-sequence-number");
const MESSAGES: HeaderName = HeaderName::from_static("x-amz-meta-messages");

/// A bucket, ready to take objects of one stream.
#[derive(Debug)]
pub(crate) struct Bucket<T> {
    transport: T,
    address: Address,
    region: Region,
    /// What all requests have in common.
    headers: HeaderMap,
    target: Target,
}

impl<T: Transport> Bucket<T> {
    pub(crate) fn new(transport: T, settings: Settings, keys: &Keys) -> Self {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_static(settings.format.content_type());
        headers.insert(header::CONTENT_TYPE, content_type);
        let own = settings.headers.into_iter();
        let own = own.map(|(name, value)| (HeaderName::from_static(name), value));
        for (name, value) in own.chain([(STREAM, keys.stream().to_owned())]) {
            // The configuration was checked, and names of streams are encoded.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        let (bucket, region) = (&settings.bucket_name, settings.region.as_str());
        let target = Target {
            name: format!("S3 bucket `{bucket}` in `{region}`"),
            keys: "`bucket` and `region`",
            permission: "`s3:PutObject`",
        };
        Self {
            transport,
            address: settings.bucket,
            region: settings.region,
            headers,
            target,
        }
    }

    fn headers(&self, object: &Object, write: Write) -> HeaderMap {
        let mut headers = self.headers.clone();
        sign(&mut headers, Endpoint::S3, &self.region);
        if write == Write::Missing {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        headers.insert(FIRST, object.first.into());
        headers.insert(LAST, object.last.into());
        headers.insert(MESSAGES, object.messages.into());
        let checksum = STANDARD.encode(crc32fast::hash(&object.body).to_be_bytes());
        if let Ok(checksum) = HeaderValue::try_from(checksum) {
            headers.insert(CHECKSUM, checksum);
        }
        headers
    }

    /// What an answer says of a request.
    fn judge(&self, answer: &Answer, write: Write) -> Result<(), ExportError> {
        if matches!(answer.status, 200..=299) {
            // Every object has one; a login page that answers everything with 200 has none.
            return match answer.header(header::ETAG) {
                Some(_) => Ok(()),
                None => Err(ExportError::unavailable(format!(
                    "The answer of {} is not what S3 answers; check `endpoint`.",
                    self.target.name
                ))),
            };
        }
        if answer.status == 412 && write == Write::Missing {
            return Ok(());
        }
        let refusal = Refusal::read(answer, SystemTime::now());
        match refusal.code.as_deref() {
            // The body was damaged or cut on its way, or two requests met.
            Some(
                code @ ("BadDigest"
                | "ConditionalRequestConflict"
                | "IncompleteBody"
                | "XAmzContentSHA256Mismatch"),
            ) => Err(ExportError::unavailable(format!(
                "{} did not get the object whole: {code}.",
                self.target.name
            ))),
            _ => Err(refusal.fault(&self.target).into_export_error()),
        }
    }
}

impl<T: Transport> Storage for Bucket<T> {
    fn put(&mut self, key: &str, object: &Object, write: Write) -> Result<(), ExportError> {
        let path = format!("{}{}", self.address.path_with_query, escaped(key));
        let address = self.address.with_path(path);
        let request = Request {
            method: Method::Put,
            address: &address,
            headers: self.headers(object, write),
            body: object.body.as_slice().into(),
            keep: Keep::Beginning,
        };
        match self.transport.send(&request) {
            // A service without conditional writes; what it may lose, the stream has lost already.
            Ok(answer) if answer.status == 501 && write == Write::Missing => {
                self.put(key, object, Write::Over)
            }
            Ok(answer) => self.judge(&answer, write),
            Err(Unanswered::NotGranted) => Err(ExportError::denied(format!(
                "The host does not let this plugin call {}; put \"{}\" into `hosts` and \"s3\" into \
                 `aws-services` of the plugin's grants.",
                self.target.name,
                address.grant()
            ))),
            Err(unanswered) => Err(unanswered.error(&self.address)),
        }
    }
}

/// A key as a path: everything but unreserved characters and slashes is percent-encoded, as the
/// signature of S3 has it.
fn escaped(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
