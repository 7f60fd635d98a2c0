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

#[test]
fn an_s3_export_cannot_ask_for_smaller_parts_than_the_component_is_set_to() {
    use millstream_protocol::definition::{Destination, Export, ExportDefinition, StrategyOnFull};
    use millstream_protocol::{Bounded, Call, MessageStreamDefinition, ResponseStatusCode};
    let variable = "STREAM_MANAGER_EXPORTER_S3_DESTINATION_MULTIPART_UPLOAD_MIN_PART_SIZE_BYTES";
    let host = Host::start_with("", &[(variable, "8000000")]);
    let mut client = RawClient::connect(host.port());
    let mut create = |name: &str, threshold| {
        let destination = Destination::S3TaskExecutor {
            multipart_threshold: Bounded::clamped(threshold),
            status: None,
        };
        let name = name.parse().unwrap();
        let mut definition =
            MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
        let export = Export::new("e".parse().unwrap(), destination);
        definition.exports = ExportDefinition::new(vec![export]).unwrap();
        client.call("c", Call::Create(Box::new(definition))).outcome
    };
    assert!(create("enough", 8_000_000).is_ok());
    let failure = create("less", 7_999_999).unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::InvalidRequest);
    assert!(failure.message.contains("8000000"), "{failure}");
}
