//! Who may connect, and what they may do.

use std::path::Path;
use std::process::{Output, Stdio};

use bytes::{BufMut, BytesMut};
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, StatusConfig, StatusLevel, StrategyOnFull,
};
use millstream_protocol::response::Success;
use millstream_protocol::{Call, MessageStreamDefinition, Response, ResponseStatusCode};
use millstream_tests::{Host, RawClient, eventually, millstream, plugins, python, repository};
use tempfile::TempDir;

const TOKENS: &str = "server.authentication = \"tokens\"";

/// Runs a command in a folder, without the environment of whoever runs the tests.
fn run(folder: &Path, args: &[&str]) -> Output {
    millstream()
        .current_dir(folder)
        .args(args)
        .env_remove("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Adds a client and returns its token.
fn add(folder: &Path, name: &str, rights: &[&str]) -> String {
    let added = run(folder, &[&["client", "add", name], rights].concat());
    text(&added).trim().to_owned()
}

/// A host with a client that may do everything, and that client's token.
fn host() -> (Host, String) {
    let folder = TempDir::new().unwrap();
    let everything: Vec<_> = ["--create", "--append", "--read", "--administer"]
        .into_iter()
        .flat_map(|right| [right, "*"])
        .collect();
    let token = add(folder.path(), "root", &everything);
    let host = Host::start_in(folder, &plugins(), TOKENS, &[]);
    (host, token)
}

fn definition(name: &str) -> Box<MessageStreamDefinition> {
    let strategy = StrategyOnFull::OverwriteOldestData;
    Box::new(MessageStreamDefinition::new(
        name.parse().unwrap(),
        strategy,
    ))
}

fn append(name: &str) -> Call {
    Call::Append {
        name: name.parse().unwrap(),
        payload: "message".into(),
    }
}

fn read(name: &str) -> Call {
    Call::Read {
        name: name.parse().unwrap(),
        options: Default::default(),
    }
}

/// The sentence of a refusal.
fn forbidden(response: Response) -> String {
    let failure = response.outcome.unwrap_err();
    assert_eq!(
        failure.status,
        ResponseStatusCode::Unauthorized,
        "{failure}"
    );
    failure.message
}

#[test]
fn a_right_token_opens_the_connection_and_any_other_ends_it_with_unauthorized() {
    let (host, token) = host();
    let (_, response) = RawClient::greet(host.port(), Some(&token));
    let Ok(Success::Connected(connected)) = response.outcome else {
        panic!("{response:?}");
    };
    assert_eq!(connected.client_identifier.as_deref(), Some("root"));

    let wrong = token.replace("mlst_", "mlst-");
    for token in [None, Some(wrong.as_str()), Some("x")] {
        let (mut client, response) = RawClient::greet(host.port(), token);
        forbidden(response);
        assert!(client.is_closed());
    }
    // The Java SDK sends an empty token where there is none.
    let mut client = RawClient::open(host.port());
    client.send(&greeting_with_an_empty_token());
    client.expect_version();
    forbidden(client.response());
    assert!(client.is_closed());

    // Nothing of a token is in the log, right or wrong.
    host.wait_for_log("was refused");
    let secret = token.trim_start_matches("mlst_");
    assert!(!host.log().contains(secret), "{}", host.log());
    assert!(!host.log().contains("sha256:"), "{}", host.log());
}

fn greeting_with_an_empty_token() -> BytesMut {
    let mut payload = BytesMut::new();
    payload.put_u8(0xA3);
    for text in [
        "requestId",
        "id",
        "protocolVersion",
        "1.1.0",
        "authToken",
        "",
    ] {
        payload.put_u8(0x60 + u8::try_from(text.len()).unwrap());
        payload.put_slice(text.as_bytes());
    }
    let mut out = BytesMut::new();
    out.put_u8(1);
    out.put_u32(u32::try_from(payload.len() + 1).unwrap());
    out.put_u8(1);
    out.put_slice(&payload);
    out
}

#[test]
fn a_refusal_tells_first_what_is_wrong_before_the_token() {
    let (host, _) = host();
    let mut client = RawClient::open(host.port());
    client.send(&[1]);
    client.send(&RawClient::frame("early", Call::List));
    client.expect_version();
    let failure = client.response().outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::UnexpectedOperation);
}

#[test]
fn each_call_takes_its_right_whether_or_not_the_stream_is_there() {
    let (host, root) = host();
    let mut root = RawClient::connect_with(host.port(), Some(&root));
    for stream in ["mine", "theirs"] {
        let created = root.call("c", Call::Create(definition(stream)));
        assert_eq!(created.outcome, Ok(Success::Created));
    }
    let token = add(
        host.folder(),
        "writer",
        &["--append", "mine", "--create", "new-*"],
    );
    let mut client = eventually("the new client is known", || {
        let (client, response) = RawClient::greet(host.port(), Some(&token));
        response.outcome.is_ok().then_some(client)
    });

    let appended = client.call("a", append("mine"));
    assert_eq!(
        appended.outcome,
        Ok(Success::Appended { sequence_number: 0 })
    );
    assert!(
        client
            .call("d", Call::Describe("mine".parse().unwrap()))
            .outcome
            .is_ok()
    );
    for stream in ["theirs", "nowhere"] {
        let name = || stream.parse().unwrap();
        for call in [
            append(stream),
            read(stream),
            Call::Describe(name()),
            Call::Delete(name()),
            Call::Create(definition(stream)),
            Call::Update(definition(stream)),
        ] {
            let sentence = forbidden(client.call("f", call));
            assert!(sentence.contains("\"writer\""), "{sentence}");
            assert!(sentence.contains(&format!("\"{stream}\"")), "{sentence}");
        }
    }
    forbidden(client.call("r", read("mine")));

    // Refusals come in the order of the requests, among appends that are allowed.
    for (id, stream) in [("1", "mine"), ("2", "theirs"), ("3", "mine")] {
        client.send(&RawClient::frame(id, append(stream)));
    }
    for (id, allowed) in [("1", true), ("2", false), ("3", true)] {
        let response = client.response();
        assert_eq!(response.request_id.as_ref().unwrap().as_str(), id);
        assert_eq!(response.outcome.is_ok(), allowed, "{response:?}");
    }

    // A status stream takes the right to append to it.
    let status = StatusConfig {
        level: StatusLevel::Info,
        stream_name: Some("theirs".parse().unwrap()),
    };
    let destination = Destination::S3TaskExecutor {
        multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
        status: Some(status),
    };
    let mut with_status = definition("new-1");
    let export = Export::new("e".parse().unwrap(), destination);
    with_status.exports = ExportDefinition::new(vec![export]).unwrap();
    let sentence = forbidden(client.call("s", Call::Create(with_status)));
    assert!(sentence.contains("\"theirs\""), "{sentence}");
    let created = client.call("n", Call::Create(definition("new-1")));
    assert_eq!(created.outcome, Ok(Success::Created));

    // The list has what the client has any right on, and only that.
    let Ok(Success::Streams(names)) = client.call("l", Call::List).outcome else {
        panic!("names were expected");
    };
    assert_eq!(names, ["mine", "new-1"]);
    let Ok(Success::Streams(names)) = root.call("l", Call::List).outcome else {
        panic!("names were expected");
    };
    assert_eq!(names.len(), 3);
}

#[test]
fn connections_of_a_client_that_was_removed_or_rotated_end_and_the_others_go_on() {
    let (host, root) = host();
    let connect = |token: &str| {
        eventually("the client is known", || {
            let (client, response) = RawClient::greet(host.port(), Some(token));
            response.outcome.is_ok().then_some(client)
        })
    };
    let mut bystander = connect(&root);
    let goes = add(host.folder(), "goes", &["--append", "*"]);
    let turns = add(host.folder(), "turns", &["--append", "*"]);
    let (mut removed, mut rotated) = (connect(&goes), connect(&turns));

    text(&run(host.folder(), &["client", "remove", "goes"]));
    assert!(removed.is_closed());
    let again = text(&run(host.folder(), &["client", "rotate", "turns"]));
    assert!(rotated.is_closed());
    for token in [&goes, &turns] {
        forbidden(RawClient::greet(host.port(), Some(token)).1);
    }
    connect(again.trim());
    assert!(bystander.call("l", Call::List).outcome.is_ok());
}

#[test]
fn a_file_of_clients_that_becomes_wrong_is_reported_and_the_last_good_one_stays() {
    let (host, token) = host();
    let mut client = RawClient::connect_with(host.port(), Some(&token));
    let path = host.folder().join("clients.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("append", "apend")).unwrap();
    host.wait_for_log("did you mean \"append\"");
    assert!(client.call("l", Call::List).outcome.is_ok());
    RawClient::connect_with(host.port(), Some(&token));

    // Rights that are changed by hand count for connections that are open.
    let none = good.replace("create = [\"*\"]", "create = []");
    std::fs::write(&path, none).unwrap();
    host.wait_for_log("was taken up");
    forbidden(client.call("c", Call::Create(definition("s"))));
}

#[test]
fn a_host_without_a_right_file_of_clients_does_not_start() {
    let folder = TempDir::new().unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\nauthentication = \"tokens\"\n";
    std::fs::write(folder.path().join("millstream.toml"), config).unwrap();
    let refused = |expected: &str| {
        for command in ["run", "check"] {
            let output = run(folder.path(), &[command]);
            let code = if command == "run" { 3 } else { 1 };
            assert_eq!(output.status.code(), Some(code));
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains(expected), "{said}");
        }
    };
    refused("millstream client add");
    assert!(!folder.path().join("millstream-data/streams").exists());
    std::fs::write(folder.path().join("clients.toml"), "[[clients]]\n").unwrap();
    refused("did you mean \"client\"?");
}

#[test]
fn commands_show_the_token_of_the_environment_or_of_a_file_and_say_what_to_do_without() {
    let (host, token) = host();
    let port = format!("127.0.0.1:{}", host.port());
    let list = ["stream", "list", "--server", &port];
    let refused = run(host.folder(), &list);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN"), "{said}");
    assert!(said.contains("--token-file"), "{said}");

    std::fs::write(host.folder().join("token"), format!("{token}\n")).unwrap();
    text(&run(
        host.folder(),
        &[list.as_slice(), &["--token-file", "token"]].concat(),
    ));
    let listed = millstream()
        .args(list)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)
        .output();
    text(&listed.unwrap());

    std::fs::write(host.folder().join("token"), "mlst_wrong").unwrap();
    let refused = run(
        host.folder(),
        &[list.as_slice(), &["--token-file", "token"]].concat(),
    );
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("millstream client rotate"), "{said}");
}

