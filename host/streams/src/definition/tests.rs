use super::*;

const MEMORY: Persistence = Persistence::Memory;

fn definition() -> StreamDefinition {
    StreamDefinition {
        name: StreamName::new("s").unwrap(),
        max_size: 10_000,
        segment_size: 2000,
        time_to_live_millis: None,
        strategy_on_full: StrategyOnFull::RejectNewData,
        persistence: Persistence::File(Flush::Relaxed),
        exports: Vec::new(),
    }
}

fn export(identifier: &str, start: u64) -> Export {
    Export {
        identifier: identifier.into(),
        start: SequenceNumber::new(start),
        settings: String::new(),
    }
}

/// The sentence with which a definition is refused, of itself.
fn refusal(change: impl FnOnce(&mut StreamDefinition)) -> Option<String> {
    let mut changed = definition();
    change(&mut changed);
    sentence(changed.validate())
}

/// The sentence with which an update of a stream with so many messages and bytes is refused.
fn update_refusal(
    before: &StreamDefinition,
    (messages, bytes): (u64, u64),
    change: impl FnOnce(&mut StreamDefinition),
) -> Option<String> {
    let mut after = before.clone();
    change(&mut after);
    let position = Position {
        head: SequenceNumber::ZERO,
        tail: SequenceNumber::new(messages),
        bytes,
    };
    sentence(before.check_update(&after, position))
}

fn sentence(outcome: Result<(), Error>) -> Option<String> {
    match outcome {
        Ok(()) => None,
        Err(Error::InvalidDefinition { reason }) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_number_has_the_bounds_of_the_protocol_and_names_its_field() {
    type Set = fn(&mut StreamDefinition, u64);
    let whole_stream: Set = |wanted, size| {
        wanted.max_size = size;
        wanted.segment_size = wanted.segment_size.min(size).max(1024);
    };
    let segment: Set = |wanted, size| {
        (wanted.max_size, wanted.segment_size) = (i64::MAX.unsigned_abs(), size);
    };
    let time_to_live: Set = |wanted, millis| wanted.time_to_live_millis = Some(millis);
    let start: Set = |wanted, start| wanted.exports = vec![export("e", start)];
    for (field, set, least, most) in [
        ("maxSize", whole_stream, 1024, i64::MAX.unsigned_abs()),
        ("streamSegmentSize", segment, 1024, 2_147_483_647),
        ("timeToLiveMillis", time_to_live, 60_000, 9_223_372_036_854),
        ("startSequenceNumber", start, 0, i64::MAX.unsigned_abs()),
    ] {
        for inside in [least, most] {
            assert_eq!(refusal(|wanted| set(wanted, inside)), None, "{field}");
        }
        for outside in [least.checked_sub(1), Some(most + 1)].into_iter().flatten() {
            let refusal = refusal(|wanted| set(wanted, outside)).unwrap();
            assert!(refusal.starts_with(field), "{refusal}");
            assert!(refusal.contains(&outside.to_string()), "{refusal}");
        }
    }
}

#[test]
fn a_segment_is_at_most_as_large_as_its_stream() {
    assert_eq!(refusal(|wanted| wanted.segment_size = 10_000), None);
    let refusal = refusal(|wanted| wanted.segment_size = 10_001).unwrap();
    assert!(refusal.contains("at least streamSegmentSize"), "{refusal}");
}

#[test]
fn identifiers_of_exports_are_unique_and_of_a_name_s_length() {
    let two = |one: &str, two: &str| {
        let exports = vec![export(one, 0), export(two, 0)];
        refusal(|wanted| wanted.exports = exports)
    };
    assert_eq!(two("a", &"b".repeat(255)), None);
    assert!(two("a", "a").unwrap().contains("\"a\""));
    assert!(two("a", "").unwrap().contains("identifier"));
    assert!(two("a", &"b".repeat(256)).unwrap().contains("identifier"));
}

#[test]
fn where_a_stream_is_kept_cannot_change_and_how_it_is_flushed_can() {
    let (before, mut after) = (definition(), definition());
    after.persistence = MEMORY;
    let not_allowed = Err(Error::UpdateNotAllowed {
        field: "persistence",
    });
    let position = Position::default();
    assert_eq!(before.check_update(&after, position), not_allowed);
    assert_eq!(after.check_update(&before, position), not_allowed);
    assert_eq!(after.check_update(&after, position), Ok(()), "sent again");
    after.persistence = Persistence::File(Flush::EveryAppend);
    assert_eq!(before.check_update(&after, position), Ok(()));
}

#[test]
fn a_stream_cannot_be_made_smaller_than_what_it_holds() {
    let held = (5, 5000);
    let to = |size| update_refusal(&definition(), held, |wanted| wanted.max_size = size);
    assert_eq!(to(5000), None);
    assert!(to(4999).unwrap().starts_with("maxSize (4999)"));
}

#[test]
fn a_start_is_changed_only_to_a_number_below_the_newest() {
    let mut before = definition();
    before.exports = vec![export("far", 900)];
    let with = |messages, identifier: &str, start| {
        update_refusal(&before, (messages, 0), |wanted| {
            wanted.exports = vec![export(identifier, start)];
        })
    };
    assert_eq!(with(10, "far", 900), None, "sent again, though far away");
    assert_eq!(with(10, "far", 8), None);
    let refusal = with(10, "far", 9).unwrap();
    assert!(refusal.contains("startSequenceNumber (9) of export far"));
    assert_eq!(with(10, "new", 8), None);
    assert!(with(10, "new", 9).is_some(), "one that is new, too");
    for messages in [0, 1, 2] {
        assert_eq!(with(messages, "far", 0), None, "0 asks for nothing");
        assert_eq!(with(messages, "new", 0), None);
        assert!(with(messages, "new", 1).is_some());
    }
}
