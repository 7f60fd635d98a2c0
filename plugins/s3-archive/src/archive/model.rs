//! The archive under a host that crashes anywhere, in all the ways that a host makes batches.
//!
//! The model of the host keeps what the contract promises (`wit/work.wit`): place and memory are kept
//! together, after a call has returned and before the next one begins. Everything else is up to chance:
//! where batches end, whether a call is lost before or after its request, whether an answer is lost,
//! whether the component traps so that its batch is halved, and what retention takes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use millstream_plugin::Disposition;
use millstream_plugin::json_line::Payload;
use proptest::prelude::*;

use super::*;
use crate::format::{Compression, Format};
use crate::template::Template;

/// What happens with one call of the component.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Returns,
    /// The request does not reach the service.
    Refused,
    /// The service has written, and the answer is lost.
    Unclear,
    /// The component traps, before its request or after it.
    Traps(bool),
    /// The host dies, before the request or after it, or when the call has returned.
    Dies(Option<bool>),
}

/// One turn of the world.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// So many messages arrive before it.
    arrive: u64,
    /// A new batch takes so many messages.
    size: usize,
    fate: Fate,
    /// Retention takes so many of the oldest messages when the host dies.
    trim: u64,
}

#[derive(Debug, Clone, Default)]
struct Bucket(Rc<RefCell<Service>>);

#[derive(Debug, Default)]
struct Service {
    objects: BTreeMap<String, Vec<u64>>,
    /// Whether the next request is written, and whether it is answered.
    written: bool,
    answered: bool,
    requests: usize,
}

impl Storage for Bucket {
    fn put(&mut self, key: &str, object: &Object, write: Write) -> Result<(), ExportError> {
        let mut service = self.0.borrow_mut();
        service.requests += 1;
        if service.written {
            let numbers = numbers(&object.body);
            let objects = &mut service.objects;
            if write == Write::Over || !objects.contains_key(key) {
                objects.insert(key.to_owned(), numbers);
            }
        }
        match service.answered {
            true => Ok(()),
            false => Err(ExportError::unavailable("No answer.")),
        }
    }
}

/// The numbers in a body of JSON lines.
fn numbers(body: &[u8]) -> Vec<u64> {
    let lines = std::str::from_utf8(body).unwrap().lines();
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["sequenceNumber"].as_u64().unwrap()
        })
        .collect()
}

#[derive(Debug, Clone, Default)]
struct Remembered(Rc<RefCell<Option<Vec<u8>>>>);

impl Memory for Remembered {
    fn recall(&self) -> Option<Vec<u8>> {
        self.0.borrow().clone()
    }

    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        *self.0.borrow_mut() = bytes.map(<[u8]>::to_vec);
        Ok(())
    }

    fn in_progress(&mut self, _text: &str) {}
}

/// A host with one export.
struct Host {
    /// The stream: the oldest message, and the number behind the newest.
    head: u64,
    tail: u64,
    /// On the disk: everything below is settled, and what the component remembers.
    cursor: u64,
    kept: Option<Vec<u8>>,
    /// Messages that retention took before they were settled.
    lost: BTreeSet<u64>,
    /// In memory: groups of the batch that are not settled, and where the batch ends.
    groups: VecDeque<Vec<u64>>,
    end: u64,
    remembered: Remembered,
    bucket: Bucket,
    archive: Archive<Bucket, Remembered>,
}

impl Host {
    fn new() -> Self {
        let (bucket, remembered) = (Bucket::default(), Remembered::default());
        let format = Format::JsonLines(Payload::Auto, Compression::None);
        let template = Template::try_from("{stream}/{day}/{first}-{last}".to_owned()).unwrap();
        let keys = Keys::new(template, "s", "e", format.extension()).unwrap();
        let encoder = Encoder::new("s".into(), format);
        Self {
            head: 0,
            tail: 0,
            cursor: 0,
            kept: None,
            lost: BTreeSet::new(),
            groups: VecDeque::new(),
            end: 0,
            archive: Archive::new(keys, encoder, bucket.clone(), remembered.clone()),
            remembered,
            bucket,
        }
    }

