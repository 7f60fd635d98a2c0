//! Plugins in each language: what `millstream new` writes, in the real host, with the official
//! SDK at one end and an HTTP server at the other.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_protocol::Call;
use millstream_tests::{
    Host, HttpAnswer, HttpRequest, HttpSink, RawClient, components, eventually, millstream,
    run_script, target,
};
use serde_json::Value;
use tempfile::TempDir;

macro_rules! language {
    ($language:ident) => {
        mod $language {
            const LANGUAGE: &str = stringify!($language);

            #[test]
            fn what_the_template_makes_keeps_the_contract() {
                super::keeps_the_contract(LANGUAGE);
            }

            #[test]
            fn an_exporter_delivers_each_message_of_the_sdk_once_and_in_order() {
                super::delivers_once_and_in_order(LANGUAGE);
            }

            #[test]
            fn an_exporter_lasts_through_many_batches_without_being_made_anew() {
                super::lasts(LANGUAGE);
            }

            #[test]
            fn an_exporter_tries_again_when_its_server_fails() {
                super::tries_again(LANGUAGE);
            }

            #[test]
            fn an_exporter_rejects_only_what_its_server_refuses_and_what_is_no_text() {
                super::rejects_only_what_cannot_be_delivered(LANGUAGE);
            }

            #[test]
            fn an_exporter_says_which_host_was_not_granted() {
                super::names_the_missing_grant(LANGUAGE);
            }

            #[test]
            fn an_exporter_refuses_a_wrong_configuration_with_the_name_of_the_field() {
                super::names_the_wrong_field(LANGUAGE);
            }

            #[test]
            fn a_producer_appends_and_ends_with_the_host() {
                super::produces(LANGUAGE);
            }

            #[test]
            fn a_producer_that_may_not_append_fails() {
                super::fails_without_a_grant(LANGUAGE);
            }
        }
    };
}

language!(c);
language!(go);
language!(javascript);
language!(python);
language!(rust);

#[test]
fn a_transform_in_python_aggregates_what_an_exporter_delivers() {
    aggregates("python");
}

#[test]
fn a_transform_in_rust_aggregates_what_an_exporter_delivers() {
    aggregates("rust");
}

#[test]
fn a_transform_in_python_keeps_the_contract() {
    transform_keeps_the_contract("python");
}

#[test]
fn a_transform_in_rust_keeps_the_contract() {
    transform_keeps_the_contract("rust");
}

/// The conformance kit finds nothing against the transform of a language.
fn transform_keeps_the_contract(language: &str) {
    let reading = r#"{"sensor":"a","value":{{number}}}"#;
    finds_nothing(language, "transform", &["--payload", reading]);
}

