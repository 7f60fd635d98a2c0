//! Transforms between a stream and its exporter.

use millstream_protocol::Call;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, MessageStreamDefinition, StrategyOnFull,
};
use millstream_protocol::response::Success;
use millstream_tests::{Host, HttpAnswer, HttpRequest, HttpSink, RawClient, eventually};
use serde_json::Value;

use crate::exporting;

/// A server that takes everything, and a configuration whose exports go there through `json-fields`.
fn config(sink: &HttpSink, step: &str) -> String {
    let endpoint = sink.endpoint();
    let export = format!(
        r#"[[stream.export]]
identifier = "e"
plugin = "http"
dead-letters = "dead"
transforms = [{{ {step} }}]
config = {{ uri = "{endpoint}/in", exportFormat = "RAW_NOT_BATCHED" }}
"#
    );
    exporting::config(&endpoint, &export)
}

fn sink() -> HttpSink {
    HttpSink::scripted(|_, _| HttpAnswer::status(200))
}

fn append(host: &Host, payloads: impl IntoIterator<Item = String>) {
    exporting::append(host, "s", payloads);
}

fn reading(number: u64) -> String {
    let kind = if number.is_multiple_of(3) {
        "alarm"
    } else {
        "reading"
    };
    format!(r#"{{"n":{number},"kind":"{kind}","internal":"x"}}"#)
}

/// The numbers and bodies that have arrived.
fn arrived(sink: &HttpSink) -> Vec<(u64, Value)> {
    let requests = sink.requests();
    let number = |it: &HttpRequest| it.header("x-millstream-sequence-number").parse().unwrap();
    requests
        .iter()
        .map(|it| (number(it), serde_json::from_slice(&it.body).unwrap()))
        .collect()
}

fn wait_until_settled(host: &Host, last: u64) {
    host.wait_for_export("s", "has settled everything", |export| {
        export["lastExportedSequenceNumber"] == last
    });
}

const ALARMS: &str = "plugin = \"json-fields\", config = { where = { kind = \"alarm\" }, drop = \
                      [\"internal\", \"kind\"], add = { line = 4 } }";

#[test]
fn messages_are_selected_and_changed_on_their_way_and_what_fails_becomes_a_dead_letter() {
    let sink = sink();
    let host = Host::start(&config(&sink, ALARMS));
    append(&host, (0..10).map(reading));
    append(&host, ["no object".to_owned()]);
    append(&host, (11..14).map(reading));
    wait_until_settled(&host, 13);
    let expected: Vec<_> = [0_u64, 3, 6, 9, 12]
        .into_iter()
        .map(|number| (number, serde_json::json!({ "n": number, "line": 4 })))
        .collect();
    assert_eq!(arrived(&sink), expected);
    let output = host.command(&["export", "dead-letters", "s", "e", "--json"]);
    let letters = String::from_utf8(output.stdout).unwrap();
    let letter: Value = serde_json::from_str(letters.trim()).unwrap();
    assert_eq!(letter["sequenceNumber"], 10);
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("no JSON object"), "{reason}");
}

#[test]
fn an_export_that_a_client_declares_goes_through_the_transforms_of_its_plugin() {
    let sink = sink();
    let endpoint = sink.endpoint();
    let host = Host::start(&format!(
        "exports.linger = \"10ms\"\n[plugin.http]\ntransforms = [{{ {ALARMS} }}]\n\
         [plugin.http.grants]\nhosts = [\"{endpoint}\"]\n"
    ));
    let destination = Destination::Http {
        uri: format!("{endpoint}/in"),
        format: ExportFormat::RawNotBatched,
    };
    let export = Export::new("e".parse().unwrap(), destination);
    let name = "s".parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let created = RawClient::connect(host.port()).call("c", Call::Create(Box::new(definition)));
    assert_eq!(created.outcome, Ok(Success::Created));
    append(&host, (0..5).map(reading));
    wait_until_settled(&host, 4);
    let numbers: Vec<_> = arrived(&sink)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(numbers, [0, 3]);
}

#[test]
fn a_host_that_is_killed_among_transforms_loses_nothing() {
    let sink = sink();
    let mut host = Host::start(&config(&sink, ALARMS));
    for round in 0..3_u64 {
        append(&host, (200 * round..200 * (round + 1)).map(reading));
        eventually("something has arrived", || {
            let count = arrived(&sink).len() as u64;
            (count > 70 * round).then_some(())
        });
        host.kill();
        host.start_again();
    }
    wait_until_settled(&host, 599);
    let mut numbers: Vec<_> = arrived(&sink)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let expected: Vec<_> = (0..600).filter(|number| number % 3 == 0).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_transform_that_cannot_work_holds_its_export_and_says_why() {
    for (step, expected) in [
        (
            "plugin = \"nowhere\"",
            "the plugin \"nowhere\" is not there",
        ),
        (
            "plugin = \"file\"",
            "is an exporter and cannot be used as a transform",
        ),
        ("plugin = \"json-fields\", config = { wher = {} }", "`wher`"),
    ] {
        let sink = sink();
        let host = Host::start(&config(&sink, step));
        append(&host, [reading(0)]);
        host.wait_for_export("s", expected, |export| {
            let error = export["errorMessage"].as_str().unwrap_or_default();
            error.contains(expected)
        });
        assert!(arrived(&sink).is_empty());
    }
}
