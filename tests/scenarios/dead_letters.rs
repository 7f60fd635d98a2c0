//! Messages that a server refuses: kept with the reason, and sent again when the server is mended.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_protocol::Call;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, MessageStreamDefinition, StrategyOnFull,
};
use millstream_protocol::response::Success;
use millstream_tests::{
    Host, HttpAnswer, HttpRequest, HttpSink, RawClient, eventually, millstream,
};
use serde_json::Value;

/// A server that refuses some messages at `/in` until it is mended, and takes everything elsewhere.
struct Server {
    sink: HttpSink,
    is_mended: Arc<AtomicBool>,
}

impl Server {
    fn refusing(is_refused: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&is_mended);
        let sink = HttpSink::scripted(move |_, request| {
            let refuses = request.path == "/in" && is_refused(number(request));
            if refuses && !mended.load(Ordering::SeqCst) {
                HttpAnswer::Status(422, Vec::new(), "no such sensor".into())
            } else {
                HttpAnswer::status(200)
            }
        });
        Self { sink, is_mended }
    }

    fn mend(&self) {
        self.is_mended.store(true, Ordering::SeqCst);
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
    format!(
        r#"[exports]
linger = "10ms"
retry-first = "20ms"
retry-longest = "200ms"

[http]
listen = "127.0.0.1:0"

[plugin.http.grants]
hosts = ["{endpoint}"]

[[stream]]
name = "dead"

[[stream]]
name = "s"
[[stream.export]]
identifier = "to-server"
plugin = "http"
dead-letters = "dead"
config = {{ uri = "{endpoint}/in" }}
[[stream.export]]
identifier = "other"
plugin = "http"
config = {{ uri = "{endpoint}/other" }}
"#
    )
}