fn aggregates(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let (exporter, transform) = (
        compiled(language, "exporter"),
        compiled(language, "transform"),
    );
    let endpoint = sink.endpoint();
    let config = format!(
        "[exports]\nlinger = \"30s\"\n\n[plugin.{exporter}.grants]\nhosts = [{endpoint:?}]\n\n\
         [[stream]]\nname = \"dead\"\n[[stream]]\nname = \"s\"\n[[stream.export]]\nidentifier = \"e\"\n\
         plugin = \"{exporter}\"\nbatch-size = 4\ndead-letters = \"dead\"\n\
         transforms = [{{ plugin = \"{transform}\" }}]\nconfig = {{ url = \"{endpoint}/in\" }}\n"
    );
    let host = Host::start_in(TempDir::new().unwrap(), &components(), &config, &[]);
    let mut client = RawClient::connect(host.port());
    for payload in [
        r#"{"sensor":"a","value":1}"#,
        r#"{"sensor":"b","value":5}"#,
        "no reading",
        r#"{"sensor":"a","value":2}"#,
    ] {
        let (name, payload) = ("s".parse().unwrap(), payload.to_owned().into());
        let answer = client.call("a", Call::Append { name, payload });
        assert!(answer.outcome.is_ok(), "{answer:?}");
    }
    host.wait_for_export("s", "has settled everything", |export| {
        export["lastExportedSequenceNumber"] == 3
    });
    let requests = sink.requests();
    let lines: Vec<Value> = requests
        .iter()
        .flat_map(|request| std::str::from_utf8(&request.body).unwrap().lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let made = |line: &Value| -> Value {
        serde_json::from_str(line["payload"].as_str().unwrap()).unwrap()
    };
    let a = lines
        .iter()
        .find(|line| made(line)["sensor"] == "a")
        .unwrap();
    assert_eq!(a["sequenceNumber"], 3);
    assert_eq!(made(a)["value"], 1.5);
    assert!(lines.iter().any(|line| made(line)["sensor"] == "b"));
    assert_eq!(lines.len(), 2);
    // What it cannot read is no loss.
    let letters = host.command(&["stream", "read", "dead", "--json"]);
    let letters = String::from_utf8(letters.stdout).unwrap();
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let letter: Value = serde_json::from_str(&letters).unwrap();
    let letter: Value = serde_json::from_str(letter["payload"].as_str().unwrap()).unwrap();
    assert_eq!(letter["sequenceNumber"], 2);
}

/// The name of a component, once its native code is there. Compiling a large one takes long, and all tests
/// of it would begin to at once.
fn compiled(language: &str, kind: &str) -> String {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Mutex<bool>>>>> =
        LazyLock::new(Mutex::default);
    let name = format!("{language}-{kind}");
    let mine = {
        let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(name.clone()).or_default())
    };
    let mut is_compiled = mine.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_compiled {
        let folder = TempDir::new().unwrap();
        let config = format!(
            "plugins.folder = {:?}\nplugins.cache = {:?}\n",
            components(),
            target().join("native-code")
        );
        std::fs::write(folder.path().join("millstream.toml"), config).unwrap();
        let inspected = millstream()
            .current_dir(folder.path())
            .args(["plugin", "inspect", &name])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&inspected.stderr);
        assert!(inspected.status.success(), "{name}: {complaint}");
        *is_compiled = true;
    }
    name
}

/// The conformance kit finds nothing against the exporter and the producer of a language.
fn keeps_the_contract(language: &str) {
    finds_nothing(language, "exporter", &[]);
    let producing = ["--", "--stream", "readings", "--interval-ms", "100"];
    finds_nothing(language, "producer", &producing);
}

fn finds_nothing(language: &str, kind: &str, more: &[&str]) {
    let folder = TempDir::new().unwrap();
    let config = format!("plugins.cache = {:?}\n", target().join("native-code"));
    std::fs::write(folder.path().join("millstream.toml"), config).unwrap();
    let component = components().join(format!("{}.wasm", compiled(language, kind)));
    let tested = millstream()
        .current_dir(folder.path())
        .args(["plugin", "test"])
        .arg(component)
        .args(["--batches", "200", "--run-for", "10s"])
        .args(more)
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{language}-{kind}:\n{found}");
}

/// A host whose stream `s` is exported.
fn exporting(language: &str, granted: &str, config: &str) -> Host {
    exporting_at("info", language, granted, config)
}

/// The same with a level of the log.
fn exporting_at(level: &str, language: &str, granted: &str, config: &str) -> Host {
    let plugin = compiled(language, "exporter");
    let config = format!(
        "log.level = {level:?}\n[exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"2s\"\n\n\
         [plugin.{plugin}.grants]\nhosts = [{granted:?}]\n\n[[stream]]\nname = \"s\"\n\
         [[stream.export]]\nidentifier = \"e\"\nplugin = \"{plugin}\"\nconfig = {config}\n"
    );
    Host::start_in(TempDir::new().unwrap(), &components(), &config, &[])
}

fn exporting_to(language: &str, sink: &HttpSink) -> Host {
    let endpoint = sink.endpoint();
    exporting(
        language,
        &endpoint,
        &format!("{{ url = \"{endpoint}/in?key=a\" }}"),
    )
}

/// The messages in a request: their numbers and payloads.
fn lines(request: &HttpRequest) -> Vec<(u64, String)> {
    let text = std::str::from_utf8(&request.body).unwrap();
    assert!(text.ends_with('\n'), "the last line ends: {text:?}");
    let message = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["ingestTime"].as_u64().unwrap() > 1_700_000_000_000);
        let number = line["sequenceNumber"].as_u64().unwrap();
        (number, line["payload"].as_str().unwrap().to_owned())
    };
    text.lines().map(message).collect()
}

