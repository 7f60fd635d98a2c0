//! Plugins that speak protocols of their own, to the real servers.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::{Case, row};
use crate::host::Setup;
use crate::nats::Nats;
use crate::report::skipped;

pub(super) fn run(setup: &Setup, quick: bool) {
    let batches = if quick { 40 } else { 200 };
    let payload = Bytes::from(vec![b'x'; 200]);
    match Nats::start() {
        None => skipped("export through nats", "nats-server is not installed"),
        Some(nats) => {
            let address = nats.address();
            nats.make_stream();
            let case = Case {
                plugin: "nats",
                what: "",
                grants: format!("addresses = [\"{address}\"]"),
                // From the second run on these are repeats, which JetStream acknowledges alike, for both sides.
                config: json!({ "servers": [format!("nats://{address}")], "subject": "bench" }),
                payload: payload.clone(),
                batch: 500,
                batches,
            };
            row::<millstream_nats::Nats>(setup, quick, &case);
        }
    }
    match Mosquitto::start() {
        None => skipped("export through mqtt", "mosquitto is not installed"),
        Some(broker) => {
            let address = broker.address();
            let case = Case {
                plugin: "mqtt",
                what: "",
                grants: format!("addresses = [\"{address}\"]"),
                config: json!({ "broker": format!("mqtt://{address}"), "topic": "bench" }),
                payload,
                batch: 500,
                batches,
            };
            row::<millstream_mqtt::Mqtt>(setup, quick, &case);
        }
    }
}

/// A running broker.
struct Mosquitto {
    child: Child,
    port: u16,
}

impl Mosquitto {
    /// Starts one; none where the Debian package `mosquitto` is not installed.
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("mosquitto")
            .env("PATH", format!("{path}:/usr/sbin"))
            .args(["-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let broker = Self { child, port };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(broker)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
