//! Logins. The listener that asks for them is of the tests' own making (`tests/python/kafka_sasl.py`), so
//! librdkafka's client is held to it as well.

use std::net::SocketAddr;
use std::path::Path;

use millstream_tests::Certificates;

use super::{TOPIC, assert_whole, exporting_to, single};
use crate::setup::{Exporting, append_numbered, wait_for_delivery, wait_for_error, write_secret};

/// An export that logs in with the password in a file.
fn logging_in(gate: SocketAddr, mechanism: &str, password: &Path) -> Exporting<'static> {
    let sasl = format!(
        ", sasl = {{ mechanism = \"{mechanism}\", username = \"press-4\", passwordSecret = \"kafka\" }}"
    );
    let mut exporting = exporting_to(&[gate], &[gate], &sasl);
    exporting.grants += "\nreadable-secrets = [\"kafka\"]";
    exporting.more = format!("[secrets.kafka]\nfile = {password:?}");
    exporting
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
        write_secret(&secret, "pen");
        let host = logging_in(gate, mechanism, &secret).start();
        append_numbered(&host, 0..20);
        let error = wait_for_error(&host, "refuses this device");
        assert!(error.contains("Invalid username or password"), "{error}");
        write_secret(&secret, "pencil");
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
    write_secret(secret.path(), "pencil");
    let host = logging_in(gate, "PLAIN", secret.path()).start();
    append_numbered(&host, 0..20);
    let error = wait_for_error(&host, "sasl.mechanism");
    assert!(error.contains("it knows SCRAM-SHA-512"), "{error}");
    assert!(kafka.records(TOPIC).is_empty());
}

#[test]
fn a_login_goes_over_tls_to_brokers_known_by_name() {
    let kafka = single(1);
    let certificates = Certificates::new();
    let login = ("PLAIN", "press-4", "pencil");
    let gate = kafka.ask_for_login_over_tls(login, &certificates);
    kafka.advertise_name(1, "localhost", gate.port());
    let secret = tempfile::NamedTempFile::new().unwrap();
    write_secret(secret.path(), "pencil");
    let authority = certificates.file("authority.crt");
    let exporting = |tls: bool| {
        let mut exporting = logging_in(gate, "PLAIN", secret.path());
        exporting.grants = format!(
            "private-addresses = [\"localhost:{}\"]\nreadable-secrets = [\"kafka\"]",
            gate.port()
        );
        let config = exporting.config.replace("127.0.0.1", "localhost");
        exporting.config = config.replace("topic =", &format!("tls = {tls}, topic ="));
        exporting.environment = vec![("SSL_CERT_FILE", authority.to_str().unwrap())];
        exporting.start()
    };

    let host = exporting(false);
    append_numbered(&host, 0..20);
    wait_for_error(&host, "`tls`");
    drop(host);

    let host = exporting(true);
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);
}
