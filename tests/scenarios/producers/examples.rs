//! The examples of `components/` do their work.

use std::time::SystemTime;

use millstream_tests::{HttpAnswer, HttpSink, Mosquitto, plugins};

use super::*;

/// A host with one of the examples, which may append to `s`.
fn host(folder: TempDir, component: &str, args: &[&str], grants: &str) -> Host {
    let config = format!(
        "[[stream]]\nname = \"s\"\n[[producer]]\nname = \"example\"\ncomponent = {component:?}\nargs = \
         {args:?}\n[producer.grants]\nappend = [\"s\"]\n{grants}\n"
    );
    Host::start_in(folder, &plugins(), &config, &[])
}

#[test]
fn system_metrics_reads_proc_in_a_granted_folder() {
    let args = ["--stream", "s", "--interval", "100ms"];
    let proc = "folders = [{ path = \"/proc\", as = \"/proc\" }]";
    let host = host(folder(&[]), "system-metrics", &args, proc);
    let messages = wait_for_messages(&host, "s", "are two", |messages| messages.len() >= 2);
    let first: Value = serde_json::from_str(&messages[0]).unwrap();
    let second: Value = serde_json::from_str(&messages[1]).unwrap();
    let total = first["memoryTotal"].as_u64().unwrap();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    assert!(meminfo.contains(&(total / 1024).to_string()), "{first}");
    assert!(first["memoryAvailable"].as_u64().unwrap() < total);
    assert!(
        first["cpuPercent"].is_null() && first["load1"].is_f64(),
        "{first}"
    );
    let busy = second["cpuPercent"].as_f64().unwrap();
    assert!((0.0..=100.0).contains(&busy), "{second}");
    assert!(first["time"].as_str().unwrap().ends_with('Z'), "{first}");
}

#[test]
fn system_metrics_without_the_grant_says_what_is_missing() {
    let host = host(folder(&[]), "system-metrics", &["--stream", "s"], "");
    host.wait_for_log("Grant the folder /proc");
    wait_for_state(&host, "pausing");
}

#[test]
fn follow_file_goes_on_through_rotation_cuts_and_restarts() {
    let folder = folder(&["logs", "state"]);
    let logs = folder.path().join("logs");
    let file = logs.join("app.log");
    std::fs::write(&file, "before\n").unwrap();
    let args = [
        "--stream",
        "s",
        "--file",
        "/logs/app.log",
        "--interval",
        "20ms",
        "--place",
        "/state/app.place",
        "--start",
        "beginning",
    ];
    let grants = "folders = [{ path = \"logs\", as = \"/logs\" }, { path = \"state\", as = \"/state\", \
                  write = true }]";
    let mut host = host(folder, "follow-file", &args, grants);
    let expect = |host: &Host, expected: &[&str]| {
        wait_for_messages(host, "s", &format!("are {expected:?}"), |messages| {
            messages == expected
        });
    };
    expect(&host, &["before"]);
    append(&file, "one\ntw");
    expect(&host, &["before", "one"]);
    append(&file, "o\n");
    expect(&host, &["before", "one", "two"]);
    std::fs::rename(&file, logs.join("app.log.1")).unwrap();
    append(&logs.join("app.log.1"), "late\n");
    std::fs::write(&file, "rotated, and longer than what was there before it\n").unwrap();
    let rotated = "rotated, and longer than what was there before it";
    expect(&host, &["before", "one", "two", "late", rotated]);
    host.stop();
    append(&file, "meanwhile\n");
    host.start_again();
    expect(
        &host,
        &["before", "one", "two", "late", rotated, "meanwhile"],
    );
    std::fs::write(&file, "cut\n").unwrap();
    expect(
        &host,
        &["before", "one", "two", "late", rotated, "meanwhile", "cut"],
    );
}

fn append(file: &Path, text: &str) {
    use std::io::Write;
    let opened = std::fs::OpenOptions::new().append(true).open(file);
    opened.unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn http_poll_appends_each_body_and_pauses_longer_after_failures() {
    let server = HttpSink::scripted(|number, _| match number {
        0 => HttpAnswer::Status(200, vec![], "21.5".into()),
        1 | 2 => HttpAnswer::status(503),
        _ => HttpAnswer::Status(200, vec![], format!("later {number}")),
    });
    let began = SystemTime::now();
    let url = format!("{}/now", server.endpoint());
    let args = [
        "--stream",
        "s",
        "--url",
        &url,
        "--interval",
        "200ms",
        "--header",
        "accept: text/plain",
    ];
    let grants = format!("private-hosts = [\"{}\"]", server.endpoint());
    let host = host(folder(&[]), "http-poll", &args, &grants);
    let messages = wait_for_messages(&host, "s", "are two", |messages| messages.len() >= 2);
    assert_eq!(messages[..2], ["21.5", "later 3"]);
    // An interval, and pauses of one and of two.
    assert!(began.elapsed().unwrap().as_millis() >= 200 + 200 + 400);
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("GET", "/now")
    );
    assert_eq!(request.header("accept"), "text/plain");
    assert!(host.log().contains("answers 503"), "{}", host.log());
}

#[test]
fn mqtt_subscribe_appends_what_is_published_while_it_is_there_and_while_it_is_not() {
    let broker = Mosquitto::start();
    let address = format!("mqtt://{}", broker.address());
    let args = [
        "--stream",
        "s",
        "--broker",
        &address,
        "--topic",
        "plant/+/state",
        "--client-id",
        "gateway",
        "--form",
        "json",
    ];
    let grants = format!("private-addresses = [\"{}\"]", broker.address());
    let mut host = host(folder(&[]), "mqtt-subscribe", &args, &grants);
    host.wait_for_log("subscribed to plant/+/state");
    broker.publish("plant/4/state", b"on");
    broker.publish("plant/other", b"not for us");
    let one = r#"{"payload":"on","retained":false,"topic":"plant/4/state"}"#;
    wait_for_messages(&host, "s", "are one", |messages| messages == [one]);
    host.stop();
    broker.publish("plant/5/state", b"meanwhile");
    host.start_again();
    let two = one.replace("\"on\"", "\"meanwhile\"").replace("/4/", "/5/");
    wait_for_messages(&host, "s", "are two", |messages| messages == [one, &two]);
}
