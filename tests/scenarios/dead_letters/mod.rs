//! Messages that a server refuses: kept with the reason, and sent again when the server is mended.

mod keeping;
mod sending_again;

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_tests::{Host, HttpAnswer, HttpRequest, HttpSink, eventually};
use serde_json::Value;

use crate::exporting;

/// A server that refuses some messages at `/in` until it is mended, and takes everything elsewhere.
struct Server {
    sink: HttpSink,
    is_mended: Arc<AtomicBool>,
    /// Mended, it does not answer from message 300 on.
    is_stuck: Arc<AtomicBool>,
}

impl Server {
    fn refusing(is_refused: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        let is_mended = Arc::new(AtomicBool::new(false));
        let is_stuck = Arc::new(AtomicBool::new(false));
        let (mended, stuck) = (Arc::clone(&is_mended), Arc::clone(&is_stuck));
        let sink = HttpSink::scripted(move |_, request| {
            let refuses = request.path == "/in" && is_refused(number(request));
            let is_mended = mended.load(Ordering::SeqCst);
            if is_mended && stuck.load(Ordering::SeqCst) && number(request) >= 300 {
                HttpAnswer::Hang
            } else if refuses && !is_mended {
                HttpAnswer::Status(422, Vec::new(), "no such sensor".into())
            } else {
                HttpAnswer::status(200)
            }
        });
        Self {
            sink,
            is_mended,
            is_stuck,
        }
    }

    fn mend(&self) {
        self.is_mended.store(true, Ordering::SeqCst);
    }

    fn stick(&self, is_stuck: bool) {
        self.is_stuck.store(is_stuck, Ordering::SeqCst);
    }

    /// The numbers that came to a path, in the order in which they came.
    fn numbers(&self, path: &str) -> Vec<u64> {
        let requests = self.sink.requests();
        let here = requests.iter().filter(|request| request.path == path);
        here.map(number).collect()
    }
}

/// The number of a message, which is also its payload.
fn number(request: &HttpRequest) -> u64 {
    let number = request.header("x-millstream-sequence-number");
    let number = number.parse().unwrap();
    assert_eq!(request.body, payload(number).as_bytes());
    number
}

fn payload(number: u64) -> String {
    format!("reading {number}")
}

/// Two exports of a stream, of which the first keeps what it rejects.
fn config(server: &Server) -> String {
    let endpoint = server.sink.endpoint();
    let exports = format!(
        r#"[[stream.export]]
identifier = "to-server"
plugin = "http"
dead-letters = "dead"
config = {{ uri = "{endpoint}/in" }}
[[stream.export]]
identifier = "other"
plugin = "http"
config = {{ uri = "{endpoint}/other" }}
"#
    );
    exporting::config(&endpoint, &exports)
}

fn append(host: &Host, stream: &str, numbers: std::ops::Range<u64>) {
    exporting::append(host, stream, numbers.map(payload));
}

/// Waits until both exports of `s` have passed a message.
fn wait_for(host: &Host, last: u64) {
    eventually("both exports are at the end", || {
        let described = host.describe("s")?;
        let exports = described["exports"].as_array()?.clone();
        let is_done = |export: &Value| export["lastExportedSequenceNumber"] == last;
        exports.iter().all(is_done).then_some(())
    });
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn requeue(host: &Host, which: &[&str]) -> (Option<i32>, String) {
    let output = host.command(&[&["export", "requeue", "s", "to-server"][..], which].concat());
    (output.status.code(), printed(&output))
}

/// The letters of an export, as JSON.
fn letters(host: &Host, stream: &str, export: &str) -> Vec<Value> {
    let args = ["export", "dead-letters", stream, export];
    let output = host.command(&[&args[..], &["--json", "--max", "100000"]].concat());
    assert!(output.status.success(), "{output:?}");
    printed(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(letters: &[Value]) -> Vec<u64> {
    let number = |letter: &Value| letter["sequenceNumber"].as_u64().unwrap();
    letters.iter().map(number).collect()
}
