//! The real `mosquitto`, on a free port and in a folder of its own, and a subscriber that keeps what
//! arrives.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::{eventually, server};

/// A running broker.
pub struct Mosquitto {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Mosquitto {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true\n", &[])
    }

    /// Starts one with lines of configuration and files beside it; `FOLDER` in a line is where they are.
    pub fn start_with(config: &str, files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        loop {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let path = folder.path().display().to_string();
            let mut text = format!("listener {port} 127.0.0.1\nmax_queued_messages 0\n");
            // As root it would become another user, who cannot read the folder.
            writeln!(text, "user root\n{}", config.replace("FOLDER", &path)).unwrap();
            std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if let Some(child) = launch(&folder, address) {
                return Self {
                    folder,
                    child,
                    address,
                };
            }
        }
    }

    /// Makes a file of passwords with one user, as `mosquitto_passwd` does.
    pub fn password_file(user: &str, password: &str) -> String {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("passwords");
        let status = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&file)
            .args([user, password])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "mosquitto_passwd ended with {status}");
        std::fs::read_to_string(file).unwrap()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Publishes a message with QoS 1, as a client without a user; it returns when the broker has it.
    pub fn publish(&self, topic: &str, payload: &[u8]) {
        let mut broker = TcpStream::connect(self.address).unwrap();
        send(&mut broker, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\0");
        assert_eq!(receive(&mut broker).unwrap(), (0x20, vec![0, 0]));
        let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
        let packet = [&length, topic.as_bytes(), b"\0\x01", payload].concat();
        send(&mut broker, 0x32, &packet);
        assert_eq!(receive(&mut broker).unwrap(), (0x40, vec![0, 1]));
    }

    /// Keeps from now on what is published, as a client without a user.
    pub fn subscribe(&self) -> Subscriber {
        self.subscribe_as(None)
    }

    /// The same as a user with a password.
    pub fn subscribe_as(&self, user: Option<(&str, &str)>) -> Subscriber {
        Subscriber::start(self.address, user)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program; none if the port was taken in the meantime.
fn launch(folder: &TempDir, address: SocketAddr) -> Option<Child> {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut child = server("mosquitto")
        .arg("--verbose")
        .arg("--config-file")
        .arg(folder.path().join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("mosquitto: {error}; run `cargo xtask test`"));
    eventually("mosquitto listens", || {
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
            assert!(
                log.contains("Address already in use"),
                "mosquitto ended with {status}:\n{log}"
            );
            return Some(false);
        }
        TcpStream::connect(address).ok().map(|_| true)
    })
    .then_some(child)
}

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Where it was published.
    pub topic: String,
    /// What it carries.
    pub payload: Vec<u8>,
    /// Its user properties, in order.
    pub properties: Vec<(String, String)>,
    /// Whether it was kept by the broker from before the subscription.
    pub retained: bool,
}

/// A client of version 5 that has subscribed to everything, with QoS 1.
pub struct Subscriber {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    stream: TcpStream,
}

impl Subscriber {
    fn start(address: SocketAddr, user: Option<(&str, &str)>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        let mut broker = stream.try_clone().unwrap();
        let flags = if user.is_some() { 0xc2 } else { 0x02 };
        let mut connect = b"\0\x04MQTT\x05".to_vec();
        // No keep-alive, no properties, and an identifier that the broker makes.
        connect.extend([flags, 0, 0, 0, 0, 0]);
        for text in user.iter().flat_map(|(user, password)| [user, password]) {
            connect.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            connect.extend(text.bytes());
        }
        send(&mut broker, 0x10, &connect);
        let (kind, content) = receive(&mut broker).unwrap();
        assert_eq!(
            (kind, content[1]),
            (0x20, 0),
            "the subscriber is not let in"
        );
        send(&mut broker, 0x82, b"\0\x01\0\0\x01#\x01");
        let arrived = Arc::new(Mutex::new(Vec::new()));
        // What was retained may come before the subscription is confirmed.
        while !note(&mut broker, &arrived).unwrap() {}
        let shared = Arc::clone(&arrived);
        thread::spawn(move || while note(&mut broker, &shared).is_ok() {});
        Self { arrived, stream }
    }

    /// What has arrived so far, in order.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Waits until so many have arrived, at least.
    pub fn wait_for(&self, count: usize) -> Vec<Arrived> {
        eventually(&format!("{count} messages have arrived"), || {
            let arrived = self.arrived();
            (arrived.len() >= count).then_some(arrived)
        })
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Takes one packet; true if it confirms the subscription.
fn note(broker: &mut TcpStream, arrived: &Mutex<Vec<Arrived>>) -> std::io::Result<bool> {
    let (head, content) = receive(broker)?;
    if head >> 4 != 3 {
        return Ok(head == 0x90);
    }
    let mut rest = content.as_slice();
    let topic = text(&mut rest);
    let has_id = head & 0b110 != 0;
    let id = has_id.then(|| take(&mut rest, 2).to_vec());
    let length = usize::from(take(&mut rest, 1)[0]);
    assert!(length < 0x80, "properties of one byte's length");
    let mut properties = take(&mut rest, length);
    let mut found = Vec::new();
    while let Some((0x26, behind)) = properties.split_first().map(|(kind, rest)| (*kind, rest)) {
        properties = behind;
        found.push((text(&mut properties), text(&mut properties)));
    }
    arrived.lock().unwrap().push(Arrived {
        topic,
        payload: rest.to_vec(),
        properties: found,
        retained: head & 1 == 1,
    });
    if let Some(id) = id {
        send(broker, 0x40, &id);
    }
    Ok(false)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(count);
    *rest = behind;
    taken
}

fn text(rest: &mut &[u8]) -> String {
    let length = take(rest, 2);
    let length = u16::from_be_bytes([length[0], length[1]]);
    String::from_utf8(take(rest, length.into()).to_vec()).unwrap()
}

fn send(broker: &mut TcpStream, head: u8, content: &[u8]) {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 0x80, "what tests send is short");
    let _ = broker.write_all(&[&[head, length], content].concat());
}

fn receive(broker: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    broker.read_exact(&mut byte)?;
    let head = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        broker.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut content = vec![0; length];
    broker.read_exact(&mut content)?;
    Ok((head, content))
}
