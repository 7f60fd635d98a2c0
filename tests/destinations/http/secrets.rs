//! Tokens, signatures and compressed bodies; and which statuses are final.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use millstream_protocol::definition::ExportFormat::RawNotBatched;
use millstream_tests::{Host, HttpAnswer, HttpRequest, HttpSink, millstream, run_script};
use serde_json::json;

use super::{
    accept, append, append_to, config, create, payload, wait_for_delivery, wait_for_error,
};

/// A host that may send the secret `token`, a file, and `hook`, a variable, to one server.
fn host_with_secrets(granted: &str, home: &str) -> Host {
    let secrets = format!(
        "secrets = [\"token\", \"hook\"]\n\n[secrets.token]\nfile = \"token\"\nhosts = [\"{home}\"]\n\
         [secrets.hook]\nenv = \"TEST_HOOK_KEY\"\nhosts = [\"{home}\"]\n"
    );
    let config = format!("{}{secrets}", config(granted));
    Host::start_with(&config, &[("TEST_HOOK_KEY", HOOK)])
}

/// 24 bytes in base64, as Standard Webhooks wants a key.
const HOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn write_token(host: &Host, token: &str) {
    std::fs::write(host.folder().join("token"), format!("{token}\n")).unwrap();
}

#[test]
fn a_token_is_set_by_the_host_and_a_new_one_counts_at_once() {
    let sink = HttpSink::scripted(|_, request| match request.header("authorization") {
        "Bearer right-token" => accept(),
        _ => HttpAnswer::status(401),
    });
    let endpoint = sink.endpoint();
    let host = host_with_secrets(&endpoint, &endpoint);
    create(
        &host,
        "s",
        &format!("plugin:http?uri={endpoint}/in&bearer=token&secretHeaders.x-key=k%3D{{hook}}"),
        RawNotBatched,
    );
    append(&host, 0..3);
    host.wait_for_log("the secret token: the file token cannot be read");
    let error = wait_for_error(&host, "s");
    assert!(
        error.contains("did not send the request")
            && error.contains("the file token cannot be read"),
        "{error}"
    );
    assert!(sink.requests().is_empty());

    write_token(&host, "wrong-token");
    host.wait_for_export("s", "is refused", |export| {
        let error = export["errorMessage"].as_str().unwrap();
        error.contains("401 Unauthorized") && error.contains("`bearer`")
    });
    write_token(&host, "right-token");
    wait_for_delivery(&host, 3);
    for request in sink.requests() {
        assert_eq!(request.header("x-key"), format!("k={HOOK}"));
        assert!(!request.headers.contains_key("x-millstream-secret"));
    }
    let log = host.log();
    assert!(!log.contains("message rejected"), "{log}");
    for secret in ["wrong-token", "right-token", HOOK] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}

#[test]
fn a_secret_goes_nowhere_but_to_its_own_hosts() {
    let (home, elsewhere) = (
        HttpSink::scripted(|_, _| accept()),
        HttpSink::scripted(|_, _| accept()),
    );
    let host = host_with_secrets(&elsewhere.endpoint(), &home.endpoint());
    write_token(&host, "right-token");
    // Where 403 is final, a refusal of the host is still none of the server.
    let uri = format!(
        "plugin:http?uri={}/in&bearer=token&finalStatuses=[403]",
        elsewhere.endpoint()
    );
    create(&host, "s", &uri, RawNotBatched);
    append(&host, 0..1);
    let error = wait_for_error(&host, "s");
    assert!(
        error.contains("may not be sent to") && error.contains("[secrets.token] hosts"),
        "{error}"
    );
    assert!(elsewhere.requests().is_empty());
    assert!(!host.log().contains("message rejected"), "{}", host.log());
}

/// Has Python's own `hmac` check a request, in the way of a style.
fn verify(style: &str, request: &HttpRequest) {
    let headers: serde_json::Map<_, _> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let body = STANDARD.encode(&request.body);
    let described = json!({ "style": style, "key": HOOK, "headers": headers, "body": body });
    let verdict = run_script("verify_webhook.py", &[&described.to_string()]);
    assert_eq!(verdict.trim(), "genuine");
}