#[test]
fn clients_are_added_once_listed_and_asked_for_by_name() {
    let folder = TempDir::new().unwrap();
    let added = run(
        folder.path(),
        &["client", "add", "a", "--append", "x*", "--json"],
    );
    let line: serde_json::Value = serde_json::from_str(&text(&added)).unwrap();
    assert!(line["token"].as_str().unwrap().starts_with("mlst_"));
    assert!(String::from_utf8_lossy(&added.stderr).contains("authentication"));
    let listed = text(&run(folder.path(), &["client", "list", "--json"]));
    let line: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(line["append"][0], "x*");
    assert_eq!(line["create"].as_array().unwrap().len(), 0);
    for (args, code, expected) in [
        (&["add", "a", "--read", "*"][..], 1, "already"),
        (&["add", "b"], 2, "--append"),
        (&["add", "b", "--read", "a/b"], 2, "no stream's name"),
        (&["rotate", "A"], 1, "there is no client"),
        (&["remove", "b"], 1, "there is no client"),
    ] {
        let output = run(folder.path(), &[&["client"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_official_python_sdk_takes_its_token_from_the_environment() {
    let (host, _) = host();
    let rights = ["--create", "line-4*", "--append", "line-4*"];
    let token = add(host.folder(), "line 4 program", &rights);
    eventually("the new client is known", || {
        let (_, response) = RawClient::greet(host.port(), Some(&token));
        response.outcome.is_ok().then_some(())
    });
    for (token, expected, said) in [
        (token.as_str(), "admitted", "the SDK did what it may"),
        ("mlst_wrong", "refused", "the SDK was refused"),
    ] {
        let output = python()
            .arg(repository().join("tests/python/sdk_token.py"))
            .args([&host.port().to_string(), expected])
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)
            .output();
        let printed = text(&output.unwrap());
        assert!(printed.contains(said), "{printed}");
    }
}
