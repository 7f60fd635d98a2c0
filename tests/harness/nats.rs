//! The real `nats-server` with JetStream, on a free port and in a folder of its own, and what tests ask of
//! it. It is asked over a socket in its own words: what stands in a stream is then what the server says,
//! without a client library in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{eventually, server};

/// A running server.
pub struct Nats {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    /// What tests say in `CONNECT`, such as a user.
    login: Value,
}

/// One message of a JetStream stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsMessage {
    /// Where it was published.
    pub subject: String,
    /// Its headers as they are.
    pub headers: String,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl NatsMessage {
    /// Its header `Nats-Msg-Id`.
    pub fn id(&self) -> &str {
        let found = self
            .headers
            .lines()
            .find_map(|line| line.strip_prefix("Nats-Msg-Id: "));
        found.unwrap_or_default()
    }
}

impl Nats {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::start_with("", json!({}))
    }

    /// Starts one with further configuration, which lets tests in by `login`.
    pub fn start_with(config: &str, login: Value) -> Self {
        let folder = TempDir::new().unwrap();
        write_config(&folder, config);
        let (child, address) = launch(&folder);
        Self {
            folder,
            child,
            address,
            login,
        }
    }

    /// Where it listens; another port after [`Self::start_again`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Changes the further configuration, for the next start.
    pub fn configure(&self, config: &str) {
        write_config(&self.folder, config);
    }

    /// Starts again on the same folder.
    pub fn start_again(&mut self) {
        (self.child, self.address) = launch(&self.folder);
    }

    /// Makes a JetStream stream; `more` overrides the usual.
    pub fn create_stream(&self, name: &str, subjects: &[&str], more: &Value) {
        let mut config = json!({
            "name": name, "subjects": subjects, "storage": "file", "num_replicas": 1,
            "retention": "limits", "discard": "old", "max_msgs": -1, "max_bytes": -1,
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let answer = self.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &config);
        assert!(answer["error"].is_null(), "{answer}");
    }

    /// Changes a stream.
    pub fn update_stream(&self, name: &str, subjects: &[&str], more: &Value) {
        let mut config =
            self.ask(&format!("$JS.API.STREAM.INFO.{name}"), &json!({}))["config"].clone();
        config["subjects"] = json!(subjects);
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let answer = self.ask(&format!("$JS.API.STREAM.UPDATE.{name}"), &config);
        assert!(answer["error"].is_null(), "{answer}");
    }

    /// Everything in a stream, in order.
    pub fn messages(&self, stream: &str) -> Vec<NatsMessage> {
        let mut client = self.client();
        let info = client.ask(&format!("$JS.API.STREAM.INFO.{stream}"), &json!({}));
        let (first, last) = (&info["state"]["first_seq"], &info["state"]["last_seq"]);
        let numbers = first.as_u64().unwrap()..=last.as_u64().unwrap();
        let decode = |text: &Value| STANDARD.decode(text.as_str().unwrap_or_default()).unwrap();
        numbers
            .filter(|number| *number > 0)
            .map(|number| {
                let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
                let answer = client.ask(&subject, &json!({ "seq": number }));
                let message = &answer["message"];
                assert!(message.is_object(), "{answer}");
                NatsMessage {
                    subject: message["subject"].as_str().unwrap().to_owned(),
                    headers: String::from_utf8(decode(&message["hdrs"])).unwrap(),
                    payload: decode(&message["data"]),
                }
            })
            .collect()
    }

    /// A request to the server, and its answer.
    pub fn ask(&self, subject: &str, body: &Value) -> Value {
        self.client().ask(subject, body)
    }

    fn client(&self) -> Client {
        Client::connect(self.address, &self.login)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &TempDir, more: &str) {
    let path = folder.path().display();
    // `-1` is a free port; where it is, stands in a file that the server writes when it serves.
    let text = format!(
        "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{path}\"\n\
         jetstream {{ store_dir: \"{path}/streams\" }}\n{more}\n"
    );
    std::fs::write(folder.path().join("nats.conf"), text).unwrap();
}

fn launch(folder: &TempDir) -> (Child, SocketAddr) {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut child = server("nats-server")
        .arg("--config")
        .arg(folder.path().join("nats.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("nats-server: {error}; run `cargo xtask test`"));
    let ports = folder
        .path()
        .join(format!("nats-server_{}.ports", child.id()));
    let address = eventually("nats-server listens", || {
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
            panic!("nats-server ended with {status}:\n{log}");
        }
        let ports: Value = serde_json::from_str(&std::fs::read_to_string(&ports).ok()?).ok()?;
        let url = ports["nats"][0].as_str()?;
        url.split_once("://")?.1.parse().ok()
    });
    (child, address)
}

/// A connection of a test to the server.
struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr, login: &Value) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut client = Self { stream, reader };
        let mut options = json!({ "verbose": false, "headers": true, "no_responders": true });
        for (key, value) in login.as_object().unwrap() {
            options[key] = value.clone();
        }
        client.send(format!("CONNECT {options}\r\nSUB test.answers 1\r\n").as_bytes());
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn ask(&mut self, subject: &str, body: &Value) -> Value {
        let body = body.to_string();
        self.send(format!("PUB {subject} test.answers {}\r\n{body}\r\n", body.len()).as_bytes());
        loop {
            let mut line = String::new();
            assert!(
                self.reader.read_line(&mut line).unwrap() > 0,
                "nats-server has closed"
            );
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["MSG", .., length] => {
                    let mut answer = vec![0; length.parse::<usize>().unwrap() + 2];
                    self.reader.read_exact(&mut answer).unwrap();
                    return serde_json::from_slice(&answer).unwrap();
                }
                ["PING"] => self.send(b"PONG\r\n"),
                ["-ERR", ..] | ["HMSG", ..] => panic!("nats-server says {line}"),
                _ => {}
            }
        }
    }
}
