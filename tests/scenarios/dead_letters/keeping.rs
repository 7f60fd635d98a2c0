//! Letters arrive, whoever declared the export and whatever happens to the host.

use std::collections::BTreeSet;
use std::process::Stdio;

use millstream_protocol::Call;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, MessageStreamDefinition, StrategyOnFull,
};
use millstream_protocol::response::Success;
use millstream_tests::{Host, RawClient, eventually, millstream};

use super::{Server, append, config, letters, numbers, printed, wait_for};

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

    server.stick(true);
    server.mend();
    let before = server.numbers("/in").len();
    let requeue = millstream()
        .current_dir(host.folder())
        .args(["export", "requeue", "s", "to-server", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the server is stuck amid letters", || {
        let arrived = server.numbers("/in");
        (arrived.last() >= Some(&300)).then_some(())
    });
    host.kill();
    let output = requeue.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    server.stick(false);
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
