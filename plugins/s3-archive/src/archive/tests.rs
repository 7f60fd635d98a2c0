//! Single steps; all orders of them are the matter of the model.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use millstream_plugin::Disposition;
use millstream_plugin::json_line::Payload;

use super::*;
use crate::format::{Compression, Format};
use crate::template::Template;

/// A bucket and a memory, as the host and the service have them.
#[derive(Debug, Clone, Default)]
struct World(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, (u64, u64)>,
    puts: usize,
    fails: bool,
    remembered: Option<Vec<u8>>,
    progress: String,
}

impl Storage for World {
    fn put(&mut self, key: &str, object: &Object, write: Write) -> Result<(), ExportError> {
        let mut inner = self.0.borrow_mut();
        inner.puts += 1;
        if inner.fails {
            return Err(ExportError::unavailable("It is down."));
        }
        let content = (object.first, object.last);
        match write {
            Write::Over => inner.objects.insert(key.to_owned(), content),
            Write::Missing => Some(*inner.objects.entry(key.to_owned()).or_insert(content)),
        };
        Ok(())
    }
}

impl Memory for World {
    fn recall(&self) -> Option<Vec<u8>> {
        self.0.borrow().remembered.clone()
    }

    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        self.0.borrow_mut().remembered = bytes.map(<[u8]>::to_vec);
        Ok(())
    }

    fn in_progress(&mut self, text: &str) {
        self.0.borrow_mut().progress = text.to_owned();
    }
}

fn archive(payload: Payload) -> (Archive<World, World>, World) {
    let world = World::default();
    let format = Format::JsonLines(payload, Compression::None);
    let template = Template::try_from("{first}-{last}".to_owned()).unwrap();
    let keys = Keys::new(template, "s", "e", format.extension()).unwrap();
    let encoder = Encoder::new("s".into(), format);
    let archive = Archive::new(keys, encoder, world.clone(), world.clone());
    (archive, world)
}

fn key(first: u64, last: u64) -> String {
    format!("{first:020}-{last:020}")
}

fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Message> {
    let message = |sequence_number| Message {
        sequence_number,
        ingest_time: 1000 + sequence_number,
        payload: b"x".to_vec(),
    };
    numbers.map(message).collect()
}

/// The places that come again, and those that are rejected.
fn places(undelivered: &[Undelivered]) -> (Vec<u32>, Vec<u32>) {
    let of = |wanted| {
        let chosen = undelivered.iter().filter(move |u| u.disposition == wanted);
        chosen.map(|u| u.index).collect()
    };
    (of(Disposition::Retry), of(Disposition::Reject))
}

impl World {
    fn objects(&self) -> Vec<(String, (u64, u64))> {
        self.0.borrow().objects.clone().into_iter().collect()
    }
}

#[test]
fn an_object_is_planned_first_and_written_with_the_next_call_by_one_request() {
    let (mut archive, world) = archive(Payload::Auto);
    let planned = archive.step(messages(3..=5)).unwrap();
    assert_eq!(places(&planned), (vec![0, 1, 2], vec![]));
    assert_eq!(world.0.borrow().puts, 0);
    assert_eq!(world.0.borrow().progress, "writing messages 3 to 5");
    assert_eq!(archive.step(messages(3..=5)).unwrap(), []);
    assert_eq!(world.objects(), [(key(3, 5), (3, 5))]);
    assert_eq!(world.0.borrow().puts, 1);
    assert_eq!(world.0.borrow().remembered, None);
}

#[test]
fn a_longer_batch_after_a_crash_overwrites_and_its_rest_is_an_object_of_its_own() {
    let (mut archive, world) = archive(Payload::Auto);
    archive.step(messages(3..=5)).unwrap();
    let remembered = world.0.borrow().remembered.clone();
    archive.step(messages(3..=5)).unwrap();
    // The crash: nobody knows of the object.
    world.0.borrow_mut().remembered = remembered;
    let rest = archive.step(messages(3..=9)).unwrap();
    assert_eq!(places(&rest), (vec![3, 4, 5, 6], vec![]));
    assert_eq!(archive.step(messages(6..=9)).unwrap(), []);
    assert_eq!(world.objects(), [(key(3, 5), (3, 5)), (key(6, 9), (6, 9))]);
}

