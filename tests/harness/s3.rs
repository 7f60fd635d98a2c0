//! A strict stand-in for Amazon S3, on a free port. It keeps nothing of a body but its size and its MD5, so
//! that files may be as large as they like, and refuses what S3 would refuse: a body that is not what its
//! headers say, a part that is too small, a list of parts that is not what was sent, an unsigned request.

mod answer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use md5::{Digest, Md5};
use sha2::Sha256;
use tokio::runtime::Runtime;

use crate::Reserved;
use answer::{Answer, Error};

/// The bucket that there is.
pub const BUCKET: &str = "bucket";
/// The access key that is let in at first.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// The least part but for the last.
const LEAST_PART: u64 = 5 << 20;
/// The largest body that the host signs.
const MAX_BODY: u64 = 16 << 20;
/// Parts a page of a list; fewer than the thousand of S3, so that lists have several.
const PAGE: usize = 100;

/// One call as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Call {
    /// `put`, `create`, `part`, `list`, `complete`, `abort` or `head`.
    pub operation: &'static str,
    /// The key of the object.
    pub key: String,
    /// The number of a part; 0 for other calls.
    pub part: u32,
    /// Bytes of the body.
    pub bytes: u64,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy)]
pub enum S3Fault {
    /// It is refused with this status and this code.
    Refused(u16, &'static str),
    /// It is never answered.
    Hang,
    /// It is answered with this text, and status 200.
    Garbage(&'static str),
    /// It is done, and answered with a status 500.
    AnswerLost,
}

/// An object that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Object {
    /// Its size.
    pub bytes: u64,
    /// Its tag, without quotes: the MD5 of what it has, or of its parts' MD5s.
    pub tag: String,
    /// What the headers `x-amz-meta-…` said.
    pub metadata: BTreeMap<String, String>,
}

type Script = Box<dyn FnMut(&S3Call) -> Option<S3Fault> + Send>;

struct State {
    access_key: String,
    calls: Vec<S3Call>,
    objects: BTreeMap<String, S3Object>,
    uploads: BTreeMap<String, Upload>,
    uploads_so_far: usize,
}

#[derive(Default)]
struct Upload {
    key: String,
    metadata: BTreeMap<String, String>,
    parts: BTreeMap<u32, (u64, [u8; 16])>,
}

/// A running stand-in.
pub struct S3Server {
    endpoint: String,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

impl S3Server {
    /// Starts one where nothing goes wrong.
    pub fn start() -> Self {
        Self::scripted(|_| None)
    }

    /// Starts one where calls go wrong as the script says; it is asked when the body was read.
    pub fn scripted(script: impl FnMut(&S3Call) -> Option<S3Fault> + Send + 'static) -> Self {
        Self::listen(Reserved::on_loopback(), script)
    }

    /// The same at an address that was kept for it.
    pub fn listen(
        reserved: Reserved,
        script: impl FnMut(&S3Call) -> Option<S3Fault> + Send + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let endpoint = reserved.endpoint();
        let state = Arc::new(Mutex::new(State {
            access_key: ACCESS_KEY.to_owned(),
            calls: Vec::new(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            uploads_so_far: 0,
        }));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let listener = runtime.block_on(async { reserved.into_listener() });
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        serve(request, Arc::clone(&state), Arc::clone(&script))
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self {
            endpoint,
            state,
            _runtime: runtime,
        }
    }

    /// Its address as a URL, without a path.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets this access key in from now on, and no other.
    pub fn lets_in(&self, access_key: &str) {
        self.state.lock().unwrap().access_key = access_key.to_owned();
    }

    /// All calls whose bodies were read so far.
    pub fn calls(&self) -> Vec<S3Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// The numbers of the parts that arrived, in order, whatever became of them.
    pub fn parts(&self) -> Vec<u32> {
        let calls = self.calls();
        let parts = calls.iter().filter(|call| call.operation == "part");
        parts.map(|call| call.part).collect()
    }

    /// The object of a key.
    pub fn object(&self, key: &str) -> Option<S3Object> {
        self.state.lock().unwrap().objects.get(key).cloned()
    }

    /// Uploads in parts that were neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }
}

/// A request whose body was read.
struct Request {
    call: S3Call,
    upload: String,
    marker: u32,
    metadata: BTreeMap<String, String>,
    md5: [u8; 16],
    /// The body of a call that has a small one.
    text: String,
}

async fn serve(
    request: hyper::Request<Incoming>,
    state: Arc<Mutex<State>>,
    script: Arc<Mutex<Script>>,
) -> Result<Answer, &'static str> {
    let access_key = state.lock().unwrap().access_key.clone();
    let request = match read(request, &access_key).await {
        Ok(request) => request,
        Err(error) => return Ok(error.answer()),
    };
    state.lock().unwrap().calls.push(request.call.clone());
    let fault = (script.lock().unwrap())(&request.call);
    match fault {
        Some(S3Fault::Hang) => std::future::pending().await,
        Some(S3Fault::Refused(status, code)) => Ok(Error(status, code).answer()),
        Some(S3Fault::Garbage(text)) => Ok(answer::ok(text)),
        Some(S3Fault::AnswerLost) => {
            let done = state.lock().unwrap().perform(request);
            done.map_or_else(
                |error| Ok(error.answer()),
                |_| Ok(Error(500, "InternalError").answer()),
            )
        }
        None => {
            let done = state.lock().unwrap().perform(request);
            Ok(done.unwrap_or_else(|error| error.answer()))
        }
    }
}

/// Reads a request whole, and checks everything about it that needs no state.
async fn read(request: hyper::Request<Incoming>, access_key: &str) -> Result<Request, Error> {
    let (head, mut body) = request.into_parts();
    let header = |name: &str| {
        let value = head.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let (mut bytes, mut text) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Error(400, "IncompleteBody"))?.into_data() else {
            continue;
        };
        md5.update(&data);
        sha256.update(&data);
        bytes += data.len() as u64;
        if bytes <= 4 << 20 {
            text.extend_from_slice(&data);
        }
    }
    let scope = format!("Credential={access_key}/");
    let authorization = header("authorization");
    if !authorization.contains(&scope) || !authorization.contains("/s3/aws4_request") {
        return Err(Error(403, "InvalidAccessKeyId"));
    }
    if header("x-amz-content-sha256") != hex(&sha256.finalize()) {
        return Err(Error(400, "XAmzContentSHA256Mismatch"));
    }
    if bytes > MAX_BODY {
        return Err(Error(400, "EntityTooLarge"));
    }
    let query: BTreeMap<String, String> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let is_new_upload = head
        .uri
        .query()
        .is_some_and(|query| query.contains("uploads"));
    let number = |name: &str| query.get(name).map_or(0, |value| value.parse().unwrap());
    let (operation, part) = match (head.method.as_str(), query.contains_key("uploadId")) {
        ("PUT", false) => ("put", 0),
        ("PUT", true) => ("part", number("partNumber")),
        ("POST", false) if is_new_upload => ("create", 0),
        ("POST", true) => ("complete", 0),
        ("GET", true) => ("list", 0),
        ("DELETE", true) => ("abort", 0),
        ("HEAD", false) => ("head", 0),
        _ => return Err(Error(405, "MethodNotAllowed")),
    };
    let md5: [u8; 16] = md5.finalize().into();
    if matches!(operation, "put" | "part") && header("content-md5") != answer::base64(&md5) {
        return Err(Error(400, "BadDigest"));
    }
    let path = head.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').ok_or(Error(400, "InvalidURI"))?;
    if bucket != BUCKET {
        return Err(Error(404, "NoSuchBucket"));
    }
    let metadata = head.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), value.to_str().unwrap().to_owned()))
    });
    Ok(Request {
        call: S3Call {
            operation,
            key: key.to_owned(),
            part,
            bytes,
        },
        upload: query.get("uploadId").cloned().unwrap_or_default(),
        marker: number("part-number-marker"),
        metadata: metadata.collect(),
        md5,
        text: String::from_utf8(text).unwrap_or_default(),
    })
}

