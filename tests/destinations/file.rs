//! The plugin `file`, to a folder of the test.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_tests::{Host, eventually, millstream};
use serde_json::Value;
use tempfile::TempDir;

use crate::setup::{
    EXPORT, Exporting, STREAM, append, append_numbered, numbered, status, wait_for_delivery,
    wait_for_error, wait_for_rejections,
};

/// An export to a folder. It never rests: one that did would look for its folder anew.
fn to(folder: &Path) -> Exporting<'static> {
    Exporting {
        plugin: "file",
        grants: format!("folders = [{{ path = {folder:?}, as = \"/out\", write = true }}]"),
        root: "plugins.rest-after = \"1h\"\n".to_owned(),
        ..Exporting::default()
    }
}

/// The files in the order in which they were begun: closed ones by what their names say, then the active
/// one. There must be no others.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            [_, stamp, number, "jsonl"] => (0, stamp.to_string(), number.parse::<u64>().unwrap()),
            [_, "jsonl"] => (1, String::new(), 0),
            _ => panic!("`{name}` is none of the export's"),
        }
    });
    files
}

/// Number and payload of each line, as the payload stands there.
fn written(folder: &Path) -> Vec<(u64, String)> {
    let mut written = Vec::new();
    for file in files(folder) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let number = line["sequenceNumber"].as_u64().unwrap();
            written.push((number, line["payload"].as_str().unwrap().to_owned()));
        }
    }
    written
}

/// Each message once, in order, and no other.
fn assert_written(folder: &Path, numbers: std::ops::Range<u64>) {
    let expected: Vec<_> = numbers.map(|number| (number, numbered(number))).collect();
    assert_eq!(written(folder), expected);
}

/// The size of all files. One that gets another name at this moment may be missing.
fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let sizes = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.sum()
}

/// A client that appends, one message after the other, until its host is gone or it has no more.
struct Appender {
    child: Child,
    payloads: Vec<String>,
    folder: TempDir,
}

impl Appender {
    fn start(host: &Host, name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let payload = |number| format!("{name}-{number} {}", "x".repeat(1000));
        let payloads: Vec<String> = (0..2000).map(payload).collect();
        let lines = folder.path().join("lines");
        std::fs::write(&lines, payloads.join("\n")).unwrap();
        let child = millstream()
            .current_dir(host.folder())
            .args(["stream", "append", STREAM, "--server"])
            .arg(format!("127.0.0.1:{}", host.port()))
            .stdin(File::open(lines).unwrap())
            .stdout(File::create(folder.path().join("numbers")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            payloads,
            folder,
        }
    }

    /// Waits for its end, which the end of the host brings about: what was acknowledged, by its number.
    fn acknowledged(mut self) -> Vec<(u64, String)> {
        self.child.wait().unwrap();
        let printed = std::fs::read_to_string(self.folder.path().join("numbers")).unwrap();
        let numbers = printed.lines().map(|line| line.parse::<u64>().unwrap());
        numbers.zip(self.payloads).collect()
    }
}

/// Leaves what a host leaves that is killed within a line.
fn tear(file: &Path) {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).open(file).unwrap();
    file.write_all(b"{\"stream\":\"s\",\"sequenceNumber\":")
        .unwrap();
}

#[test]
fn whenever_the_host_is_killed_every_message_is_in_the_files_in_order_and_no_line_is_torn() {
    const KILLS: u64 = 6;
    const BATCH: u32 = 20;
    let out = TempDir::new().unwrap();
    let mut exporting = to(out.path());
    exporting.config = "{ rotation = { maxBytes = 1000000 } }".to_owned();
    exporting.batch_size = Some(BATCH);
    let mut host = exporting.start();
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let appenders = [0, 1].map(|client| Appender::start(&host, &format!("{round}.{client}")));
        // Killed while clients append and the export is at work, each time a little later.
        let goal = bytes(out.path()) + 300_000 + 20_000 * round;
        eventually("the export is at work", || {
            (bytes(out.path()) >= goal).then_some(())
        });
        host.kill();
        for appender in appenders {
            acknowledged.extend(appender.acknowledged());
        }
        tear(&out.path().join("s.jsonl"));
        host.start_again();
    }
    // What is torn is cut off before the next batch, so there has to be one.
    append_numbered(&host, 0..1);
    let described = host.describe(STREAM).unwrap();
    let newest = described["newestSequenceNumber"].as_u64().unwrap();
    host.wait_for_export(STREAM, "is complete", |export| {
        export["lastExportedSequenceNumber"] == newest
    });

    assert!(files(out.path()).len() > 1, "files are closed meanwhile");
    let written = written(out.path());
    let numbers: Vec<u64> = written.iter().map(|(number, _)| *number).collect();
    assert_eq!(
        (numbers.first(), numbers.last()),
        (Some(&0), Some(&newest)),
        "the first and the last message"
    );
    let mut repeats = Vec::new();
    for pair in numbers.windows(2) {
        let (before, next) = (pair[0], pair[1]);
        assert!(next <= before + 1, "{next} stands behind {before}");
        if next <= before {
            repeats.push(before + 1 - next);
        }
    }
    // The place behind a batch is saved beside the next call: a kill may repeat both.
    assert!(repeats.len() as u64 <= KILLS, "{repeats:?}");
    let most = 2 * u64::from(BATCH);
    assert!(repeats.iter().all(|it| *it <= most), "{repeats:?}");
    let cuts = host.log().matches("cut off the last").count() as u64;
    assert!(cuts >= KILLS, "{cuts} torn lines were cut off");

    let by_number: BTreeMap<u64, String> = written.into_iter().collect();
    assert!(
        acknowledged.len() > 500,
        "{} acknowledgements",
        acknowledged.len()
    );
    for (number, payload) in acknowledged {
        assert_eq!(by_number.get(&number), Some(&payload), "message {number}");
    }
}

