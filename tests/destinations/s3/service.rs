//! S3 in good days and bad.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream_tests::{
    ACCESS_KEY, Emulator, Line, Quality, Reserved, S3Fault, S3Server, eventually, run_script,
};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::setup::{STREAM, status, wait_for_delivery, wait_for_error, wait_for_rejections};

#[test]
fn the_official_sdk_has_files_uploaded_and_reads_what_became_of_them() {
    let emulator = Emulator::start();
    emulator.create_bucket("my-bucket");
    let folder = TempDir::new().unwrap();
    let small = file(&folder, "small é", 100_000);
    let large = file(&folder, "large", (12 << 20) + 5);
    let host = exporting(emulator.endpoint(), folder.path()).start();
    let port = host.port().to_string();
    let printed = run_script("upload.py", &[&port, folder.path().to_str().unwrap()]);
    let told: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let year = told[1]["message"].as_str().unwrap();
    let key = year
        .split_once("s3://my-bucket/")
        .unwrap()
        .1
        .trim_end_matches('.');
    assert!(key.starts_with("small/20") && key.ends_with("/it"), "{key}");
    let outline: Vec<_> = told
        .iter()
        .map(|told| {
            (
                told["task"].as_u64().unwrap(),
                told["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        outline,
        [
            (0, "InProgress"),
            (0, "Success"),
            (1, "InProgress"),
            (1, "Success"),
            (2, "InProgress"),
            (2, "Failure"),
        ]
    );
    assert_eq!(told[0]["key"], "small/!{timestamp:yyyy/MM/dd}/it");
    assert!(
        told[5]["message"]
            .as_str()
            .unwrap()
            .contains("no such bucket")
    );

    let object = emulator.object("my-bucket", key);
    assert_eq!(object["md5"], md5(&small));
    assert_eq!(object["metadata"], json!({ "plant": "7 b" }));
    let object = emulator.object("my-bucket", "large");
    assert_eq!(object["md5"], md5(&large));
    assert_eq!(object["metadata"], json!({ "a": "b" }));
    assert!(
        object["tag"].as_str().unwrap().ends_with("-3\""),
        "{object}"
    );
}

#[test]
fn tasks_are_carried_out_in_order_and_signed_by_the_host_alone() {
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    let host = exporting(server.endpoint(), folder.path()).start();
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let contents: Vec<Vec<u8>> = (0..20)
        .map(|number| file(&folder, &names[number], number * 1000))
        .collect();
    append(&host, names.iter().map(|name| task(&folder, name)));
    wait_for_delivery(&host, 20);
    let keys: Vec<String> = server.calls().into_iter().map(|call| call.key).collect();
    assert_eq!(keys, names);
    for (name, content) in names.iter().zip(&contents) {
        let object = server.object(name).unwrap();
        assert_eq!(
            (object.bytes, object.tag),
            (content.len() as u64, md5(content))
        );
    }
    let expected: Vec<_> = (0..20)
        .flat_map(|task| [(task, IN_PROGRESS), (task, SUCCESS)])
        .collect();
    wait_for_statuses(&host, &expected);
    assert!(!host.log().contains("a-secret-of-the-host"));
}

#[test]
fn an_s3_that_throttles_gets_everything_once() {
    let calls = AtomicUsize::new(0);
    let server = S3Server::scripted(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0..3 | 5 | 7 | 9 => Some(S3Fault::Refused(503, "SlowDown")),
        _ => None,
    });
    let folder = TempDir::new().unwrap();
    let content = file(&folder, "small", 10);
    file(&folder, "large", 11 << 20);
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "small")]);
    host.wait_for_log("SlowDown");
    append(&host, [task(&folder, "large")]);
    wait_for_delivery(&host, 2);
    assert_eq!(server.object("small").unwrap().tag, md5(&content));
    assert_eq!(server.object("large").unwrap().bytes, 11 << 20);
    assert_eq!(server.open_uploads(), 0);
    let all = [
        (0, IN_PROGRESS),
        (0, SUCCESS),
        (1, IN_PROGRESS),
        (1, SUCCESS),
    ];
    wait_for_statuses(&host, &all);
}