fn append(host: &Host, stream: &str, numbers: std::ops::Range<u64>) {
    let mut client = RawClient::connect(host.port());
    for number in numbers {
        let name = stream.parse().unwrap();
        let payload = payload(number).into();
        let response = client.call("a", Call::Append { name, payload });
        assert!(response.outcome.is_ok(), "{response:?}");
    }
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

#[test]
fn refused_messages_are_kept_with_the_reason_and_chosen_ones_reach_the_mended_server() {
    let server = Server::refusing(|number| [3, 7, 8].contains(&number));
    let host = Host::start(&config(&server));
    append(&host, "s", 0..10);
    wait_for(&host, 9);

    let found = letters(&host, "s", "to-server");
    assert_eq!(numbers(&found), [3, 7, 8]);
    let first = &found[0];
    assert_eq!(first["payload"], "reading 3");
    assert_eq!(first["plugin"], "http");
    assert_eq!(first["deadLetter"], 0);
    assert!(first["rejectedAt"].as_u64() >= first["ingestTime"].as_u64());
    let reason = first["reason"].as_str().unwrap();
    assert!(
        reason.contains("422") && reason.contains("no such sensor"),
        "{reason}"
    );
    // Whoever reads the stream finds the same.
    let read = host.command(&["stream", "read", "dead", "--max", "1"]);
    let read = printed(&read);
    let (_, envelope) = read.split_once('\t').unwrap();
    let mut envelope: Value = serde_json::from_str(envelope).unwrap();
    envelope["deadLetter"] = 0.into();
    assert_eq!(envelope, *first);
    let shown = host.command(&[
        "export",
        "dead-letters",
        "s",
        "to-server",
        "--from",
        "7",
        "--max",
        "1",
    ]);
    let shown = printed(&shown);
    for text in ["message 7, rejected 20", "no such sensor", "9 B: reading 7"] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    assert!(
        !shown.contains("reading 3") && !shown.contains("reading 8"),
        "{shown}"
    );

    // Not mended yet: it is refused again, and leaves no second letter.
    let (code, said) = requeue(&host, &["--number", "3"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("3  rejected again: ") && said.contains("422"),
        "{said}"
    );
    assert_eq!(numbers(&letters(&host, "s", "to-server")), [3, 7, 8]);

    server.mend();
    let (code, said) = requeue(&host, &["--all", "--dry-run"]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            "3  would be sent\n7  would be sent\n8  would be sent\n3 would be sent\n"
        )
    );
    let before = server.numbers("/in").len();
    let (code, said) = requeue(&host, &["--number", "7", "--number", "3"]);
    let expected = "3  delivered\n7  delivered\n2 delivered, 0 rejected again, 0 not delivered\nfor \
                    later ones only, say --from 8 the next time\n";
    assert_eq!((code, said.as_str()), (Some(0), expected));
    assert_eq!(server.numbers("/in").get(before..), Some(&[3, 7][..]));
    let (code, said) = requeue(&host, &["--from", "8", "--to", "100", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&report["event"], &report["sequenceNumber"]),
        (&"delivered".into(), &8.into())
    );
    assert_eq!(server.numbers("/in").get(before..), Some(&[3, 7, 8][..]));
    // The other export got every message once, and the first one goes on where it was.
    assert_eq!(server.numbers("/other"), (0..10).collect::<Vec<_>>());
    append(&host, "s", 10..11);
    wait_for(&host, 10);
    assert_eq!(server.numbers("/in").last(), Some(&10));

    let (code, said) = requeue(&host, &["--number", "99"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("99  has no dead letter"), "{said}");
    let listed = printed(&host.command(&["export", "list", "--json"]));
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(listed.len(), 2);
    let export = &listed[0];
    assert_eq!(
        (
            &export["stream"],
            &export["identifier"],
            &export["deadLetterStream"]
        ),
        (&"s".into(), &"to-server".into(), &"dead".into())
    );
    assert_eq!(
        (&export["deadLetters"], &export["requeuedMessages"]),
        (&3.into(), &3.into())
    );
    assert_eq!(export["rejectedMessages"], 3);
    assert_eq!(export["deliveredMessages"], 8);
    assert_eq!(listed[1]["deadLetterStream"], Value::Null);
    let shown = printed(&host.command(&["export", "list"]));
    assert!(shown.contains("s to-server (http)  running"), "{shown}");
    assert!(
        shown.contains("dead letters go to dead: 3 since"),
        "{shown}"
    );
}

#[test]
fn exports_that_clients_declare_use_the_stream_of_their_plugin() {
    let server = Server::refusing(|number| number == 1);
    let endpoint = server.sink.endpoint();
    let host = Host::start(&format!(
        "exports.linger = \"10ms\"\n[plugin.http]\ndead-letters = \"dead\"\n[plugin.http.grants]\n\
         hosts = [\"{endpoint}\"]\n"
    ));
    let destination = Destination::Http {
        uri: format!("{endpoint}/in"),
        format: ExportFormat::RawNotBatched,
    };
    let export = Export::new("e".parse().unwrap(), destination);
    let name = "s".parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let mut client = RawClient::connect(host.port());
    let mut create = |definition| {
        let response = client.call("c", Call::Create(Box::new(definition)));
        assert_eq!(response.outcome, Ok(Success::Created));
    };
    create(definition);
    host.wait_for_log("the dead-letter stream does not exist");
    append(&host, "s", 0..3);
    // It holds the message until there is a stream for it, and says so.
    host.wait_for_export("s", "waits for its dead-letter stream", |export| {
        let error = export["errorMessage"].as_str().unwrap_or_default();
        error.contains("dead-letter stream dead") && error.contains("does not exist")
    });
    let name = "dead".parse().unwrap();
    create(MessageStreamDefinition::new(
        name,
        StrategyOnFull::RejectNewData,
    ));
    host.wait_for_export("s", "goes on", |export| {
        export["lastExportedSequenceNumber"] == 2
    });
    assert_eq!(numbers(&letters(&host, "s", "e")), [1]);
}

#[test]
fn nothing_is_lost_when_the_host_is_killed_among_rejections_and_while_letters_are_sent_again() {
    const MESSAGES: u64 = 600;
    let is_refused = |number: u64| number % 3 == 1;
    let server = Server::refusing(is_refused);
    let mut host = Host::start(&config(&server));
    append(&host, "s", 0..MESSAGES);
    for kill in 1..=3 {
        let goal = kill * 130;
        eventually("the export is at work", || {
            let distinct: BTreeSet<_> = server.numbers("/in").into_iter().collect();
            (distinct.len() >= goal).then_some(())
        });
        host.kill();
        host.start_again();
    }
    wait_for(&host, MESSAGES - 1);
    let refused: BTreeSet<_> = (0..MESSAGES).filter(|number| is_refused(*number)).collect();
    let kept: BTreeSet<_> = numbers(&letters(&host, "s", "to-server"))
        .into_iter()
        .collect();
    assert_eq!(kept, refused);

    server.mend();
    let before = server.numbers("/in").len();
    let requeue = millstream()
        .current_dir(host.folder())
        .args(["export", "requeue", "s", "to-server", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("letters are sent again", || {
        (server.numbers("/in").len() >= before + 20).then_some(())
    });
    host.kill();
    let output = requeue.wait_with_output().unwrap();
    // It may have been faster than the end.
    let said = printed(&output);
    if !said.contains("200 delivered") {
        assert_eq!(output.status.code(), Some(4), "{output:?}");
    }
    host.start_again();
    let again = host.command(&["export", "requeue", "s", "to-server", "--all"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let arrived = server.numbers("/in");
    let again: BTreeSet<_> = arrived.get(before..).unwrap().iter().copied().collect();
    assert_eq!(again, refused);
    assert_eq!(kept.len(), 200);
}

#[test]
fn check_says_which_dead_letter_streams_are_missing_and_a_circle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let text = format!(
            "server.listen = \"127.0.0.1:0\"\nplugins.folder = {:?}\nplugins.cache = {:?}\n{text}",
            millstream_tests::plugins(),
            millstream_tests::target().join("native-code"),
        );
        std::fs::write(folder.path().join("millstream.toml"), text).unwrap();
        let mut check = millstream();
        check.current_dir(folder.path()).arg("check");
        check.output().unwrap()
    };
    let export = "[[stream]]\nname = \"s\"\n[[stream.export]]\nidentifier = \"e\"\nplugin = \"http\"\n\
                  config = { uri = \"http://127.0.0.1:1/\" }\n";
    let missing = check(&format!("{export}dead-letters = \"dead\"\n"));
    let said = printed(&missing);
    assert!(
        said.contains(
            "WRONG  [[stream]] \"s\": export \"e\": the dead-letter stream dead does not exist"
        ),
        "{said}"
    );
    let declared = check(&format!(
        "{export}dead-letters = \"dead\"\n[[stream]]\nname = \"dead\"\n"
    ));
    let said = printed(&declared);
    assert!(
        said.contains("ok     [[stream]] \"s\": export \"e\": dead letters go to dead"),
        "{said}"
    );
    let circle = check(&format!("{export}dead-letters = \"s\"\n"));
    assert_eq!(circle.status.code(), Some(3));
    let complaint = String::from_utf8_lossy(&circle.stderr).into_owned();
    assert!(
        complaint.contains("its dead letters would come back to it"),
        "{complaint}"
    );
}

#[test]
fn only_the_socket_of_the_host_takes_requests_and_mistakes_are_named() {
    let server = Server::refusing(|_| false);
    let host = Host::start(&config(&server));
    let status = printed(&host.command(&["status", "--json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    let address = status["http"].as_str().unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = "POST /exports/requeue HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut head = [0; 12];
    std::io::Read::read_exact(&mut socket, &mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 405");

    for (args, expected) in [
        (["no-stream", "to-server"], "no-stream does not exist"),
        (
            ["s", "no-export"],
            "has no export no-export; it has to-server, other",
        ),
        (
            ["s", "other"],
            "has no dead-letter stream: set dead-letters",
        ),
    ] {
        let output = host.command(&["export", "requeue", args[0], args[1], "--all"]);
        assert_eq!(output.status.code(), Some(1));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains(expected), "{complaint}");
    }
    let unchosen = host.command(&["export", "requeue", "s", "to-server"]);
    assert_eq!(unchosen.status.code(), Some(2));
    let help = printed(&host.command(&["export", "requeue", "--help"]));
    for text in ["--dry-run", "--from 1200 --to 1299", "nothing notes"] {
        assert!(help.contains(text), "{text} is not in\n{help}");
    }
}
