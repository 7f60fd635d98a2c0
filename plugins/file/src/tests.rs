use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use millstream_plugin::{Disposition, config::parse};
use tempfile::TempDir;

use super::*;

fn open(folder: &Path, extra: &str) -> File {
    let json = format!(r#"{{"folder": {folder:?}{extra}}}"#);
    let context = ExportContext {
        stream_name: "s 1".to_owned(),
        export_identifier: "disk".to_owned(),
    };
    File::open(context, parse(&json).unwrap()).unwrap()
}

fn messages(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers
        .map(|number| Message {
            sequence_number: number,
            ingest_time: 1_767_225_600_000,
            payload: format!("payload {number}").into_bytes(),
        })
        .collect()
}

fn export(exporter: &mut File, numbers: std::ops::Range<u64>) {
    assert!(exporter.export(messages(numbers)).unwrap().is_empty());
}

/// The names in the folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| name(entry).unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let mut file = fs::File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

/// The sequence numbers in a file, in order; every line must be JSON.
fn numbers(path: &Path) -> Vec<u64> {
    let number = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["sequenceNumber"].as_u64()
    };
    text(path)
        .lines()
        .map(|line| number(line).unwrap())
        .collect()
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes)
        .unwrap();
}

const GZIP: &str = r#", "compression": "gzip""#;

#[test]
fn batches_are_appended_in_order_across_instances() {
    for (extra, name) in [("", "s%201.jsonl"), (GZIP, "s%201.jsonl.gz")] {
        let folder = TempDir::new().unwrap();
        let mut exporter = open(folder.path(), extra);
        export(&mut exporter, 0..3);
        export(&mut exporter, 3..5);
        export(&mut open(folder.path(), extra), 5..6);
        assert_eq!(names(folder.path()), [name]);
        assert_eq!(numbers(&folder.path().join(name)), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_torn_end_is_cut_off_before_the_next_batch() {
    for (extra, name, rest) in [
        ("", "s%201.jsonl", vec![0, 1, 2]),
        (GZIP, "s%201.jsonl.gz", vec![0, 1]),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        let mut exporter = open(folder.path(), extra);
        export(&mut exporter, 0..2);
        export(&mut exporter, 2..4);
        cut(&path, 3);
        // The line of message 3 is lost, and with gzip the whole batch: it comes again.
        export(&mut open(folder.path(), extra), 2..4);
        assert_eq!(numbers(&path), [rest, vec![2, 3]].concat());
    }
}

#[test]
fn an_end_torn_under_an_open_export_is_found_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s%201.jsonl");
    let mut exporter = open(folder.path(), "");
    export(&mut exporter, 0..2);
    cut(&path, 3);
    export(&mut exporter, 1..2);
    assert_eq!(numbers(&path), [0, 1]);
}

#[test]
fn a_file_that_an_operator_moved_away_is_begun_anew() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s%201.jsonl");
    let mut exporter = open(folder.path(), "");
    export(&mut exporter, 0..2);
    fs::rename(&path, folder.path().join("mine")).unwrap();
    export(&mut exporter, 2..3);
    assert_eq!(numbers(&path), [2]);
}

#[test]
fn a_damaged_or_foreign_file_is_set_aside_and_kept() {
    let (nul, foreign) = (
        b"{\"a\":\0}\n".as_slice(),
        b"an operator's notes\n".as_slice(),
    );
    for (extra, name, content) in [
        ("", "s%201.jsonl", nul),
        ("", "s%201.jsonl", foreign),
        (GZIP, "s%201.jsonl.gz", foreign),
    ] {
        let folder = TempDir::new().unwrap();
        let content = content.repeat(3);
        fs::write(folder.path().join(name), &content).unwrap();
        export(&mut open(folder.path(), extra), 0..1);
        let names = names(folder.path());
        assert_eq!(names.len(), 2, "{names:?}");
        let aside = names
            .iter()
            .find(|name| name.contains(".damaged."))
            .unwrap();
        assert_eq!(fs::read(folder.path().join(aside)).unwrap(), content);
        assert_eq!(numbers(&folder.path().join(name)), [0]);
    }
}

#[test]
fn a_full_file_is_closed_under_the_number_of_its_first_message() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "rotation": {"maxBytes": 1}"#);
    for number in 5..9 {
        export(&mut exporter, number..number + 1);
    }
    let names = names(folder.path());
    let first: Vec<_> = names
        .iter()
        .filter_map(|name| name.split('.').nth(2))
        .collect();
    assert_eq!(first, ["5", "6", "7"]);
    for (name, number) in names.iter().zip(5..) {
        assert_eq!(numbers(&folder.path().join(name)), [number]);
    }
}

#[test]
fn closing_never_overwrites_a_file_that_has_the_name_already() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "rotation": {"maxBytes": 1}"#);
    // A stream that was deleted and made again starts at 0 again, here within a second.
    for _ in 0..4 {
        export(&mut exporter, 0..1);
    }
    assert_eq!(names(folder.path()).len(), 4);
}