impl State {
    fn perform(&mut self, request: Request) -> Result<Answer, Error> {
        let key = request.call.key.clone();
        match request.call.operation {
            "put" => {
                let object = S3Object {
                    bytes: request.call.bytes,
                    tag: hex(&request.md5),
                    metadata: request.metadata,
                };
                let answer = answer::tagged(&object.tag);
                self.objects.insert(key, object);
                Ok(answer)
            }
            "head" => {
                let object = self.objects.get(&key).ok_or(Error(404, ""))?;
                Ok(answer::tagged(&object.tag))
            }
            "create" => {
                self.uploads_so_far += 1;
                let id = format!("upload-{}", self.uploads_so_far);
                let upload = Upload {
                    key,
                    metadata: request.metadata,
                    ..Upload::default()
                };
                self.uploads.insert(id.clone(), upload);
                Ok(answer::created(&id))
            }
            operation => {
                let upload = self
                    .uploads
                    .get_mut(&request.upload)
                    .filter(|upload| upload.key == key)
                    .ok_or(Error(404, "NoSuchUpload"))?;
                match operation {
                    "part" => {
                        let part = (request.call.bytes, request.md5);
                        upload.parts.insert(request.call.part, part);
                        Ok(answer::tagged(&hex(&request.md5)))
                    }
                    "list" => Ok(upload.list(request.marker)),
                    "abort" => {
                        self.uploads.remove(&request.upload);
                        Ok(answer::no_content())
                    }
                    _ => {
                        let object = upload.complete(&request.text)?;
                        let answer = answer::completed(&object.tag);
                        self.uploads.remove(&request.upload);
                        self.objects.insert(key, object);
                        Ok(answer)
                    }
                }
            }
        }
    }
}

impl Upload {
    fn list(&self, marker: u32) -> Answer {
        let mut rest = self.parts.range(marker + 1..);
        let page: Vec<(u32, u64, String)> = rest
            .by_ref()
            .take(PAGE)
            .map(|(number, (bytes, md5))| (*number, *bytes, hex(md5)))
            .collect();
        answer::listed(&page, rest.next().is_some())
    }

    fn complete(&self, text: &str) -> Result<S3Object, Error> {
        let named = answer::named_parts(text);
        let there: Vec<(u32, String)> = self
            .parts
            .iter()
            .map(|(number, (_, md5))| (*number, hex(md5)))
            .collect();
        if named != there || named.is_empty() {
            return Err(Error(400, "InvalidPart"));
        }
        let sizes: Vec<u64> = self.parts.values().map(|(bytes, _)| *bytes).collect();
        if sizes
            .split_last()
            .unwrap()
            .1
            .iter()
            .any(|&size| size < LEAST_PART)
        {
            return Err(Error(400, "EntityTooSmall"));
        }
        let mut md5 = Md5::new();
        for (_, part) in self.parts.values() {
            md5.update(part);
        }
        Ok(S3Object {
            bytes: sizes.iter().sum(),
            tag: format!("{}-{}", hex(&md5.finalize()), sizes.len()),
            metadata: self.metadata.clone(),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
