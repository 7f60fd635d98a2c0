//! Stopping and starting in order.

use std::time::Duration;

use millstream_protocol::Call;
use millstream_tests::{Answer, Host, RawClient, Sink, eventually, kinesis_config, run_script};

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "id"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

#[test]
fn a_stop_settles_the_call_in_flight_so_that_nothing_is_sent_twice() {
    let sink = Sink::scripted(|_, _| {
        std::thread::sleep(Duration::from_millis(300));
        Answer::Accept
    });
    let mut host = Host::start_with(&kinesis_config(&sink.endpoint()), &CREDENTIALS);
    run_script("create_kinesis.py", &[&host.port().to_string(), "s", "k"]);
    let mut client = RawClient::connect(host.port());
    for number in 0..40 {
        let payload = format!("message {number}").into();
        client.call(
            "a",
            Call::Append {
                name: "s".parse().unwrap(),
                payload,
            },
        );
    }
    eventually("a call is in flight", || {
        (!sink.calls().is_empty()).then_some(())
    });
    host.stop();
    host.start_again();
    host.wait_for_export("s", "is complete", |export| {
        export["exportedMessagesCount"] == 40
    });
    let expected: Vec<_> = (0..40).map(|number| format!("message {number}")).collect();
    assert_eq!(sink.taken(), expected, "each once, in order");
}

#[test]
fn streams_definitions_numbers_and_export_positions_outlive_a_restart() {
    let sink = Sink::start();
    let mut host = Host::start_with(&kinesis_config(&sink.endpoint()), &CREDENTIALS);
    run_script("create_kinesis.py", &[&host.port().to_string(), "s", "k"]);
    let mut client = RawClient::connect(host.port());
    client.call(
        "a",
        Call::Append {
            name: "s".parse().unwrap(),
            payload: "one".into(),
        },
    );
    host.wait_for_export("s", "is complete", |export| {
        export["exportedMessagesCount"] == 1
    });
    let before = host.describe("s").unwrap();
    host.stop();
    host.start_again();
    let after = host.describe("s").unwrap();
    assert_eq!(before, after);
    let mut client = RawClient::connect(host.port());
    client.call(
        "a",
        Call::Append {
            name: "s".parse().unwrap(),
            payload: "two".into(),
        },
    );
    host.wait_for_export("s", "goes on", |export| {
        export["exportedMessagesCount"] == 2
    });
    assert_eq!(sink.taken(), ["one", "two"]);
}

#[test]
fn streams_of_the_configuration_follow_it_at_each_start() {
    let config =
        "[[stream]]\nname = \"declared\"\nmax-size = \"1 MiB\"\nsegment-size = \"64 KiB\"\n";
    let mut host = Host::start(config);
    assert_eq!(host.describe("declared").unwrap()["maxSize"], 1 << 20);
    let mut client = RawClient::connect(host.port());
    let name = "declared".parse().unwrap();
    client.call(
        "a",
        Call::Append {
            name,
            payload: "kept".into(),
        },
    );
    host.stop();
    let file = host.folder().join("millstream.toml");
    let changed = std::fs::read_to_string(&file)
        .unwrap()
        .replace("1 MiB\"\nseg", "2 MiB\"\nseg");
    std::fs::write(&file, changed).unwrap();
    host.start_again();
    let described = host.describe("declared").unwrap();
    assert_eq!(described["maxSize"], 2 << 20);
    assert_eq!(described["newestSequenceNumber"], 0);
}

#[test]
fn a_declared_stream_that_cannot_be_made_so_stays_as_it_is_and_the_others_go_on() {
    let stream = |name: &str, more: &str| format!("[[stream]]\nname = \"{name}\"\n{more}\n");
    let mut host = Host::start(&stream("kept", ""));
    let mut client = RawClient::connect(host.port());
    let name = "kept".parse().unwrap();
    client.call(
        "a",
        Call::Append {
            name,
            payload: "kept".into(),
        },
    );
    host.stop();
    let file = host.folder().join("millstream.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let changed = config.replace(
        "name = \"kept\"",
        "name = \"kept\"\npersistence = \"memory\"",
    );
    std::fs::write(&file, changed + &stream("new", "")).unwrap();
    host.start_again();
    host.wait_for_log("persistence cannot be changed");
    let kept = host.describe("kept").unwrap();
    assert_eq!(
        (&kept["persistence"], &kept["newestSequenceNumber"]),
        (&"File".into(), &0.into())
    );
    assert!(host.describe("new").is_some());
}
