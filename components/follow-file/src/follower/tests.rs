use std::io::Write;

use tempfile::TempDir;

use super::*;

struct Log {
    folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn with(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("app.log");
        std::fs::write(&path, text).unwrap();
        Self { folder, path }
    }

    fn write(&self, text: &str) {
        let opened = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path);
        opened.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&self) {
        let old = self.folder.path().join("app.log.1");
        std::fs::rename(&self.path, old).unwrap();
    }

    fn follow(&self, start: Start, remembered: Option<Mark>) -> Follower {
        Follower::new(&self.path, start, remembered, 1 << 20)
    }
}

/// The lines that there are for now, and the place behind them.
fn read(follower: &mut Follower) -> (Vec<String>, Option<Mark>) {
    let (mut lines, mut mark) = (Vec::new(), None);
    while let Some(batch) = follower.next().unwrap() {
        let texts = batch.lines.into_iter();
        lines.extend(texts.map(|line| String::from_utf8(line).unwrap()));
        mark = Some(batch.mark);
    }
    (lines, mark)
}

#[test]
fn lines_come_when_they_are_whole() {
    let log = Log::with("old\n");
    let mut follower = log.follow(Start::End, None);
    assert!(read(&mut follower).0.is_empty());
    log.write("one\ntw");
    assert_eq!(read(&mut follower).0, ["one"]);
    log.write("o\n");
    assert_eq!(read(&mut follower).0, ["two"]);
    let mut all = log.follow(Start::Beginning, None);
    assert_eq!(read(&mut all).0, ["old", "one", "two"]);
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let log = Log::with("");
    let mut follower = log.follow(Start::End, None);
    read(&mut follower);
    log.write("one\n");
    log.rotate();
    assert_eq!(read(&mut follower).0, ["one"], "there is no new one yet");
    log.write("two\n");
    assert_eq!(read(&mut follower).0, ["two"]);
    // The new one is longer than what was read of the old one.
    log.write("without end");
    read(&mut follower);
    log.rotate();
    log.write(&"three\n".repeat(100));
    let (lines, _) = read(&mut follower);
    assert_eq!(lines[..2], ["without end", "three"]);
    assert_eq!(lines.len(), 101);
}

#[test]
fn a_file_that_was_cut_begins_anew() {
    let log = Log::with("");
    let mut follower = log.follow(Start::End, None);
    log.write("one\ntorn");
    assert!(read(&mut follower).0.is_empty(), "it began at the end");
    log.write("two\n");
    read(&mut follower);
    std::fs::write(&log.path, "new\n").unwrap();
    assert_eq!(read(&mut follower).0, ["new"]);
}

#[test]
fn a_file_that_is_not_there_is_waited_for_and_then_read_whole() {
    let log = Log::with("");
    std::fs::remove_file(&log.path).unwrap();
    let mut follower = log.follow(Start::End, None);
    assert!(read(&mut follower).0.is_empty());
    log.write("one\n");
    assert_eq!(read(&mut follower).0, ["one"]);
}

#[test]
fn a_place_that_is_remembered_goes_on_there_and_not_in_another_file() {
    let log = Log::with("one\ntwo\nhal");
    let (_, mark) = read(&mut log.follow(Start::Beginning, None));
    assert_eq!(mark.unwrap().offset, 8, "before the line that is not whole");
    log.write("f\n");
    assert_eq!(read(&mut log.follow(Start::End, mark)).0, ["half"]);
    log.rotate();
    log.write("new\n");
    assert_eq!(read(&mut log.follow(Start::End, mark)).0, ["new"]);
}

#[test]
fn a_long_file_is_read_in_parts_with_a_place_behind_each() {
    let line = "x".repeat(99) + "\n";
    let log = Log::with(&line.repeat(10_000));
    let mut follower = log.follow(Start::Beginning, None);
    let (mut count, mut offset) = (0, 0);
    while let Some(batch) = follower.next().unwrap() {
        count += batch.lines.len();
        assert!(batch.mark.offset > offset && batch.lines.len() * 100 <= CHUNK + line.len());
        offset = batch.mark.offset;
    }
    assert_eq!((count, offset), (10_000, 1_000_000));
}
