use crate::Verdict;
use crate::testing::{self, Loaded, NAMES_NOTHING, SLOW_LEAK, TAKES_NOTHING, failed, transform};

/// Asserts that a transform with a misdeed at a mark fails one check, with this in its sentence.
async fn fails_only(mark: &str, misdeed: &str, name: &str, says: &str) {
    testing::fails_only(transform(&[(mark, misdeed)]), name, says).await;
}

#[tokio::test]
async fn a_transform_that_keeps_the_contract_holds_everything() {
    let report = Loaded::new(transform(&[])).await.report().await;
    assert_eq!(failed(&report), []);
    assert_eq!(report.count(Verdict::Holds), report.checks.len());
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    let before = ["description", "schema", "configuration"];
    let expected = [&before[..], &crate::refusals::CHECKS, &super::BATCHES].concat();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_configuration_that_is_refused_without_the_right_field_is_found() {
    let takes_unknown = "(if (i32.eq (i32.load (i32.const 0x308)) (i32.const 0x140))
        (then (i32.store8 (i32.const 0x300) (i32.const 0))))";
    for (misdeed, name, says) in [
        (takes_unknown, "unknown-key", "is taken"),
        (TAKES_NOTHING, "missing-key", "without `limit`"),
        (NAMES_NOTHING, "wrong-type", "without the name of the field"),
    ] {
        fails_only(";; OPEN", misdeed, name, says).await;
    }
}

#[tokio::test]
async fn a_crash_at_a_full_batch_is_found() {
    // As many messages are handed over in one other check, which are longer.
    let crash = "(if (i32.and
            (i32.gt_u (local.get $count) (i32.const 499))
            (i32.lt_u (i32.load offset=20 (local.get $batch)) (i32.const 512)))
        (then (unreachable)))";
    fails_only(";; TRANSFORM", crash, "full-batch", "unreachable").await;
}

#[tokio::test]
async fn a_batch_that_becomes_something_else_the_second_time_is_found() {
    let fewer = "(if (i32.load (i32.const 0x600))
            (then (local.set $count (i32.sub (local.get $count) (i32.const 1)))))
        (i32.store (i32.const 0x600) (i32.const 1))";
    let says = "does not become the same";
    fails_only(";; TRANSFORM", fewer, "repeated-batch", says).await;
}

#[tokio::test]
async fn memory_that_grows_with_each_batch_is_found() {
    let leak = "(drop (memory.grow (i32.const 1)))";
    for (leak, says) in [(leak, "64.0 KiB a batch"), (SLOW_LEAK, "3.8 KiB a batch")] {
        fails_only(";; TRANSFORM", leak, "memory", says).await;
    }
}
