//! Files that are not what a task needs, or not where it may look.

use std::fs::File;
use std::time::Duration;

use millstream_tests::S3Server;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::setup::{wait_for_delivery, wait_for_rejections};

fn task_of(url: &str) -> Value {
    json!({ "inputUrl": url, "bucket": "bucket", "key": "k" })
}

#[test]
fn no_file_outside_the_granted_folders_is_uploaded() {
    let server = S3Server::start();
    let root = TempDir::new().unwrap();
    let granted = root.path().join("granted");
    std::fs::create_dir_all(granted.join("in")).unwrap();
    std::fs::write(root.path().join("secret"), "a secret of the device").unwrap();
    std::fs::write(granted.join("in/own"), "its own").unwrap();
    std::os::unix::fs::symlink("../secret", granted.join("link")).unwrap();
    std::os::unix::fs::symlink(root.path().join("secret"), granted.join("absolute")).unwrap();
    std::os::unix::fs::symlink("..", granted.join("up")).unwrap();
    std::os::unix::fs::symlink("in/own", granted.join("inside")).unwrap();
    let host = exporting(server.endpoint(), &granted).start();
    let here = granted.display();
    let (nowhere, denied) = ("There is no file `/", "may not be read: ");
    let escapes = [
        (format!("file:{}/secret", root.path().display()), nowhere),
        (format!("file:{here}/../secret"), nowhere),
        (format!("file://{here}/in/../../secret"), nowhere),
        (format!("file:{here}/%2e%2e/secret"), nowhere),
        (format!("file:{here}/%2E%2E%2Fsecret"), nowhere),
        (format!("file:{here}/link"), denied),
        (format!("file:{here}/absolute"), denied),
        (format!("file:{here}/up/secret"), denied),
        ("file:/etc/passwd".to_owned(), nowhere),
        ("file:/proc/self/environ".to_owned(), nowhere),
        (format!("file:{here}/in/own%00"), "NUL"),
        (format!("file://elsewhere{here}/in/own"), "`elsewhere`"),
        (format!("http:{here}/in/own"), "not the URL of a local file"),
        ("file:in/own".to_owned(), "not absolute"),
    ];
    append(&host, escapes.iter().map(|(url, _)| task_of(url)));
    append(
        &host,
        [task_of(&format!("file://localhost{here}/in/./x/../own"))],
    );
    append(&host, [task_of(&format!("file:{here}/inside"))]);
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, escapes.len() as u64);
    let bodies: Vec<u64> = server.calls().iter().map(|call| call.bytes).collect();
    assert_eq!(bodies, [7, 7]);
    assert_eq!(server.object("k").unwrap().tag, md5(b"its own"));
    let mut expected: Vec<_> = (0..escapes.len() as u64)
        .map(|task| (task, FAILURE))
        .collect();
    for task in [escapes.len() as u64, escapes.len() as u64 + 1] {
        expected.extend([(task, IN_PROGRESS), (task, SUCCESS)]);
    }
    wait_for_statuses(&host, &expected);
    for (told, (url, reason)) in told(&host).iter().zip(&escapes) {
        let message = told["message"].as_str().unwrap();
        assert!(message.contains(*reason), "{url}: {message}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_file_fails_its_task_and_no_other() {
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let host = exporting(server.endpoint(), folder.path()).start();
    let names = ["none", "folder", "pipe", "f/f", "f"];
    append(&host, names.map(|name| task(&folder, name)));
    wait_for_delivery(&host, 1);
    let failed = (0..4).map(|task| (task, FAILURE));
    let expected: Vec<_> = failed.chain([(4, IN_PROGRESS), (4, SUCCESS)]).collect();
    wait_for_statuses(&host, &expected);
    let told = told(&host);
    for (told, expected) in told
        .iter()
        .zip(["There is no file", "is not a file", "is not a file"])
    {
        let message = told["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

/// Has a file of 21 MiB uploaded by two tasks, and changes it once, in the middle of the first.
fn fails_if_it_changes_and_leaves_nothing_behind(change: fn(&File)) {
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 21 << 20);
    let path = folder.path().join("f");
    let mut once = Some(path.clone());
    let server = S3Server::scripted(move |call| {
        if call.part == 2
            && let Some(path) = once.take()
        {
            change(&File::options().append(true).open(path).unwrap());
        }
        None
    });
    let host = exporting(server.endpoint(), folder.path()).start();
    append(&host, [task(&folder, "f"), task(&folder, "f")]);
    wait_for_delivery(&host, 1);
    wait_for_rejections(&host, 1);
    let all = [
        (0, IN_PROGRESS),
        (0, FAILURE),
        (1, IN_PROGRESS),
        (1, SUCCESS),
    ];
    wait_for_statuses(&host, &all);
    let told = told(&host);
    assert!(told[1]["message"].as_str().unwrap().contains("changed"));
    assert_eq!(server.parts()[..3], [1, 2, 1]);
    let bytes = std::fs::metadata(path).unwrap().len();
    assert_eq!(server.object("f").unwrap().bytes, bytes);
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn a_file_that_grows_while_it_is_uploaded_fails_and_leaves_nothing_behind() {
    fails_if_it_changes_and_leaves_nothing_behind(|file| file.set_len(22 << 20).unwrap());
}

#[test]
fn a_file_that_is_written_anew_at_the_same_size_while_it_is_uploaded_fails_as_well() {
    fails_if_it_changes_and_leaves_nothing_behind(|file| {
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written + Duration::from_secs(1)).unwrap();
    });
}