#[test]
fn an_s3_that_cannot_be_reached_gets_everything_when_it_is_back() {
    let away = Reserved::on_loopback();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 6 << 20);
    let host = exporting(&away.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f")]);
    wait_for_error(&host, "cannot be reached");
    let server = S3Server::listen(away, |_| None);
    wait_for_delivery(&host, 1);
    assert_eq!(server.object("f").unwrap().bytes, 6 << 20);
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}

#[test]
fn a_line_that_breaks_in_the_middle_of_an_upload_costs_the_part_on_its_way() {
    let line: Arc<Mutex<Option<Arc<Line>>>> = Arc::default();
    let broken = Arc::clone(&line);
    let server = S3Server::scripted(move |call| {
        if call.part == 3
            && let Some(line) = broken.lock().unwrap().take()
        {
            line.becomes(Quality::Down);
        }
        None
    });
    let address = server.endpoint().strip_prefix("http://").unwrap();
    let between = Arc::new(Line::to(address.parse().unwrap()));
    *line.lock().unwrap() = Some(Arc::clone(&between));
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 25 << 20);
    let host = exporting(&between.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f")]);
    wait_for_error(&host, "cannot be reached");
    between.becomes(Quality::Good);
    wait_for_delivery(&host, 1);
    assert_eq!(server.parts(), [1, 2, 3, 3, 4, 5]);
    assert_eq!(server.object("f").unwrap().bytes, 25 << 20);
}

#[test]
fn answers_that_are_none_are_no_success() {
    let mut answered = Vec::new();
    let server = S3Server::scripted(move |call| {
        if answered.contains(&call.operation) {
            return None;
        }
        answered.push(call.operation);
        Some(S3Fault::Garbage(match call.operation {
            // S3 answers so, with status 200, when it notices late that it cannot.
            "complete" => "<Error><Code>InternalError</Code></Error>",
            _ => "<html>log in</html>",
        }))
    });
    let folder = TempDir::new().unwrap();
    file(&folder, "small", 10);
    file(&folder, "large", 6 << 20);
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "small"), task(&folder, "large")]);
    wait_for_delivery(&host, 2);
    assert_eq!(server.object("small").unwrap().bytes, 10);
    assert_eq!(server.object("large").unwrap().bytes, 6 << 20);
    assert_eq!(server.open_uploads(), 0);
    let count = |operation| {
        let calls = server.calls();
        calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    };
    assert_eq!(
        (count("put"), count("create"), count("complete")),
        (2, 2, 2)
    );
    assert_eq!(server.parts(), [1, 1, 2]);
}

#[test]
fn an_upload_whose_completion_was_not_heard_of_is_not_sent_again() {
    let lost = AtomicUsize::new(0);
    let server = S3Server::scripted(move |call| {
        let is_first = call.operation == "complete" && lost.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then_some(S3Fault::AnswerLost)
    });
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 6 << 20);
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f")]);
    wait_for_delivery(&host, 1);
    assert_eq!(server.parts(), [1, 2]);
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}

#[test]
fn a_call_that_is_never_answered_is_given_up_and_made_again() {
    let calls = AtomicUsize::new(0);
    let server = S3Server::scripted(move |_| {
        (calls.fetch_add(1, Ordering::Relaxed) == 0).then_some(S3Fault::Hang)
    });
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    let mut exporting = exporting(server.endpoint(), folder.path());
    exporting.root = "plugins.call-deadline = \"10s\"".to_owned();
    let host = exporting.start();
    append(&host, [task(&folder, "f")]);
    // Its status shows the error for the moment of a pause only.
    host.wait_for_log("No answer about s3://bucket/f");
    wait_for_delivery(&host, 1);
    assert_eq!(server.calls().len(), 2);
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}

