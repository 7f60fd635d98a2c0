//! Tasks from their first call to their end.

mod fakes;

use std::fs::File;
use std::time::SystemTime;

use millstream_plugin::Disposition;
use millstream_plugin::config::parse;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::Config;
use fakes::{Desk, Store};

const MIB: u64 = 1 << 20;

struct Bench {
    executor: Executor<Store, Desk>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(r#", "statusConfig": {"statusLevel": 4, "statusStreamName": "status"}"#)
    }

    fn with(more: &str) -> Self {
        let config = format!(r#"{{"region": "x"{more}}}"#);
        let settings = parse::<Config>(&config).unwrap().try_into().unwrap();
        let context = ExportContext {
            stream_name: "s".into(),
            export_identifier: "e".into(),
        };
        let mut executor = Executor::new(Store::default(), Desk::default(), settings, context);
        // One part a call.
        executor.working_time = Duration::ZERO;
        let folder = tempfile::tempdir().unwrap();
        Self { executor, folder }
    }

    /// A file of so many bytes.
    fn file(&self, bytes: u64) -> File {
        let file = File::create(self.folder.path().join("f")).unwrap();
        file.set_len(bytes).unwrap();
        file
    }

    fn task(&self, number: u64, key: &str) -> Message {
        let url = format!("file:{}/f", self.folder.path().display());
        Message {
            sequence_number: number,
            ingest_time: 0,
            payload: json!({ "inputUrl": url, "bucket": "bucket", "key": key })
                .to_string()
                .into(),
        }
    }

    fn call(&mut self, message: &Message) -> Result<Vec<Undelivered>, ExportError> {
        self.executor.carry_out(message)
    }

    /// Calls until the task is settled; gives the calls it took.
    fn finish(&mut self, message: &Message) -> (usize, Vec<Undelivered>) {
        for calls in 1..100 {
            match self.call(message) {
                Ok(undelivered)
                    if undelivered
                        .iter()
                        .any(|it| it.disposition == Disposition::Retry) => {}
                Ok(undelivered) => return (calls, undelivered),
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("the task has no end");
    }

    fn calls(&self) -> String {
        self.executor.store.calls.join(", ")
    }

    fn statuses(&self) -> Vec<u64> {
        let code = |told: &Value| told["status"].as_u64().unwrap();
        self.executor.host.told.iter().map(code).collect()
    }

    fn fails_with(&mut self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.executor.store.faults = faults.into_iter().collect();
    }

    fn last_told(&self) -> &str {
        let told = self.executor.host.told.last().unwrap();
        told["message"].as_str().unwrap()
    }
}

fn unavailable(reason: &str) -> Fault {
    Fault::Later(ExportError::unavailable(reason))
}

#[test]
fn a_small_file_is_one_call_and_told_of() {
    let mut bench = Bench::new();
    bench.file(5 * MIB);
    let task = bench.task(3, "k/!{timestamp:yyyy/MM/dd}");
    assert!(bench.call(&task).unwrap().is_empty());
    assert_eq!(bench.calls(), "put s3://bucket/k/2026/01/01");
    assert_eq!(bench.statuses(), [2, 0]);
    assert!(bench.last_told().contains("s3://bucket/k/2026/01/01"));
    let context = &bench.executor.host.told[0]["statusContext"];
    assert_eq!(
        context["s3ExportTaskDefinition"]["key"],
        "k/!{timestamp:yyyy/MM/dd}"
    );
    assert_eq!(bench.executor.host.remembered, None);
}

#[test]
fn the_configured_threshold_decides_whether_a_file_goes_in_parts() {
    for (bytes, expected) in [
        (8 * MIB, "put s3://bucket/k"),
        (8 * MIB + 1, "create s3://bucket/k"),
    ] {
        let mut bench = Bench::with(r#", "sizeThresholdForMultipartUploadBytes": 8388608"#);
        bench.file(bytes);
        let task = bench.task(0, "k");
        bench.call(&task).unwrap();
        assert_eq!(bench.calls(), expected, "{bytes}");
    }
}

#[test]
fn a_task_that_is_tried_again_keeps_its_key_and_is_told_of_once() {
    let mut bench = Bench::new();
    bench.file(1);
    let task = bench.task(0, "!{timestamp:dd}");
    bench.fails_with([Some(unavailable("away"))]);
    assert_eq!(bench.call(&task), Err(ExportError::unavailable("away")));
    bench.executor.host.day = 9;
    assert!(bench.call(&task).unwrap().is_empty());
    assert_eq!(bench.calls(), "put s3://bucket/01, put s3://bucket/01");
    assert_eq!(bench.statuses(), [2, 0]);
}

#[test]
fn a_large_file_goes_in_steps_and_each_is_remembered() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(0, "k");
    let undelivered = bench.call(&task).unwrap();
    assert_eq!(undelivered[0].disposition, Disposition::Retry);
    assert_eq!(
        bench.executor.host.progress,
        ["uploading s3://bucket/k: 0 of 3 parts"]
    );
    let (calls, undelivered) = bench.finish(&task);
    assert!(undelivered.is_empty());
    assert_eq!(calls, 5);
    assert_eq!(
        bench.calls(),
        "create s3://bucket/k, part 1, part 2, part 3, list, list, complete"
    );
    assert_eq!(bench.executor.store.objects["k"].0, 11 * MIB);
    assert_eq!(bench.statuses(), [2, 0]);
    assert_eq!(bench.executor.host.remembered, None);
}

#[test]
fn a_call_goes_on_with_parts_while_it_has_time() {
    let mut bench = Bench::new();
    bench.executor.working_time = Duration::from_secs(3600);
    bench.file(100 * MIB);
    let (calls, _) = bench.finish(&bench.task(0, "k"));
    // Create; all parts; check; complete.
    assert_eq!(calls, 4);
}

#[test]
fn a_part_that_failed_is_sent_again_and_no_other() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(0, "k");
    bench.fails_with([None, None, Some(unavailable("cut"))]);
    bench.call(&task).unwrap();
    bench.call(&task).unwrap();
    assert_eq!(bench.call(&task), Err(ExportError::unavailable("cut")));
    bench.finish(&task);
    assert!(bench.calls().contains("part 1, part 2, part 2, part 3"));
}

#[test]
fn a_new_instance_sends_no_part_that_the_last_call_of_another_had_sent() {
    let mut bench = Bench::new();
    bench.file(21 * MIB);
    let task = bench.task(0, "k");
    bench.call(&task).unwrap();
    let before = bench.executor.host.remembered.clone();
    bench.call(&task).unwrap();
    bench.call(&task).unwrap();
    // The instance ended before its call returned, so nothing new is remembered.
    bench.executor.host.remembered = before;
    bench.executor.known_upload = None;
    bench.finish(&task);
    let expected = "part 1, part 2, list, part 3, part 4, part 5, list, list, complete";
    assert!(bench.calls().ends_with(expected), "{}", bench.calls());
}

#[test]
fn parts_that_s3_lost_are_sent_again() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(0, "k");
    for _ in 0..4 {
        bench.call(&task).unwrap();
    }
    for parts in bench.executor.store.uploads.values_mut() {
        parts.remove(1);
    }
    let error = bench.call(&task).unwrap_err();
    assert!(error.reason().contains("lacks part 2"), "{error:?}");
    bench.finish(&task);
    assert_eq!(bench.executor.store.objects["k"].0, 11 * MIB);
}

#[test]
fn an_upload_that_s3_forgot_begins_anew_with_the_same_key() {
    let mut bench = Bench::new();
    bench.file(6 * MIB);
    let task = bench.task(0, "!{timestamp:dd}");
    bench.call(&task).unwrap();
    bench.call(&task).unwrap();
    bench.executor.store.uploads.clear();
    bench.executor.host.day = 3;
    let error = bench.call(&task).unwrap_err();
    assert!(error.reason().contains("begins anew"), "{error:?}");
    bench.finish(&task);
    assert_eq!(bench.executor.store.objects["01"].0, 6 * MIB);
    assert_eq!(bench.statuses(), [2, 0]);
}

#[test]
fn an_upload_whose_completion_nobody_heard_of_is_known_by_its_tag() {
    let mut bench = Bench::new();
    bench.file(6 * MIB);
    let task = bench.task(0, "k");
    bench.executor.store.answers_lost = true;
    for _ in 0..4 {
        bench.call(&task).unwrap();
    }
    bench.call(&task).unwrap_err();
    assert!(bench.call(&task).unwrap().is_empty());
    assert!(
        bench.calls().ends_with("complete, list, tag"),
        "{}",
        bench.calls()
    );
    assert_eq!(bench.statuses(), [2, 0]);
}

#[test]
fn an_object_that_is_another_one_does_not_pass_for_the_upload() {
    let mut bench = Bench::new();
    bench.file(6 * MIB);
    let task = bench.task(0, "k");
    for _ in 0..4 {
        bench.call(&task).unwrap();
    }
    bench.executor.store.uploads.clear();
    let other = (6 * MIB, "\"0123-2\"".to_owned());
    bench.executor.store.objects.insert("k".to_owned(), other);
    let error = bench.call(&task).unwrap_err();
    assert!(error.reason().contains("begins anew"), "{error:?}");
}

#[test]
fn a_file_that_changed_meanwhile_ends_the_task_and_its_upload() {
    let changes: [fn(&File) -> std::io::Result<()>; 2] = [
        |file| file.set_len(12 * MIB),
        // Written anew, at the same size.
        |file| file.set_modified(SystemTime::UNIX_EPOCH),
    ];
    for change in changes {
        let mut bench = Bench::new();
        let file = bench.file(11 * MIB);
        let task = bench.task(0, "k");
        bench.call(&task).unwrap();
        bench.call(&task).unwrap();
        change(&file).unwrap();
        let undelivered = bench.call(&task).unwrap();
        assert_eq!(undelivered[0].disposition, Disposition::Reject);
        assert!(undelivered[0].reason.contains("changed"));
        assert!(bench.calls().ends_with("abort"));
        assert_eq!(bench.statuses(), [2, 1]);
        assert_eq!(bench.executor.host.remembered, None);
    }
}

#[test]
fn a_small_file_that_changes_while_it_is_read_ends_the_task_without_a_call() {
    let mut bench = Bench::new();
    // It is open when the task is told of, and not yet read.
    bench.executor.host.touched = Some(bench.file(10));
    let task = bench.task(0, "k");
    let undelivered = bench.call(&task).unwrap();
    assert_eq!(undelivered[0].disposition, Disposition::Reject);
    assert!(undelivered[0].reason.contains("changed"));
    assert_eq!(bench.calls(), "");
    assert_eq!(bench.statuses(), [2, 1]);
    assert_eq!(bench.executor.host.remembered, None);
}

#[test]
fn an_abort_that_is_not_answered_is_waited_for_and_one_that_is_refused_is_warned_of() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(0, "k");
    bench.call(&task).unwrap();
    std::fs::remove_file(bench.folder.path().join("f")).unwrap();
    let denied = Fault::Later(ExportError::denied("AccessDenied"));
    bench.fails_with([Some(unavailable("away")), Some(denied)]);
    assert_eq!(bench.call(&task), Err(ExportError::unavailable("away")));
    assert_eq!(bench.statuses(), [2]);
    let undelivered = bench.call(&task).unwrap();
    assert!(undelivered[0].reason.contains("There is no file"));
    assert_eq!(bench.statuses(), [2, 3, 1]);
    assert_eq!(bench.executor.host.told[1]["statusLevel"], 1);
}