#[test]
fn only_as_many_closed_files_stay_as_are_to_be_kept() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("other.20200101T000000Z.0.jsonl"), "").unwrap();
    let mut exporter = open(folder.path(), r#", "rotation": {"maxBytes": 1, "keep": 2}"#);
    for number in 0..9 {
        export(&mut exporter, number..number + 1);
    }
    let names = names(folder.path());
    let kept: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with("s%201"))
        .collect();
    assert_eq!(kept.len(), 3, "{names:?}");
    assert_eq!(numbers(&folder.path().join(kept[0])), [6]);
    assert_eq!(numbers(&folder.path().join(kept[1])), [7]);
    assert_eq!(names.len(), 4);
}

#[test]
fn an_old_file_is_closed_by_its_age() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "rotation": {"maxAge": "1h"}"#);
    let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut append = |minutes: i64, number: u64| {
        let now = begun + jiff::SignedDuration::from_mins(minutes);
        exporter
            .writer
            .append(number, now, |out| out.write_all(b"{}\n"))
            .unwrap();
    };
    append(0, 0);
    append(59, 1);
    assert_eq!(names(folder.path()).len(), 1);
    // The clock steps back, and forth again.
    append(-600, 2);
    assert_eq!(names(folder.path()).len(), 1);
    append(60, 3);
    assert_eq!(
        names(folder.path()),
        ["s%201.20260101T010000Z.0.jsonl", "s%201.jsonl"]
    );
}

#[test]
fn names_keep_the_order_of_closing_when_the_clock_steps_back() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "rotation": {"maxBytes": 1}"#);
    for (number, time) in [
        (0, "2026-01-01T00:00:00Z"),
        (1, "2026-01-01T00:00:00Z"),
        (2, "1970-01-01T00:00:00Z"),
    ] {
        exporter
            .writer
            .append(number, time.parse().unwrap(), |out| out.write_all(b"{}\n"))
            .unwrap();
    }
    assert_eq!(
        names(folder.path()),
        [
            "s%201.20260101T000000Z.0.jsonl",
            "s%201.20260101T000000Z.1.jsonl",
            "s%201.jsonl"
        ]
    );
}

#[test]
fn a_file_with_another_compression_is_closed_when_the_configuration_changes() {
    let folder = TempDir::new().unwrap();
    export(&mut open(folder.path(), ""), 0..1);
    export(&mut open(folder.path(), GZIP), 1..2);
    let names = names(folder.path());
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with(".0.jsonl"), "{names:?}");
    assert_eq!(numbers(&folder.path().join(&names[0])), [0]);
    assert_eq!(numbers(&folder.path().join("s%201.jsonl.gz")), [1]);
}

#[test]
fn a_failed_write_leaves_the_file_as_it_was() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), "");
    export(&mut exporter, 0..2);
    let error = exporter
        .writer
        .append(2, now(), |out| {
            out.write_all(&vec![b'x'; 3 << 20])?;
            Err(std::io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)));
    assert!(error.reason().contains("full"), "{}", error.reason());
    assert_eq!(numbers(&folder.path().join("s%201.jsonl")), [0, 1]);
    export(&mut exporter, 2..3);
    assert_eq!(numbers(&folder.path().join("s%201.jsonl")), [0, 1, 2]);
}

#[test]
fn a_message_that_has_no_form_is_rejected_and_the_others_are_written() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "payload": "text""#);
    let mut batch = messages(0..3);
    batch[1].payload = vec![0xff];
    let undelivered = exporter.export(batch).unwrap();
    assert_eq!((undelivered.len(), undelivered[0].index), (1, 1));
    assert_eq!(undelivered[0].disposition, Disposition::Reject);
    assert_eq!(numbers(&folder.path().join("s%201.jsonl")), [0, 2]);
}

#[test]
fn a_batch_of_rejected_messages_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut exporter = open(folder.path(), r#", "payload": "text""#);
    let mut batch = messages(0..1);
    batch[0].payload = vec![0xff];
    assert_eq!(exporter.export(batch).unwrap().len(), 1);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_folder_that_is_not_there_is_named_by_its_field() {
    let folder = TempDir::new().unwrap();
    let json = format!(r#"{{"folder": {:?}}}"#, folder.path().join("missing"));
    let context = ExportContext {
        stream_name: "s".to_owned(),
        export_identifier: "disk".to_owned(),
    };
    let error = File::open(context, parse(&json).unwrap()).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("folder"));
    assert!(error.message.contains("missing"), "{}", error.message);
}

#[test]
fn a_folder_that_goes_away_is_misconfigured() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    fs::create_dir(&path).unwrap();
    let mut exporter = open(&path, "");
    fs::remove_dir(&path).unwrap();
    let error = exporter.export(messages(0..1)).unwrap_err();
    assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
}

#[test]
fn a_configured_file_name_takes_the_place_of_the_streams() {
    let folder = TempDir::new().unwrap();
    export(&mut open(folder.path(), r#", "fileName": "plant-1""#), 0..1);
    assert_eq!(names(folder.path()), ["plant-1.jsonl"]);
}