#[test]
fn wrong_credentials_are_waited_for_and_fail_no_task() {
    let server = S3Server::start();
    server.lets_in("AKIDOTHER");
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f")]);
    let error = wait_for_error(&host, "InvalidAccessKeyId");
    assert!(error.contains("s3:PutObject"), "{error}");
    assert_eq!(statuses(&host), [(0, IN_PROGRESS)]);
    server.lets_in(ACCESS_KEY);
    wait_for_delivery(&host, 1);
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}

#[test]
fn tasks_that_cannot_be_fail_alone() {
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    let host = exporting(server.endpoint(), folder.path()).start();
    let missing =
        json!({ "inputUrl": task(&folder, "f")["inputUrl"], "bucket": "other", "key": "k" });
    let mut wordy = task(&folder, "f");
    wordy["more"] = "x".repeat(900_000).into();
    setup::append(
        &host,
        [
            b"no task".to_vec(),
            missing.to_string().into_bytes(),
            wordy.to_string().into_bytes(),
            vec![b' '; 2 << 20],
            task(&folder, "f").to_string().into_bytes(),
        ],
    );
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 3);
    let expected = [
        (0, FAILURE),
        (1, IN_PROGRESS),
        (1, FAILURE),
        (2, IN_PROGRESS),
        (2, SUCCESS),
        (4, IN_PROGRESS),
        (4, SUCCESS),
    ];
    wait_for_statuses(&host, &expected);
    let told = told(&host);
    assert_eq!(told[0]["statusLevel"], 0);
    assert_eq!(told[0]["statusContext"].get("s3ExportTaskDefinition"), None);
    assert_eq!(told[1]["statusLevel"], 2);
    assert!(
        told[2]["message"]
            .as_str()
            .unwrap()
            .contains("no such bucket")
    );
}

#[test]
fn a_status_stream_that_is_not_granted_holds_no_task_up() {
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    let mut exporting = exporting(server.endpoint(), folder.path());
    exporting.grants = exporting.grants.replace("*status", "other");
    let host = exporting.start();
    append(&host, [task(&folder, "f")]);
    wait_for_delivery(&host, 1);
    host.wait_for_log("the status stream `status` was not told");
    assert_eq!(statuses(&host), []);
}

#[test]
fn after_a_kill_only_the_part_on_its_way_is_sent_again() {
    let calls = AtomicUsize::new(0);
    let server = S3Server::scripted(move |call| {
        let is_fourth = call.part == 4 && calls.fetch_add(1, Ordering::Relaxed) == 0;
        is_fourth.then_some(S3Fault::Hang)
    });
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 31 << 20);
    let mut host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f"), task(&folder, "f")]);
    eventually("the fourth part hangs", || {
        server.parts().contains(&4).then_some(())
    });
    host.kill();
    host.start_again();
    wait_for_delivery(&host, 2);
    assert_eq!(server.parts()[..8], [1, 2, 3, 4, 4, 5, 6, 7]);
    assert_eq!(server.object("f").unwrap().bytes, 31 << 20);
    assert_eq!(server.open_uploads(), 0);
    let all = [
        (0, IN_PROGRESS),
        (0, SUCCESS),
        (1, IN_PROGRESS),
        (1, SUCCESS),
    ];
    wait_for_statuses(&host, &all);
}

#[test]
fn an_upload_shows_how_far_it_is() {
    let held = Arc::new(AtomicUsize::new(1));
    let hold = Arc::clone(&held);
    let server = S3Server::scripted(move |call| {
        let hold = call.part == 2 && hold.load(Ordering::Relaxed) == 1;
        hold.then_some(S3Fault::Refused(503, "SlowDown"))
    });
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 6 << 20);
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f")]);
    wait_for_error(&host, "SlowDown");
    let described = host.describe(STREAM).unwrap();
    assert!(described["exports"][0]["lastExportedSequenceNumber"].is_null());
    assert_eq!(status(&host)["rejectedMessages"], 0);
    held.store(0, Ordering::Relaxed);
    wait_for_delivery(&host, 1);
    assert_eq!(server.object("f").unwrap().bytes, 6 << 20);
}
