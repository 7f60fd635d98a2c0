//! Who may connect, and do what (specification, 1.4).

use std::path::Path;
use std::process::Stdio;

use millstream_tests::{Host, millstream, plugins};
use serde_json::json;
use tempfile::TempDir;

use super::{Behaviour, Status, all, plain, raw};
use crate::behaviour::Section;
use crate::clients::{Checks, Connecting, Refusal, Session, refused};
use crate::stage::Stage;
use crate::wire::{Wire, map};

pub(super) const SECTION: Section = Section {
    id: "authentication",
    title: "Authentication",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "any_token_where_none_is_asked_for",
        "1.4",
        "A host that asks for no token takes a client with one.",
        any_token,
    ),
    all(
        "right_token",
        "1.4",
        "A client with a token that the host knows connects.",
        right_token,
    ),
    all(
        "wrong_token",
        "1.4",
        "A client with a wrong token, or with none, does not connect.",
        wrong_token,
    ),
    raw(
        "refusal_of_a_token",
        "1.4",
        "The refusal is status 2 with the id of the Connect, and the host closes; an empty token, as \
         the Java SDK sends it, is as good as none.",
        refusal_of_a_token,
    ),
    all(
        "rights",
        "2.1",
        "What a client may not do is Unauthorized (2), and the connection serves on.",
        rights,
    ),
    all(
        "unseen_streams",
        "6.5",
        "A list has only streams with which the client may do something.",
        unseen_streams,
    ),
];

/// Adds a client to the folder of a host, and returns its token.
fn add(folder: &Path, name: &str, rights: &[&str]) -> String {
    let output = millstream()
        .current_dir(folder)
        .args(["client", "add", name])
        .args(rights)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A host that asks for tokens.
struct Guarded {
    host: Host,
    /// The token of a client that may do everything.
    everything: String,
    /// The token of a client that may append to `mine`.
    little: String,
}

impl Guarded {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let everything = ["--create", "--append", "--read", "--administer"];
        let everything = everything.map(|right| [right, "*"]).concat();
        let everything = add(folder.path(), "everything", &everything);
        let little = add(folder.path(), "little", &["--append", "mine"]);
        let tokens = "server.authentication = \"tokens\"";
        Self {
            host: Host::start_in(folder, &plugins(), tokens, &[]),
            everything,
            little,
        }
    }

    fn connect(&self, stage: &Stage, token: Option<&str>) -> Result<Session, Refusal> {
        connect(stage, &self.host, token)
    }
}

fn connect(stage: &Stage, host: &Host, token: Option<&str>) -> Result<Session, Refusal> {
    stage.try_connect(&Connecting {
        port: host.port(),
        checks: Checks::On,
        token: token.map(str::to_owned),
    })
}

fn any_token(stage: &Stage) {
    let mut client = connect(stage, stage.host(), Some("a token")).unwrap();
    client.list();
}

fn right_token(stage: &Stage) {
    let guarded = Guarded::start();
    let mut client = guarded.connect(stage, Some(&guarded.everything)).unwrap();
    client.create_plain("s");
    assert_eq!(client.append("s", "x"), Ok(0));
    assert_eq!(client.read_plainly("s").unwrap()[0].payload, b"x");
    client.delete("s").unwrap();
}

fn wrong_token(stage: &Stage) {
    let guarded = Guarded::start();
    let wrong = format!("{}0", guarded.everything);
    for token in [None, Some(wrong.as_str()), Some("x")] {
        let refusal = guarded.connect(stage, token).err().expect("a refusal");
        // The SDKs have no more than one exception for all that can be wrong with a connection.
        match refusal {
            Refusal::Host { status, .. } => assert_eq!(status, Status::Unauthorized),
            Refusal::Client { class, .. } => assert_eq!(class, "ConnectFailedException"),
        }
    }
}

fn refusal_of_a_token(_: &Stage) {
    let guarded = Guarded::start();
    let connect = map([
        ("requestId", "hello".into()),
        ("protocolVersion", "1.1.0".into()),
    ]);
    for connect in [
        connect.clone(),
        connect.clone().with("authToken", ""),
        connect.with("authToken", "wrong"),
    ] {
        let mut wire = Wire::open(guarded.host.port());
        let answer = wire.greet(&connect).refused(Status::Unauthorized);
        assert_eq!(answer.request_id.as_deref(), Some("hello"));
        wire.assert_closed();
    }
}

fn rights(stage: &Stage) {
    let guarded = Guarded::start();
    let mut owner = guarded.connect(stage, Some(&guarded.everything)).unwrap();
    owner.create_plain("mine");
    owner.create_plain("yours");
    let mut client = guarded.connect(stage, Some(&guarded.little)).unwrap();
    assert_eq!(client.append("mine", "x"), Ok(0));
    let status = Status::Unauthorized;
    refused(client.read_plainly("mine"), status);
    refused(client.delete("mine"), status);
    refused(client.update(&plain("mine")), status);
    refused(client.append("yours", "x"), status);
    refused(client.describe("yours"), status);
    refused(client.create(&plain("another")), status);
    // Whether a stream exists is none of its business either.
    refused(client.append("nowhere", "x"), status);
    assert_eq!(client.append("mine", "x"), Ok(1));
    assert_eq!(
        owner.numbers("mine", json!({ "minMessageCount": 2 })),
        [0, 1]
    );
}

fn unseen_streams(stage: &Stage) {
    let guarded = Guarded::start();
    let mut owner = guarded.connect(stage, Some(&guarded.everything)).unwrap();
    owner.create_plain("mine");
    owner.create_plain("yours");
    assert_eq!(owner.list(), ["mine", "yours"]);
    let mut client = guarded.connect(stage, Some(&guarded.little)).unwrap();
    assert_eq!(client.list(), ["mine"]);
}