#[test]
fn a_task_that_cannot_be_fails_without_a_call() {
    let mut bench = Bench::new();
    let mut task = bench.task(0, "k");
    let undelivered = bench.call(&task).unwrap();
    assert!(undelivered[0].reason.contains("There is no file"));
    assert_eq!(bench.statuses(), [1]);

    task.payload = b"no task".to_vec();
    let undelivered = bench.call(&task).unwrap();
    assert_eq!(undelivered[0].disposition, Disposition::Reject);
    let context = &bench.executor.host.told[1]["statusContext"];
    assert_eq!(context["s3ExportTaskDefinition"], Value::Null);

    bench.file(1);
    let undelivered = bench.call(&bench.task(2, "a b")).unwrap();
    assert!(undelivered[0].reason.starts_with("`key` of the task"));
    assert_eq!(bench.calls(), "");
}

#[test]
fn what_the_task_is_to_blame_for_ends_it_and_the_rest_is_tried_again() {
    let mut bench = Bench::new();
    bench.file(1);
    let task = bench.task(0, "k");
    let denied = Fault::Later(ExportError::denied("AccessDenied"));
    let missing = Fault::Never("NoSuchBucket".to_owned());
    bench.fails_with([Some(denied), Some(missing)]);
    assert_eq!(bench.call(&task), Err(ExportError::denied("AccessDenied")));
    let undelivered = bench.call(&task).unwrap();
    assert_eq!(undelivered[0], Undelivered::reject(0, "NoSuchBucket"));
    assert_eq!(bench.last_told(), "NoSuchBucket");
}

