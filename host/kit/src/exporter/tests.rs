use super::*;
use crate::Verdict;
use crate::testing::{
    self, Loaded, NAMES_NOTHING, SCHEMA, SLOW_LEAK, TAKES_NOTHING, exporter, failed,
};

/// Asserts that an exporter with these misdeeds fails one check, with this in its sentence.
async fn fails_only(misdeeds: &[(&str, &str)], name: &str, says: &str) {
    testing::fails_only(exporter(SCHEMA, misdeeds), name, says).await;
}

#[tokio::test]
async fn an_exporter_that_keeps_the_contract_holds_everything() {
    let report = Loaded::new(exporter(SCHEMA, &[])).await.report().await;
    assert_eq!(failed(&report), []);
    assert!(report.holds());
    let not_applicable = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::NotApplicable);
    let names: Vec<_> = not_applicable.map(|check| check.name).collect();
    assert_eq!(names, destination::CHECKS);
    assert_eq!(
        report.count(Verdict::Holds) + names.len(),
        report.checks.len()
    );
}

#[tokio::test]
async fn a_crash_is_found_where_it_happens() {
    let on = |condition: &str| format!("(if {condition} (then (unreachable)))");
    let first = "(i32.load (i32.add (local.get $batch) (i32.const 16)))";
    let length = "(i32.load (i32.add (local.get $batch) (i32.const 20)))";
    for (condition, name) in [
        ("(i32.eqz (local.get $count))".to_owned(), "empty-batch"),
        (
            format!(
                "(i32.and (i32.ne (local.get $count) (i32.const 0)) (i32.eqz (i32.load8_u {first})))"
            ),
            "binary-payload",
        ),
        (
            format!("(i32.gt_u {length} (i32.const 60000))"),
            "largest-message",
        ),
        (
            "(i64.gt_u (i64.load (local.get $batch)) (i64.const 400))".to_owned(),
            "memory",
        ),
    ] {
        fails_only(&[(";; EXPORT", &on(&condition))], name, "unreachable").await;
    }
}

#[tokio::test]
async fn memory_that_grows_with_each_batch_is_found() {
    let leak = "(drop (memory.grow (i32.const 1)))";
    fails_only(&[(";; EXPORT", leak)], "memory", "64.0 KiB a batch").await;
    // Less in all than what an allocator may keep.
    fails_only(&[(";; EXPORT", SLOW_LEAK)], "memory", "3.8 KiB a batch").await;
}

#[tokio::test]
async fn a_full_batch_that_is_not_delivered_whole_is_found() {
    // Full in messages and in bytes: no other check hands over as much.
    let when_full = |misdeed: &str| {
        format!(
            "(if (i32.and
                (i32.gt_u (local.get $count) (i32.const 99))
                (i32.gt_u (i32.load (i32.add (local.get $batch) (i32.const 20))) (i32.const 4096)))
            (then {misdeed}))"
        )
    };
    for (misdeed, says) in [
        ("(unreachable)", "unreachable"),
        ("(call $undelivered (i32.const 0))", "to come again"),
        ("(call $undelivered (i32.const 1))", "rejects 1 message"),
    ] {
        let misdeed = when_full(misdeed);
        fails_only(&[(";; EXPORT", &misdeed)], "full-batch", says).await;
    }
}

#[tokio::test]
async fn an_exporter_that_does_not_take_the_same_messages_again_is_found() {
    // The number from which on that check hands over; what follows happens from the second time on.
    let when_repeated = |misdeed: &str| {
        format!(
            "(if (i64.eq (i64.load (local.get $batch)) (i64.const 7))
            (then
                (if (i32.load (i32.const 0x600)) (then {misdeed}))
                (i32.store (i32.const 0x600) (i32.const 1))))"
        )
    };
    for (misdeed, says) in [
        ("(unreachable)", "unreachable"),
        ("(call $undelivered (i32.const 0))", "Handed over again"),
        ("(call $undelivered (i32.const 1))", "rejects 1 message"),
    ] {
        let misdeed = when_repeated(misdeed);
        fails_only(&[(";; EXPORT", &misdeed)], "repeated-batch", says).await;
    }
}

#[tokio::test]
async fn a_configuration_that_is_refused_without_the_right_field_is_found() {
    let always_limit = "(i32.store (i32.const 0x308) (i32.const 0x130))
        (i32.store (i32.const 0x30c) (i32.const 5))";
    let says = "refused for the field `limit` instead";
    fails_only(&[(";; OPEN", always_limit)], "unknown-key", says).await;
    let accepts_unknown = "(if (i32.eq (i32.load (i32.const 0x308)) (i32.const 0x140))
        (then (i32.store8 (i32.const 0x300) (i32.const 0))))";
    fails_only(&[(";; OPEN", accepts_unknown)], "unknown-key", "is taken").await;
    let taken = &[(";; OPEN", TAKES_NOTHING)];
    fails_only(taken, "missing-key", "without `limit`").await;
    let unnamed = &[(";; OPEN", NAMES_NOTHING)];
    fails_only(unnamed, "wrong-type", "without the name of the field").await;
}

#[tokio::test]
async fn an_exporter_that_delivers_nothing_fails_once_and_the_rest_waits_for_that() {
    let never = "(if (local.get $count) (then (call $undelivered (i32.const 0))))";
    fails_only(&[(";; EXPORT", never)], "one-message", "to come again").await;
    let rejects = "(if (local.get $count) (then (call $undelivered (i32.const 1))))";
    fails_only(&[(";; EXPORT", rejects)], "one-message", "--payload").await;
}

#[tokio::test]
async fn a_schema_that_is_none_is_found() {
    let schema = SCHEMA.replace("\"integer\"", "\"number of things\"");
    let report = Loaded::new(exporter(&schema, &[])).await.report().await;
    let failed = failed(&report);
    assert!(
        failed[0].0 == "schema" && failed[0].1.contains("number of things"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_key_for_which_no_value_is_known_is_asked_for() {
    let schema = SCHEMA.replace(r#"{"type":"integer","default":1}"#, "{}");
    let report = Loaded::new(exporter(&schema, &[])).await.report().await;
    match failed(&report).as_slice() {
        [("configuration", sentence)] => {
            assert!(sentence.contains("--with '{\"limit\": …}'"), "{sentence}")
        }
        other => panic!("{other:?}"),
    }
}