#[test]
fn a_folder_that_is_not_where_it_was_is_waited_for_and_gets_everything_when_it_is_back() {
    let parent = TempDir::new().unwrap();
    let (out, away) = (parent.path().join("out"), parent.path().join("away"));
    std::fs::create_dir(&out).unwrap();
    let mut host = to(&out).start();
    append_numbered(&host, 0..50);
    wait_for_delivery(&host, 50);
    // An open export holds its folder, whatever its name has become.
    std::fs::rename(&out, &away).unwrap();
    append_numbered(&host, 50..100);
    wait_for_delivery(&host, 100);
    assert_written(&away, 0..100);

    // One that is opened looks for it by its name.
    host.stop();
    host.start_again();
    append_numbered(&host, 100..150);
    let error = wait_for_error(&host, "Create the folder");
    assert!(error.contains(out.to_str().unwrap()), "{error}");
    let export = status(&host);
    assert_eq!(export["state"], "failing");
    assert_eq!(export["rejectedMessages"], 0);
    std::fs::rename(&away, &out).unwrap();
    wait_for_delivery(&host, 150);
    assert_written(&out, 0..150);
    host.wait_for_export(STREAM, "shows no error", |export| {
        export["errorMessage"] == ""
    });
}

#[test]
fn a_folder_that_was_deleted_is_shown_and_what_came_meanwhile_goes_into_a_new_one() {
    let parent = TempDir::new().unwrap();
    let out = parent.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let host = to(&out).start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    std::fs::remove_dir_all(&out).unwrap();
    append_numbered(&host, 20..70);
    let error = wait_for_error(&host, "Create the folder");
    assert!(error.contains(out.to_str().unwrap()), "{error}");
    let export = status(&host);
    assert_eq!(export["state"], "failing");
    assert_eq!(export["rejectedMessages"], 0);
    std::fs::create_dir(&out).unwrap();
    wait_for_delivery(&host, 70);
    assert_written(&out, 20..70);
}

#[test]
fn a_folder_that_may_only_be_read_is_shown_with_what_to_grant_and_gets_everything_then() {
    let out = TempDir::new().unwrap();
    let mut exporting = to(out.path());
    exporting.grants = exporting.grants.replace(", write = true", "");
    let mut host = exporting.start();
    append_numbered(&host, 0..30);
    let error = wait_for_error(&host, "refuses this device");
    assert!(error.contains("grant it with `write = true`"), "{error}");
    assert_eq!(files(out.path()), Vec::<PathBuf>::new());

    let file = host.folder().join("millstream.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let granted = text.replace("as = \"/out\"", "as = \"/out\", write = true");
    std::fs::write(&file, granted).unwrap();
    host.stop();
    host.start_again();
    wait_for_delivery(&host, 30);
    assert_written(out.path(), 0..30);
}

#[test]
fn a_payload_that_is_no_text_where_text_is_wanted_becomes_a_dead_letter_and_its_neighbours_arrive()
{
    let out = TempDir::new().unwrap();
    let mut exporting = to(out.path());
    exporting.config = "{ payload = \"text\" }".to_owned();
    exporting.plugin_lines = "dead-letters = \"dead\"".to_owned();
    exporting.more = "[[stream]]\nname = \"dead\"".to_owned();
    let host = exporting.start();
    append(
        &host,
        [b"first".to_vec(), b"\xff\xfe".to_vec(), "21 °C".into()],
    );
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 1);
    let expected = [(0_u64, "first".to_owned()), (2, "21 °C".to_owned())];
    assert_eq!(written(out.path()), expected);
    let output = host.command(&["export", "dead-letters", STREAM, EXPORT, "--json"]);
    // More than one letter would be no JSON.
    let letter: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(letter["sequenceNumber"], 1);
    assert_eq!(letter["encoding"], "base64");
    assert_eq!(letter["payload"], STANDARD.encode(b"\xff\xfe"));
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("`payload` set to `auto`"), "{reason}");
}

#[test]
fn the_largest_message_arrives_byte_for_byte_and_a_larger_one_is_rejected() {
    const LARGEST: usize = 16 << 20;
    let out = TempDir::new().unwrap();
    let mut exporting = to(out.path());
    // The host's own limit is that of a frame, which has a few words beside the payload.
    exporting.root += "server.max-frame = \"17 MiB\"\n";
    let host = exporting.start();
    let largest: Vec<u8> = (0..LARGEST).map(|place| (place % 251) as u8).collect();
    // One at a time: together they are more than the host holds for its clients.
    append(&host, [largest.clone()]);
    append(&host, [vec![b'x'; LARGEST + 1]]);
    append(&host, [b"small".to_vec()]);
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 1);
    host.wait_for_log("its 16777217 bytes are more than the plugin takes (16777216)");
    let written = written(out.path());
    let numbers: Vec<u64> = written.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 2]);
    assert!(STANDARD.decode(&written[0].1).unwrap() == largest);
    assert_eq!(written[1].1, "small");
}
