//! `kill -9`: a repeat overwrites, and no message is in two objects.

use millstream_tests::{Emulator, Line, Quality, eventually};

use super::{archived, archiving_to, create_bucket, objects};
use crate::setup::{STREAM, append_numbered};

#[test]
fn a_repeat_with_more_messages_after_a_crash_overwrites_the_object() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let address = emulator.endpoint().strip_prefix("http://").unwrap();
    let line = Line::to(address.parse().unwrap());
    // The object is written, and the host does not learn it before it dies.
    line.becomes(Quality::CutsAnswersAfter(0));
    let mut host = archiving_to(&line.endpoint(), "").start_patient();
    append_numbered(&host, 0..10);
    let before = eventually("the object is there", || {
        Some(objects(emulator.endpoint())).filter(|objects| archived(objects).len() == 10)
    });
    line.becomes(Quality::Down);
    host.kill();
    host.start_again();
    append_numbered(&host, 10..30);
    line.becomes(Quality::Good);
    host.wait_for_export(STREAM, "is complete", |export| {
        export["lastExportedSequenceNumber"] == 29
    });
    let after = objects(emulator.endpoint());
    assert_eq!(archived(&after), (0..30).collect::<Vec<_>>());
    // The keys of before are there with what they had, and have overwritten nothing else.
    for object in &before {
        let same = after.iter().find(|other| other.key == object.key).unwrap();
        assert_eq!(same.numbers(), object.numbers());
    }
}

#[test]
fn whenever_the_host_is_killed_every_message_is_in_exactly_one_object() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let mut exporting = archiving_to(emulator.endpoint(), ", format = \"parquet\"");
    exporting.batch_size = Some(7);
    let mut host = exporting.start();
    for round in 0..8_u64 {
        append_numbered(&host, round * 100..(round + 1) * 100);
        // Each time a little later on its way through the batches.
        let goal = round * 90 + 7 * (round % 3);
        host.wait_for_export(STREAM, "is at work", |export| {
            export["lastExportedSequenceNumber"].as_u64() >= Some(goal)
        });
        host.kill();
        host.start_again();
    }
    host.wait_for_export(STREAM, "is complete", |export| {
        export["lastExportedSequenceNumber"] == 799
    });
    let objects = objects(emulator.endpoint());
    assert_eq!(archived(&objects), (0..800).collect::<Vec<_>>());
    for object in &objects {
        assert!(object.numbers().is_sorted(), "{object:?}");
    }
}
