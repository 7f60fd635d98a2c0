//! Files that are not what a task needs, or not where it may look.

use std::sync::{Arc, Mutex};

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
    let escapes = [
        format!("file:{}/secret", root.path().display()),
        format!("file:{here}/../secret"),
        format!("file://{here}/in/../../secret"),
        format!("file:{here}/%2e%2e/secret"),
        format!("file:{here}/%2E%2E%2Fsecret"),
        format!("file:{here}/link"),
        format!("file:{here}/absolute"),
        format!("file:{here}/up/secret"),
        "file:/etc/passwd".to_owned(),
        "file:/proc/self/environ".to_owned(),
        format!("file:{here}/in/own%00"),
        format!("file://elsewhere{here}/in/own"),
        format!("http:{here}/in/own"),
        "file:in/own".to_owned(),
    ];
    append(&host, escapes.iter().map(|url| task_of(url)));
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

#[test]
fn a_file_that_changes_while_it_is_uploaded_fails_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 21 << 20);
    let path = folder.path().join("f");
    let once = Arc::new(Mutex::new(Some(path)));
    let server = S3Server::scripted(move |call| {
        if call.part == 2
            && let Some(path) = once.lock().unwrap().take()
        {
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_len(22 << 20).unwrap();
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
    assert_eq!(server.object("f").unwrap().bytes, 22 << 20);
    assert_eq!(server.open_uploads(), 0);
}
