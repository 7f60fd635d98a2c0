//! Reads of what the disk has not kept (specification, 6.2).

use std::path::{Path, PathBuf};

use millstream_tests::Host;
use serde_json::json;

use super::{Behaviour, Status, all};
use crate::behaviour::Section;
use crate::clients::{Session, refused};
use crate::stage::Stage;
use crate::wire::Wire;

pub(super) const SECTION: Section = Section {
    id: "damage",
    title: "Lost and damaged messages",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "lost_numbers",
        "10",
        "Reading steps over numbers that were lost; a minimum counts messages, not numbers.",
        lost_numbers,
    ),
    all(
        "waiting_over_lost_numbers",
        "10",
        "A read that waits counts messages too, and is answered when the last one comes.",
        waiting_over_lost_numbers,
    ),
    all(
        "damaged_messages",
        "6.2",
        "A read that needs damaged messages is MessageStoreReadError (14) and says which; what is \
         before and behind them can be read.",
        damaged_messages,
    ),
];

/// A host on whose stream `s` the messages 60 to 99 are lost, and 100 to 104 were appended since.
fn host_with_losses(stage: &Stage) -> Host {
    let mut host = stage.own_host("");
    let mut wire = Wire::connect(host.port());
    wire.create("s");
    for number in 0..100 {
        wire.append("s", format!("message number {number}").as_bytes());
    }
    drop(wire);
    host.stop();
    let journal = files(&engine(&host)).find(|file| file.extension().is_some_and(|it| it == "jnl"));
    let journal = journal.unwrap();
    let mut content = std::fs::read(&journal).unwrap();
    let torn = b"message number 60";
    let at = content.windows(torn.len()).position(|found| found == torn);
    content[at.unwrap()..][..8].fill(0);
    std::fs::write(&journal, content).unwrap();
    host.start_again();
    let mut wire = Wire::connect(host.port());
    for number in 100..105 {
        assert_eq!(wire.append("s", b"later"), number);
    }
    host
}

fn engine(host: &Host) -> PathBuf {
    host.folder().join("data").join("streams").join("engine")
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path())
}

fn lost_numbers(stage: &Stage) {
    let host = host_with_losses(stage);
    let mut client = stage.client_of(&host);
    assert_eq!(client.storage("s").1, 104);
    let from = |start: u64, min: u64, max: u64| {
        json!({
            "desiredStartSequenceNumber": start, "minMessageCount": min, "maxMessageCount": max,
        })
    };
    assert_eq!(client.numbers("s", from(58, 1, 5)), [58, 59, 100, 101, 102]);
    assert_eq!(
        client.numbers("s", from(70, 5, 5)),
        [100, 101, 102, 103, 104]
    );
    // Seven messages are there, though 47 numbers are.
    assert_eq!(client.numbers("s", from(58, 7, 50)).len(), 7);
    refused(client.read("s", from(58, 8, 50)), Status::NotEnoughMessages);
}

fn waiting_over_lost_numbers(stage: &Stage) {
    let host = host_with_losses(stage);
    let mut client = stage.client_of(&host);
    let options = json!({
        "desiredStartSequenceNumber": 58, "minMessageCount": 9, "readTimeoutMillis": 30_000,
    });
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| client.numbers("s", options));
        let mut wire = Wire::connect(host.port());
        assert_eq!(wire.append("s", b"eighth"), 105);
        assert_eq!(wire.append("s", b"ninth"), 106);
        let numbers = reading.join().unwrap();
        assert_eq!(numbers.len(), 9);
        assert_eq!(numbers.last(), Some(&106));
    });
}

/// A host on whose stream `s` of 64 messages some in the second half cannot be read.
fn host_with_damage(stage: &Stage) -> Host {
    let mut host = stage.own_host("");
    let mut wire = Wire::connect(host.port());
    let mut random = 7_u64;
    // What is written first is in one table, once there is so much behind it.
    for (name, messages) in [("s", 64), ("other", 256)] {
        wire.create(name);
        for _ in 0..messages {
            let payload: Vec<u8> = (0..4096)
                .flat_map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005) + 1;
                    (random >> 3).to_le_bytes()
                })
                .collect();
            wire.append(name, &payload);
        }
    }
    drop(wire);
    host.stop();
    let keyspaces = files(&engine(&host).join("keyspaces"));
    let mut tables: Vec<_> = keyspaces
        .flat_map(|keyspace| files(&keyspace.join("tables")))
        .filter(|table| table.metadata().unwrap().len() > 2 << 20)
        .collect();
    tables.sort();
    let mut content = std::fs::read(&tables[0]).unwrap();
    // A few messages around the middle of the stream, and neither of its ends.
    for at in ((900 << 10)..(1100 << 10)).step_by(8 << 10) {
        content[at] ^= 0xff;
    }
    std::fs::write(&tables[0], content).unwrap();
    host.start_again();
    host
}

/// The numbers that can be read one by one.
fn readable(client: &mut Session) -> Vec<u64> {
    (0..64)
        .filter(|number| {
            let one = json!({ "desiredStartSequenceNumber": number });
            match client.read("s", one) {
                Ok(messages) => messages[0].number == *number,
                outcome => {
                    let text = refused(outcome, Status::MessageStoreReadError);
                    assert!(text.contains(&number.to_string()), "{text}");
                    false
                }
            }
        })
        .collect()
}

fn damaged_messages(stage: &Stage) {
    let host = host_with_damage(stage);
    let mut client = stage.client_of(&host);
    assert_eq!(client.storage("s").1, 63);
    let readable = readable(&mut client);
    assert!(readable.contains(&0) && readable.contains(&63));
    let damaged = (0..64).find(|number| !readable.contains(number)).unwrap();
    let up_to = |min: u64| json!({ "minMessageCount": min, "maxMessageCount": 64 });
    assert_eq!(
        client.numbers("s", up_to(damaged)),
        (0..damaged).collect::<Vec<_>>()
    );
    refused(
        client.read("s", up_to(damaged + 1)),
        Status::MessageStoreReadError,
    );
    assert_eq!(client.append("s", "next"), Ok(64));
}