#[test]
fn a_shorter_batch_overwrites_the_planned_object_and_the_rest_follows_by_itself() {
    let (mut archive, world) = archive(Payload::Auto);
    archive.step(messages(0..=7)).unwrap();
    let remembered = world.0.borrow().remembered.clone();
    archive.step(messages(0..=7)).unwrap();
    world.0.borrow_mut().remembered = remembered;
    for half in [0..=3, 4..=7] {
        let planned = archive.step(messages(half.clone())).unwrap();
        assert_eq!(places(&planned).0, [0, 1, 2, 3]);
        assert_eq!(archive.step(messages(half)).unwrap(), []);
    }
    assert_eq!(world.objects(), [(key(0, 7), (0, 3)), (key(4, 7), (4, 7))]);
}

#[test]
fn an_object_stays_whole_when_the_stream_has_lost_its_beginning() {
    let (mut archive, world) = archive(Payload::Auto);
    archive.step(messages(0..=7)).unwrap();
    let remembered = world.0.borrow().remembered.clone();
    archive.step(messages(0..=7)).unwrap();
    world.0.borrow_mut().remembered = remembered;
    let rest = archive.step(messages(4..=8)).unwrap();
    assert_eq!(places(&rest), (vec![4], vec![]));
    assert_eq!(world.objects(), [(key(0, 7), (0, 7))]);
}

#[test]
fn a_failure_keeps_the_plan() {
    let (mut archive, world) = archive(Payload::Auto);
    archive.step(messages(0..=2)).unwrap();
    world.0.borrow_mut().fails = true;
    assert!(archive.step(messages(0..=2)).is_err());
    assert!(archive.step(messages(0..=2)).is_err());
    world.0.borrow_mut().fails = false;
    assert_eq!(archive.step(messages(0..=2)).unwrap(), []);
    assert_eq!(world.objects(), [(key(0, 2), (0, 2))]);
}

#[test]
fn what_is_rejected_is_said_once_and_the_rest_is_written() {
    let (mut archive, world) = archive(Payload::Text);
    let batch = || {
        let mut batch = messages(0..=3);
        batch[0].payload = vec![0xff];
        batch[2].payload = vec![0xff];
        batch
    };
    assert_eq!(places(&archive.step(batch()).unwrap()).0, [0, 1, 2, 3]);
    assert_eq!(
        places(&archive.step(batch()).unwrap()),
        (vec![], vec![0, 2])
    );
    assert_eq!(world.objects(), [(key(0, 3), (1, 3))]);
}

#[test]
fn a_batch_of_nothing_but_rejected_messages_needs_no_request() {
    let (mut archive, world) = archive(Payload::Text);
    let bad = || {
        let mut bad = messages(0..=0);
        bad[0].payload = vec![0xff];
        bad
    };
    archive.step(bad()).unwrap();
    assert_eq!(places(&archive.step(bad()).unwrap()), (vec![], vec![0]));
    assert_eq!(world.0.borrow().puts, 0);
}

#[test]
fn a_batch_that_is_too_large_for_an_object_becomes_two() {
    let (mut archive, world) = archive(Payload::Auto);
    let batch = |first: u64| {
        let mut batch = messages(first..=3);
        for message in &mut batch {
            message.payload = vec![b'x'; 5 << 20];
        }
        batch
    };
    archive.step(batch(0)).unwrap();
    let rest = archive.step(batch(0)).unwrap();
    assert_eq!(places(&rest), (vec![2, 3], vec![]));
    assert_eq!(archive.step(batch(2)).unwrap(), []);
    assert_eq!(world.objects(), [(key(0, 1), (0, 1)), (key(2, 3), (2, 3))]);
    assert_eq!(world.0.borrow().puts, 2);
}