/// What the sink was sent in requests that it took.
fn taken(sink: &HttpSink, is_taken: impl Fn(usize, &HttpRequest) -> bool) -> Vec<(u64, String)> {
    let requests = sink.requests();
    let requests = requests.iter().enumerate();
    let requests = requests.filter(|(number, request)| is_taken(*number, request));
    requests.flat_map(|(_, request)| lines(request)).collect()
}

fn expected(count: u64) -> Vec<(u64, String)> {
    (0..count)
        .map(|number| (number, format!("message {number}")))
        .collect()
}

fn append(host: &Host, messages: &[&str]) {
    let output = host.command(&[&["stream", "append", "s"], messages].concat());
    assert!(output.status.success(), "{output:?}");
}

fn wait_for_delivery(host: &Host, count: u64) {
    host.wait_for_export("s", &format!("has delivered {count}"), |export| {
        export["exportedMessagesCount"] == count
    });
}

fn wait_for_error(host: &Host, text: &str) -> String {
    let export = host.wait_for_export("s", &format!("shows \"{text}\""), |export| {
        export["errorMessage"]
            .as_str()
            .is_some_and(|error| error.contains(text))
    });
    export["errorMessage"].as_str().unwrap().to_owned()
}

fn delivers_once_and_in_order(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let host = exporting_to(language, &sink);
    run_script(
        "append_numbered.py",
        &[&host.port().to_string(), "s", "300"],
    );
    wait_for_delivery(&host, 300);
    assert_eq!(taken(&sink, |_, _| true), expected(300));
    let first = &sink.requests()[0];
    assert_eq!(
        (first.method.as_str(), first.path.as_str()),
        ("POST", "/in?key=a")
    );
    assert_eq!(first.header("content-type"), "application/x-ndjson");
}

/// Long enough for a language's collector of garbage to have run often.
fn lasts(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let endpoint = sink.endpoint();
    let config = format!("{{ url = \"{endpoint}/in\" }}");
    let host = exporting_at("debug", language, &endpoint, &config);
    let file = host.folder().join("lines");
    let line = "x".repeat(1000) + "\n";
    std::fs::write(&file, line.repeat(20_000)).unwrap();
    append_file(&host, &file, &[]);
    wait_for_delivery(&host, 20_000);
    let log = host.log();
    assert!(!log.contains("export failed"), "{log}");
    // Under JavaScript a request leaves a resource of the host behind (`docs/languages.md`).
    if language != "javascript" {
        assert!(!log.contains("is made anew"), "{log}");
    }
}

fn tries_again(language: &str) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let sink = HttpSink::scripted(move |number, _| {
        seen.lock().unwrap().push(Instant::now());
        match number {
            0 => HttpAnswer::status(500),
            1 => HttpAnswer::Bytes("this is no HTTP\r\n\r\n"),
            2 => HttpAnswer::Status(
                429,
                vec![("retry-after", "1".to_owned())],
                "slowly".to_owned(),
            ),
            _ => HttpAnswer::status(204),
        }
    });
    let host = exporting_to(language, &sink);
    append(&host, &["message 0", "message 1", "message 2"]);
    wait_for_delivery(&host, 3);
    assert_eq!(taken(&sink, |number, _| number > 2), expected(3));
    let log = host.log();
    assert!(
        log.contains("answers 500") && log.contains("answers 429"),
        "{log}"
    );
    // What the server asks for reaches the host, which then waits longer than its own first pauses.
    let times = times.lock().unwrap();
    assert!(times[3] - times[2] >= Duration::from_secs(1));
}

