//! Logins. The listener that asks for them is of the tests' own making (`tests/python/kafka_sasl.py`), so
//! librdkafka's client is held to it as well.

use std::net::SocketAddr;
use std::path::Path;

use millstream_tests::Host;

use super::{TOPIC, assert_whole, exporting_to, single};
use crate::setup::{append_numbered, wait_for_delivery, wait_for_error};

/// An export that logs in with the password in a file.
fn logging_in(gate: SocketAddr, mechanism: &str, password: &Path) -> Host {
    let sasl = format!(
        ", sasl = {{ mechanism = \"{mechanism}\", username = \"press-4\", passwordSecret = \"kafka\" }}"
    );
    let mut exporting = exporting_to(&[gate], &[gate], &sasl);
    exporting.grants += "\nreadable-secrets = [\"kafka\"]";
    exporting.more = format!("[secrets.kafka]\nfile = {password:?}");
    exporting.start()
}

#[test]
fn a_wrong_password_is_denied_and_a_new_one_counts_at_once() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let kafka = single(1);
        let gate = kafka.ask_for_login(mechanism, "press-4", "pencil");
        assert!(kafka.lets_in(gate, mechanism, "press-4", "pencil"));
        assert!(!kafka.lets_in(gate, mechanism, "press-4", "pen"));

        let folder = tempfile::TempDir::new().unwrap();
        let secret = folder.path().join("password");
        std::fs::write(&secret, "pen").unwrap();
        let host = logging_in(gate, mechanism, &secret);
        append_numbered(&host, 0..20);
        let error = wait_for_error(&host, "refuses this device");
        assert!(error.contains("Invalid username or password"), "{error}");
        std::fs::write(&secret, "pencil").unwrap();
        wait_for_delivery(&host, 20);
        assert_whole(&kafka.records(TOPIC), 20, true);
        assert!(!host.log().contains("pencil"), "a password is in the log");
    }
}

#[test]
fn a_mechanism_that_is_not_known_is_for_the_operator() {
    let kafka = single(1);
    let gate = kafka.ask_for_login("SCRAM-SHA-512", "press-4", "pencil");
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "pencil").unwrap();
    let host = logging_in(gate, "PLAIN", secret.path());
    append_numbered(&host, 0..20);
    let error = wait_for_error(&host, "sasl.mechanism");
    assert!(error.contains("it knows SCRAM-SHA-512"), "{error}");
    assert!(kafka.records(TOPIC).is_empty());
}