fn canceled(message: &Message) -> Canceled {
    Canceled {
        sequence_number: message.sequence_number,
        payload: Some(message.payload.clone()),
    }
}

#[test]
fn a_canceled_task_is_told_of_and_its_upload_aborted() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let (task, next) = (bench.task(4, "k"), bench.task(5, "l"));
    bench.call(&task).unwrap();
    let gone = Canceled {
        sequence_number: 6,
        payload: None,
    };
    let all = [canceled(&task), canceled(&next), gone];
    bench.executor.cancel(&all, CancelReason::StreamDeleted);
    assert!(bench.calls().ends_with("abort"));
    assert!(bench.executor.store.uploads.is_empty());
    assert_eq!(bench.statuses(), [2, 4, 4, 4]);
    let context = |index: usize| &bench.executor.host.told[index]["statusContext"];
    assert_eq!(context(2)["sequenceNumber"], 5);
    assert_eq!(context(2)["s3ExportTaskDefinition"]["key"], "l");
    assert_eq!(context(3).get("s3ExportTaskDefinition"), None);
    assert!(bench.last_told().contains("deleted"));
    assert_eq!(bench.executor.host.remembered, None);
}

#[test]
fn canceling_other_tasks_leaves_the_one_in_hand_alone() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(4, "k");
    bench.call(&task).unwrap();
    let earlier = bench.task(3, "j");
    bench
        .executor
        .cancel(&[canceled(&earlier)], CancelReason::Expired);
    assert!(bench.executor.host.remembered.is_some());
    assert_eq!(bench.executor.store.uploads.len(), 1);
    assert!(bench.last_told().contains("expired"));
}