#[test]
fn a_receiver_that_knows_the_key_finds_each_signature_genuine() {
    let sink = HttpSink::scripted(|_, _| accept());
    let endpoint = sink.endpoint();
    let host = host_with_secrets(&endpoint, &endpoint);
    let styles = [
        ("github", "&signature.style=github&signature.secret=hook"),
        (
            "timestamp",
            "&signature.style=timestamp&signature.secret=hook&compression=gzip",
        ),
        (
            "standard-webhooks",
            "&signature.style=standard-webhooks&signature.secret=hook",
        ),
        (
            "slack",
            "&signature.style=custom&signature.header=x-slack-signature\
             &signature.timestampHeader=x-slack-request-timestamp\
             &signature.template=v0%3D{hex:hook:v0:{timestamp}:}",
        ),
    ];
    for (style, keys) in styles {
        let uri = format!("plugin:http?uri={endpoint}/{style}{keys}");
        create(&host, style, &uri, RawNotBatched);
        append_to(&host, style, [payload(0), payload(1)]);
        host.wait_for_export(style, "is complete", |export| {
            export["exportedMessagesCount"] == 2
        });
    }
    let requests = sink.requests();
    assert_eq!(requests.len(), 8);
    for request in &requests {
        verify(request.path.trim_start_matches('/'), request);
        assert!(!request.headers.contains_key("x-millstream-hmac"));
    }
    let ids: Vec<_> = requests
        .iter()
        .map(|request| request.header("webhook-id"))
        .filter(|id| !id.is_empty())
        .collect();
    assert_eq!(ids, ["standard-webhooks-0", "standard-webhooks-1"]);
}

#[test]
fn bodies_go_compressed_and_come_out_as_they_were() {
    let sink = HttpSink::scripted(|_, _| accept());
    let endpoint = sink.endpoint();
    let host = Host::start(&config(&endpoint));
    for (stream, format) in [("raw", 0), ("lists", 1)] {
        let uri =
            format!("plugin:http?uri={endpoint}/{stream}&exportFormat={format}&compression=gzip");
        create(&host, stream, &uri, RawNotBatched);
        append_to(&host, stream, [vec![b'x'; 100_000]]);
        host.wait_for_export(stream, "is complete", |export| {
            export["exportedMessagesCount"] == 1
        });
    }
    for request in sink.requests() {
        assert_eq!(request.header("content-encoding"), "gzip");
        assert!(request.body.len() < 10_000);
        let mut body = Vec::new();
        GzDecoder::new(&*request.body)
            .read_to_end(&mut body)
            .unwrap();
        if request.path == "/raw" {
            assert_eq!(body, vec![b'x'; 100_000]);
        } else {
            let list: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let decoded = STANDARD.decode(list[0]["payload"].as_str().unwrap());
            assert_eq!(decoded.unwrap(), vec![b'x'; 100_000]);
        }
    }
}

#[test]
fn the_operator_chooses_which_statuses_are_final() {
    let sink = HttpSink::scripted(|number, request| match (&*request.path, number) {
        ("/final", _) => HttpAnswer::status(404),
        ("/not-final", 0..3) => HttpAnswer::status(422),
        _ => accept(),
    });
    let endpoint = sink.endpoint();
    let host = Host::start(&config(&endpoint));
    create(
        &host,
        "s",
        &format!("plugin:http?uri={endpoint}/not-final&finalStatuses=[404]"),
        RawNotBatched,
    );
    append(&host, 0..2);
    wait_for_delivery(&host, 2);
    assert!(!host.log().contains("message rejected"));
    create(
        &host,
        "t",
        &format!("plugin:http?uri={endpoint}/final&finalStatuses=[404]"),
        RawNotBatched,
    );
    append_to(&host, "t", [payload(0)]);
    host.wait_for_log("message rejected");
}

#[test]
fn check_says_whether_each_secret_can_be_read_and_shows_none() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("millstream.toml");
    let text = "server.listen = \"127.0.0.1:0\"\n[secrets.file]\nfile = \"token\"\n\
                [secrets.there]\nenv = \"TEST_SECRET\"\n[secrets.gone]\nenv = \"TEST_NOT_SET\"\n";
    std::fs::write(&file, text).unwrap();
    std::fs::write(folder.path().join("token"), "hush-hush").unwrap();
    let output = millstream()
        .current_dir(folder.path())
        .args(["check"])
        .env("TEST_SECRET", "hush-hush")
        .env_remove("TEST_NOT_SET")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "WRONG  the secret file: every user of this device can read the file token",
        "ok     the secret there can be read from the environment variable TEST_SECRET",
        "WRONG  the secret gone: the environment variable TEST_NOT_SET cannot be read: it is not set",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        !printed.contains("hush") && !complaint.contains("hush"),
        "{printed}{complaint}"
    );
}
