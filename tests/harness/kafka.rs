//! A Kafka cluster on free ports: the mock cluster that librdkafka brings along, which speaks Kafka's own
//! protocol, and a real consumer that reads back what it holds (`tests/python/kafka_mock.py`).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use base64::Engine;
use serde_json::{Value, json};

use crate::{Certificates, python, repository};

/// A running cluster. Brokers are numbered from 1.
pub struct Kafka {
    process: Child,
    lines: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    brokers: Vec<SocketAddr>,
}

/// A record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Its partition.
    pub partition: i64,
    /// Its key, as text.
    pub key: Option<String>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// When it was made, in milliseconds.
    pub timestamp: Option<i64>,
}

impl Kafka {
    /// Starts a cluster of so many brokers.
    pub fn start(brokers: usize) -> Self {
        let script = repository().join("tests/python/kafka_mock.py");
        let mut process = python()
            .arg(script)
            .arg(brokers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let brokers: Vec<String> = serde_json::from_str(&line(&mut output)).unwrap();
        Self {
            process,
            lines: Mutex::new((input, output)),
            brokers: brokers.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn command(&self, command: &Value) -> Value {
        let mut lines = self.lines.lock().unwrap();
        let (input, output) = &mut *lines;
        writeln!(input, "{command}").unwrap();
        input.flush().unwrap();
        let answer = line(output);
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("{command} failed; its complaint is above"))
    }

    /// Where the brokers are, in order of their numbers.
    pub fn brokers(&self) -> &[SocketAddr] {
        &self.brokers
    }

    /// Makes a topic.
    pub fn create_topic(&self, topic: &str, partitions: u32) {
        self.command(&json!(["create", topic, partitions]));
    }

    /// Questions for the topic get this error; 0 is none.
    pub fn topic_fails(&self, topic: &str, error: i16) {
        self.command(&json!(["topic_error", topic, error]));
    }

    /// Moves a partition to a broker; with none it has no leader.
    pub fn set_leader(&self, topic: &str, partition: i32, broker: Option<i32>) {
        self.command(&json!(["leader", topic, partition, broker.unwrap_or(-1)]));
    }

    /// Ends a broker's connections, and refuses new ones.
    pub fn broker_down(&self, broker: i32) {
        self.command(&json!(["down", broker]));
    }

    /// Lets a broker be there again.
    pub fn broker_up(&self, broker: i32) {
        self.command(&json!(["up", broker]));
    }

    /// Where the cluster says that a broker is.
    pub fn advertise(&self, broker: i32, address: SocketAddr) {
        self.advertise_name(broker, &address.ip().to_string(), address.port());
    }

    /// The same with a name.
    pub fn advertise_name(&self, broker: i32, host: &str, port: u16) {
        self.command(&json!(["advertise", broker, host, port]));
    }

    /// The next requests to take records fail with these errors, one after the other.
    pub fn fail_requests(&self, errors: &[i16]) {
        self.command(&json!(["produce_errors", errors]));
    }

    /// The next batches for one partition fail with these errors, one after the other; 0 is none.
    pub fn fail_partition(&self, topic: &str, partition: i32, errors: &[i16]) {
        self.command(&json!(["partition_errors", topic, partition, errors]));
    }

    /// All answers take this long.
    pub fn delay(&self, milliseconds: u32) {
        self.command(&json!(["delay", milliseconds]));
    }

    /// Puts a record for each key, with a real producer and the partitioner of the Java client.
    pub fn produce(&self, topic: &str, keys: &[&str]) {
        self.command(&json!(["produce", topic, keys]));
    }

    /// The versions of requests to take records that the brokers know.
    pub fn produce_versions(&self, least: i16, most: i16) {
        self.command(&json!(["produce_versions", least, most]));
    }

    /// Everything that a topic holds, by partition and in order.
    pub fn records(&self, topic: &str) -> Vec<KafkaRecord> {
        let records = self.command(&json!(["records", topic]));
        let records = records.as_array().unwrap();
        records.iter().map(KafkaRecord::read).collect()
    }

    /// Puts a listener that asks for a login in front of broker 1; where it is.
    pub fn ask_for_login(&self, mechanism: &str, user: &str, password: &str) -> SocketAddr {
        let port = self.command(&json!(["gate", mechanism, user, password]));
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    /// The same over TLS, with a certificate for this machine.
    pub fn ask_for_login_over_tls(
        &self,
        (mechanism, user, password): (&str, &str, &str),
        certificates: &Certificates,
    ) -> SocketAddr {
        let (certificate, key) = (
            certificates.file("server.crt"),
            certificates.file("server.key"),
        );
        let port = self.command(&json!([
            "gate",
            mechanism,
            user,
            password,
            certificate,
            key
        ]));
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    /// Whether librdkafka's own client gets through such a listener.
    pub fn lets_in(&self, gate: SocketAddr, mechanism: &str, user: &str, password: &str) -> bool {
        let login = json!(["login", gate.port(), mechanism, user, password]);
        self.command(&login).as_bool().unwrap()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl KafkaRecord {
    fn read(record: &Value) -> Self {
        let value = record["value"].as_str().unwrap();
        Self {
            partition: record["partition"].as_i64().unwrap(),
            key: record["key"].as_str().map(str::to_owned),
            value: base64::engine::general_purpose::STANDARD
                .decode(value)
                .unwrap(),
            headers: serde_json::from_value(record["headers"].clone()).unwrap(),
            timestamp: record["timestamp"].as_i64(),
        }
    }
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}