fn rejects_only_what_cannot_be_delivered(language: &str) {
    let has_bad =
        |request: &HttpRequest| lines(request).iter().any(|(_, payload)| payload == "bad");
    let sink = HttpSink::scripted(move |_, request| {
        HttpAnswer::status(if has_bad(request) { 422 } else { 200 })
    });
    let host = exporting_to(language, &sink);
    let raw = host.folder().join("raw");
    std::fs::write(&raw, b"\xff\xfe").unwrap();
    append(&host, &["first", "bad", "\"quoted\" \\ \u{1} ü 😀"]);
    append_file(&host, &raw, &["--whole"]);
    append(&host, &["last"]);
    wait_for_delivery(&host, 3);
    eventually("two messages were rejected", || {
        let status = host.command(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        (status["streams"][0]["exports"][0]["rejectedMessages"] == 2).then_some(())
    });
    let taken = taken(&sink, |_, request| !has_bad(request));
    let wanted = [(0, "first"), (2, "\"quoted\" \\ \u{1} ü 😀"), (4, "last")];
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(number, text)| (*number, (*text).to_owned()))
        .collect();
    assert_eq!(taken, wanted);
}

/// Appends each line of a file, or what the options say.
fn append_file(host: &Host, file: &Path, options: &[&str]) {
    let server = format!("127.0.0.1:{}", host.port());
    let output = millstream()
        .current_dir(host.folder())
        .args(["stream", "append", "s", "--server", &server])
        .args(options)
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn names_the_missing_grant(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let endpoint = sink.endpoint();
    let host = exporting(
        language,
        "https://elsewhere.example.com",
        &format!("{{ url = \"{endpoint}/in\" }}"),
    );
    append(&host, &["secret"]);
    let error = wait_for_error(&host, "`hosts` of the grants");
    assert!(error.contains(&endpoint), "{error}");
    assert!(sink.requests().is_empty());
}

fn names_the_wrong_field(language: &str) {
    for (config, field) in [
        ("{}", "url"),
        ("{ url = \"ftp://example.com\" }", "url"),
        ("{ url = \"http://127.0.0.1:9\", uri = \"\" }", "uri"),
    ] {
        let host = exporting(language, "http://127.0.0.1:9", config);
        host.wait_for_log(&format!("refuses its configuration at `{field}`"));
    }
}

/// A host with a producer that may append to a stream, which an exporter carries to a server.
fn producing(language: &str, granted: &str, sink: &HttpSink) -> Host {
    let component = compiled(language, "producer");
    let exporter = compiled("rust", "exporter");
    let endpoint = sink.endpoint();
    let config = format!(
        "[exports]\nlinger = \"50ms\"\n[plugin.{exporter}.grants]\nhosts = [{endpoint:?}]\n\
         [[stream]]\nname = \"readings\"\n[[stream.export]]\nidentifier = \"e\"\nplugin = \"{exporter}\"\n\
         config = {{ url = \"{endpoint}/in\" }}\n\n[[producer]]\nname = \"meter\"\ncomponent = \"{component}\"\n\
         args = [\"--stream\", \"readings\", \"--interval-ms\", \"10\"]\n\
         [producer.grants]\nappend = [{granted:?}]\n"
    );
    Host::start_in(TempDir::new().unwrap(), &components(), &config, &[])
}

fn produces(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let mut host = producing(language, "readings", &sink);
    let read = eventually("there are twenty readings", || {
        let read = host.command(&["stream", "read", "readings", "--max", "20", "--json"]);
        let text = String::from_utf8(read.stdout).unwrap();
        (text.lines().count() == 20).then_some(text)
    });
    for (number, line) in read.lines().enumerate() {
        assert!(
            line.contains(&format!("number\\\":{number},"))
                || line.contains(&format!("number\\\": {number},")),
            "{line}"
        );
    }
    eventually("twenty of them have arrived at the server", || {
        let requests = sink.requests();
        let bodies = requests.iter().map(|request| request.body.as_ref());
        let lines = bodies.flat_map(|body| std::str::from_utf8(body).unwrap().lines());
        let numbers: Vec<u64> = lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| line["sequenceNumber"].as_u64().unwrap())
            .collect();
        (numbers.len() >= 20).then(|| assert!(numbers.is_sorted() && numbers[19] == 19))
    });
    host.stop();
    let log = host.log();
    assert!(log.contains("producer stopped"), "{log}");
}

fn fails_without_a_grant(language: &str) {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let host = producing(language, "other", &sink);
    host.wait_for_log("producer failed");
    assert_eq!(
        host.describe("readings").unwrap()["newestSequenceNumber"],
        Value::Null
    );
}
