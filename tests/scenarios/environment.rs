//! The environment variables of the Greengrass component.

use millstream_tests::{Host, RawClient};
use tempfile::TempDir;

#[test]
fn the_components_variables_go_before_the_file() {
    let store = TempDir::new().unwrap();
    let folder = store.path().to_str().unwrap();
    let host = Host::start_with(
        "",
        &[
            ("STREAM_MANAGER_STORE_ROOT_DIR", folder),
            ("STREAM_MANAGER_SERVER_PORT", "0"),
            ("STREAM_MANAGER_EXPORTER_THREAD_POOL_SIZE", "2"),
            ("LOG_LEVEL", "DEBUG"),
            ("JVM_ARGS", "-Xmx128m"),
        ],
    );
    let mut client = RawClient::connect(host.port());
    assert!(
        client
            .call("l", millstream_protocol::Call::List)
            .outcome
            .is_ok()
    );
    assert!(store.path().join("streams/catalog.json").exists());
    assert!(!host.folder().join("data").exists());
    let log = host.log();
    assert!(log.contains("STREAM_MANAGER_STORE_ROOT_DIR"), "{log}");
    assert!(log.contains("DEBUG"), "{log}");
    // The port that was chosen is shown by a command that has the same environment.
    let status = host.command(&["status", "--address"]);
    let expected = format!("127.0.0.1:{}\n", host.port());
    assert_eq!(String::from_utf8_lossy(&status.stdout), expected);
}

#[test]
fn a_variable_that_cannot_be_used_stops_the_start_and_says_why() {
    let host = Host::start("");
    let output = millstream_tests::millstream()
        .current_dir(host.folder())
        .args(["check"])
        .env("STREAM_MANAGER_SERVER_PORT", "all")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("STREAM_MANAGER_SERVER_PORT") && complaint.contains("0 to 65535"),
        "{complaint}"
    );
}