#[test]
fn an_upload_that_cannot_be_aborted_on_cancel_is_warned_of() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let task = bench.task(0, "k");
    bench.call(&task).unwrap();
    bench.fails_with([Some(unavailable("away"))]);
    bench
        .executor
        .cancel(&[canceled(&task)], CancelReason::ExportDeleted);
    assert_eq!(bench.statuses(), [2, 4, 3]);
    assert!(bench.last_told().contains("away"));
}

#[test]
fn a_task_that_the_host_gave_up_is_cleared_up_before_the_next() {
    let mut bench = Bench::new();
    bench.file(11 * MIB);
    let given_up = bench.task(0, "k");
    bench.call(&given_up).unwrap();
    bench.file(1);
    bench.finish(&bench.task(1, "l"));
    assert!(bench.executor.store.uploads.is_empty());
    assert_eq!(bench.statuses(), [2, 1, 2, 0]);
}

#[test]
fn nobody_is_told_more_than_was_asked_for() {
    let level = r#", "statusConfig": {"statusLevel": 0, "statusStreamName": "status"}"#;
    for (more, expected) in [("", 0), (r#", "statusConfig": {}"#, 0), (level, 1)] {
        let mut bench = Bench::with(more);
        bench.file(1);
        bench.finish(&bench.task(0, "k"));
        bench.finish(&bench.task(1, "a b"));
        assert_eq!(bench.statuses().len(), expected, "{more}");
    }
}

#[test]
fn a_status_stream_that_is_gone_holds_nothing_up() {
    let mut bench = Bench::new();
    bench.executor.host.status_stream_is_gone = true;
    bench.file(1);
    let (_, undelivered) = bench.finish(&bench.task(0, "k"));
    assert!(undelivered.is_empty());
    let (_, undelivered) = bench.finish(&bench.task(1, "a b"));
    assert_eq!(undelivered[0].disposition, Disposition::Reject);
}

#[test]
fn what_cannot_be_read_of_the_memory_begins_anew() {
    let mut bench = Bench::new();
    bench.file(1);
    bench.executor.host.remembered = Some(b"{".to_vec());
    let (_, undelivered) = bench.finish(&bench.task(0, "k"));
    assert!(undelivered.is_empty());
}
