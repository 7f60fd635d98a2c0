//! Answers in the XML of S3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

/// What is sent back.
pub(super) type Answer = Response<Full<Bytes>>;

/// A status, and a code of S3.
pub(super) struct Error(pub(super) u16, pub(super) &'static str);

impl Error {
    pub(super) fn answer(&self) -> Answer {
        let Self(status, code) = self;
        let text = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
        let mut answer = ok(&text);
        *answer.status_mut() = (*status).try_into().unwrap();
        answer
    }
}

pub(super) fn ok(text: &str) -> Answer {
    Response::new(Full::new(Bytes::from(text.to_owned())))
}

pub(super) fn no_content() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = hyper::StatusCode::NO_CONTENT;
    answer
}

pub(super) fn tagged(tag: &str) -> Answer {
    let mut answer = ok("");
    let value = format!("\"{tag}\"").parse().unwrap();
    answer.headers_mut().insert("etag", value);
    answer
}

pub(super) fn created(id: &str) -> Answer {
    ok(&format!(
        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
    ))
}

pub(super) fn completed(tag: &str) -> Answer {
    ok(&format!(
        "<CompleteMultipartUploadResult><ETag>&quot;{tag}&quot;</ETag></CompleteMultipartUploadResult>"
    ))
}

pub(super) fn listed(parts: &[(u32, u64, String)], is_truncated: bool) -> Answer {
    let last = parts.last().map_or(0, |part| part.0);
    let parts: String = parts
        .iter()
        .map(|(number, bytes, tag)| {
            format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{tag}&quot;</ETag>\
                 <Size>{bytes}</Size></Part>"
            )
        })
        .collect();
    ok(&format!(
        "<ListPartsResult><NextPartNumberMarker>{last}</NextPartNumberMarker>\
         <IsTruncated>{is_truncated}</IsTruncated>{parts}</ListPartsResult>"
    ))
}

/// The parts that a request to complete an upload names, with their tags.
pub(super) fn named_parts(text: &str) -> Vec<(u32, String)> {
    text.split("<Part>")
        .skip(1)
        .map(|part| {
            let tag = between(part, "<ETag>", "</ETag>").replace("&quot;", "");
            let number = between(part, "<PartNumber>", "</PartNumber>");
            (number.parse().unwrap(), tag.replace('"', ""))
        })
        .collect()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
