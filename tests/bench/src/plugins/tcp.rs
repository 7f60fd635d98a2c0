//! Plugins that speak protocols of their own, to the real servers.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::{Case, row};
use crate::host::Setup;
use crate::nats::Nats;
use crate::report::skipped;

const NATS: &str = "export through nats";
const MQTT: &str = "export through mqtt";

pub(super) fn run(setup: &Setup, quick: bool) {
    let batches = if quick { 40 } else { 200 };
    let case = |plugin, address: &str, config| Case {
        plugin,
        what: "",
        grants: format!("addresses = [\"{address}\"]"),
        config,
        payload: Bytes::from(vec![b'x'; 200]),
        batch: 500,
        batches,
    };
    if setup.measures(NATS) {
        match Nats::start() {
            None => skipped(NATS, "nats-server is not installed"),
            Some(nats) => {
                let address = nats.address();
                nats.make_stream();
                // From the second run on these are repeats, which JetStream acknowledges alike, for both sides.
                let config =
                    json!({ "servers": [format!("nats://{address}")], "subject": "bench" });
                row::<millstream_nats::Nats>(setup, quick, &case("nats", &address, config));
            }
        }
    }
    if setup.measures(MQTT) {
        match Mosquitto::start() {
            None => skipped(MQTT, "mosquitto is not installed"),
            Some(broker) => {
                let address = broker.address();
                let config = json!({ "broker": format!("mqtt://{address}"), "topic": "bench" });
                row::<millstream_mqtt::Mqtt>(setup, quick, &case("mqtt", &address, config));
            }
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
