use super::*;

const PAGE: u64 = 64 << 10;

/// An instance that has a MiB, and this many bytes more after each of its batches, in whole pages as
/// WebAssembly has it.
fn life(batches: u64, more: impl Fn(u64) -> u64) -> Life {
    let mut life = Life::default();
    for batch in 1..=batches {
        life.add((1 << 20) + more(batch).next_multiple_of(PAGE));
    }
    life
}

fn leaking(batches: u64, each: u64) -> Course {
    life(batches, |batch| batch * each).course()
}

/// A record of batches after which the memory was this.
fn record(memory: impl IntoIterator<Item = Option<u64>>) -> Record {
    let mut record = Record::default();
    for memory in memory {
        record.add(memory);
    }
    record
}

#[test]
fn steady_growth_is_found_also_over_few_batches() {
    assert_eq!(leaking(SETTLED + 20, 50_000), Course::Grows);
    assert_eq!(leaking(SETTLED + 200, 2_000), Course::Grows);
    assert_eq!(leaking(SETTLED + 1_000, 2_000), Course::Grows);
    assert_eq!(leaking(10_000, 200), Course::Grows);
}

#[test]
fn too_few_batches_tell_nothing() {
    assert_eq!(leaking(SETTLED + 19, 50_000), Course::Unknown);
    assert_eq!(leaking(SETTLED + 20, 0), Course::Unknown);
    assert_eq!(leaking(SETTLED + 99, 0), Course::Unknown);
    assert_eq!(leaking(SETTLED + 100, 0), Course::Keeps);
    assert_eq!(life(0, |_| 0).course(), Course::Unknown);
}

#[test]
fn what_an_allocator_keeps_is_no_growth() {
    // It took much at once, while it was watched.
    let step = life(SETTLED + 100, |batch| if batch > 150 { 1 << 20 } else { 0 });
    assert_eq!((step.course(), step.growth()), (Course::Keeps, 1 << 20));
    // It came to an end late.
    let late = life(400, |batch| batch.min(200) * 8_000);
    assert_eq!(late.course(), Course::Keeps);
    // A page now and then.
    assert_eq!(leaking(10_000, 50), Course::Keeps);
    // And what came before it was settled counts in no way.
    let early = life(300, |batch| batch.min(SETTLED) << 20);
    assert_eq!((early.course(), early.growth()), (Course::Keeps, 0));
}

#[test]
fn an_instance_that_is_made_anew_begins_from_the_start() {
    // Gone after a batch, and gone in the middle of one.
    let gone = record([Some(2), Some(3), None, Some(2), Some(1), Some(1), Some(1)]);
    assert_eq!((gone.batches, gone.renewals), (7, 2));
    assert_eq!((gone.longest().batches, gone.longest().latest()), (3, 1));
    // The leak shows in the longest life, though the last one has just begun.
    let leaking = (1..=300).map(|batch| Some(batch * PAGE));
    let record = record(leaking.chain([None, Some(PAGE)]));
    let Err(Otherwise::DoesNotHold(says)) = record.finding(302, Duration::ZERO) else {
        panic!("{record:?}");
    };
    assert!(
        says.contains("64.0 KiB a batch") && says.contains("anew 1 time"),
        "{says}"
    );
}

#[test]
fn a_finding_says_how_many_batches_it_is_about() {
    let within = Duration::from_secs(120);
    let found = record(vec![Some(PAGE); 4_321]).finding(10_000, within);
    let Ok((says, ())) = found else {
        panic!("{found:?}");
    };
    assert!(
        says.contains("after 4321: it does not grow") && says.contains("4321 of 10000 batches"),
        "{says}"
    );
    for (done, wanted, advice) in [
        (150, 10_000, "--batches-within"),
        (150, 150, "--batches"),
        (0, 10_000, "did 0"),
    ] {
        let found = record(vec![Some(PAGE); done]).finding(wanted, within);
        let Err(Otherwise::NotApplicable(says)) = found else {
            panic!("{found:?}");
        };
        assert!(says.contains(advice), "{says}");
    }
    // Nobody lived long enough, however many batches there were.
    let short = (0..1_000).map(|batch| (batch % 150 != 0).then_some(PAGE));
    let found = record(short).finding(1_000, within);
    let Err(Otherwise::NotApplicable(says)) = found else {
        panic!("{found:?}");
    };
    assert!(
        says.contains("did 149.") && says.contains("anew 7 times"),
        "{says}"
    );
}