    fn turn(&mut self, turn: Turn) {
        self.tail += turn.arrive;
        if self.groups.is_empty() {
            let from = self.cursor.max(self.head);
            let batch: Vec<u64> = (from..self.tail).take(turn.size).collect();
            let Some(last) = batch.last() else { return };
            self.end = last + 1;
            self.groups.push_back(batch);
        }
        let (written, answered) = match turn.fate {
            Fate::Returns | Fate::Dies(None) => (true, true),
            Fate::Refused | Fate::Traps(false) | Fate::Dies(Some(false)) => (false, false),
            Fate::Unclear | Fate::Traps(true) | Fate::Dies(Some(true)) => (true, false),
        };
        {
            let mut service = self.bucket.0.borrow_mut();
            (service.written, service.answered) = (written, answered);
        }
        let group = self.groups.pop_front().unwrap();
        let before = self.remembered.recall();
        let messages = group.iter().map(|&sequence_number| Message {
            sequence_number,
            // A message a day or so: the date has to stay as well.
            ingest_time: sequence_number * 70_000_000,
            payload: b"x".to_vec(),
        });
        let answer = self.archive.step(messages.collect());
        match turn.fate {
            Fate::Dies(_) => {
                self.groups.clear();
                self.remembered.0.borrow_mut().clone_from(&self.kept);
                self.head = (self.head + turn.trim).min(self.tail);
                self.lost.extend(self.cursor..self.head);
                return;
            }
            Fate::Traps(_) => {
                *self.remembered.0.borrow_mut() = before;
                let mut first = group;
                let second = first.split_off(first.len() / 2);
                for half in [second, first] {
                    if !half.is_empty() {
                        self.groups.push_front(half);
                    }
                }
            }
            _ => self.settle(group, answer),
        }
        self.kept = self.remembered.recall();
        let unsettled = self.groups.iter().filter_map(|group| group.first()).min();
        self.cursor = unsettled.copied().unwrap_or(self.end);
    }

    fn settle(&mut self, group: Vec<u64>, answer: Result<Vec<Undelivered>, ExportError>) {
        let again: Vec<u64> = match answer {
            Err(_) => group,
            Ok(undelivered) => undelivered
                .iter()
                .map(|undelivered| {
                    assert_eq!(undelivered.disposition, Disposition::Retry);
                    group[undelivered.index as usize]
                })
                .collect(),
        };
        if !again.is_empty() {
            self.groups.push_front(again);
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Returns),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Unclear),
        1 => any::<bool>().prop_map(Fate::Traps),
        3 => any::<Option<bool>>().prop_map(Fate::Dies),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let trim = prop_oneof![4 => Just(0_u64), 1 => 0_u64..6];
    (0_u64..8, 1_usize..12, fate(), trim).prop_map(|(arrive, size, fate, trim)| Turn {
        arrive,
        size,
        fate,
        trim,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_message_is_in_exactly_one_object_whatever_crashes(
        turns in prop::collection::vec(turn(), 1..60),
    ) {
        let mut host = Host::new();
        for turn in turns {
            host.turn(turn);
        }
        // Good days: everything is delivered.
        let quiet = Turn { arrive: 0, size: 5, fate: Fate::Returns, trim: 0 };
        for _ in 0..3 * host.tail + 6 {
            host.turn(quiet);
        }
        prop_assert!(host.groups.is_empty());
        let service = host.bucket.0.borrow();
        let mut archived: Vec<u64> = service.objects.values().flatten().copied().collect();
        for numbers in service.objects.values() {
            prop_assert!(numbers.is_sorted(), "{numbers:?}");
        }
        archived.sort_unstable();
        let count = archived.len();
        archived.dedup();
        prop_assert_eq!(archived.len(), count, "a message is in two objects");
        // What retention took before it was settled may be there or not.
        let missing = (0..host.tail).find(|number| {
            !host.lost.contains(number) && archived.binary_search(number).is_err()
        });
        prop_assert_eq!(missing, None);
    }
}

#[test]
fn without_trouble_every_batch_is_one_request() {
    let mut host = Host::new();
    for batch in 1..=20 {
        for arrive in [10, 0] {
            host.turn(Turn {
                arrive,
                size: 10,
                fate: Fate::Returns,
                trim: 0,
            });
        }
        assert_eq!(host.bucket.0.borrow().requests, batch);
        assert_eq!(host.cursor, host.tail);
    }
}
