//! A broker of version 5 that acknowledges as it is told, on a free port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::all;

/// Codes of an acknowledgement (MQTT 5, section 3.4.2.1).
pub(super) const SUCCESS: u8 = 0x00;
pub(super) const QUOTA_EXCEEDED: u8 = 0x97;

/// Each message that came, in order, and the code with which it was acknowledged.
type Seen = Arc<Mutex<Vec<(String, u8)>>>;

/// A running broker.
pub(super) struct Broker {
    address: SocketAddr,
    seen: Seen,
    ended: Arc<AtomicBool>,
}

impl Broker {
    /// Starts a broker that acknowledges a message with the code that the script gives for its payload and
    /// for how often it has come before.
    pub(super) fn start(script: impl Fn(&str, usize) -> u8 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script) = (Seen::default(), Arc::new(script));
        let ended = Arc::new(AtomicBool::new(false));
        let (all_seen, has_ended) = (Arc::clone(&seen), Arc::clone(&ended));
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if has_ended.load(Ordering::SeqCst) {
                    return;
                }
                let (script, seen) = (Arc::clone(&script), Arc::clone(&all_seen));
                // It ends with an error when the client closes the connection.
                thread::spawn(move || serve(client, &*script, &seen));
            }
        });
        Self {
            address,
            seen,
            ended,
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a message has come.
    pub(super) fn times(&self, payload: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(it, _)| it == payload).count()
    }

    /// Fails unless each of so many messages was taken once, in whatever order.
    pub(super) fn assert_each_taken_once(&self, count: u64) {
        let seen = self.seen.lock().unwrap();
        let taken = seen.iter().filter(|(_, code)| *code == SUCCESS);
        let mut taken: Vec<String> = taken.map(|(payload, _)| payload.clone()).collect();
        let mut expected = all(0..count);
        taken.sort();
        expected.sort();
        assert_eq!(taken, expected);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that listens, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    mut stream: TcpStream,
    script: &impl Fn(&str, usize) -> u8,
    seen: &Mutex<Vec<(String, u8)>>,
) -> std::io::Result<()> {
    loop {
        match receive(&mut stream)? {
            // The client introduces itself, and is let in without conditions.
            (1, _) => stream.write_all(&[0x20, 3, 0, 0, 0])?,
            (3, content) => {
                let (id, payload) = published(&content);
                let code = {
                    let mut seen = seen.lock().unwrap();
                    let before = seen.iter().filter(|(it, _)| *it == payload).count();
                    let code = script(&payload, before);
                    seen.push((payload, code));
                    code
                };
                stream.write_all(&[0x40, 3, id[0], id[1], code])?;
            }
            _ => {}
        }
    }
}

/// The kind of the next packet, and what is behind its fixed header.
fn receive(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let kind = byte[0] >> 4;
    let (mut length, mut shift) = (0, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok((kind, content))
}

/// Identifier and payload of a message with quality of service 1 (MQTT 5, section 3.3).
fn published(content: &[u8]) -> ([u8; 2], String) {
    let topic = usize::from(u16::from_be_bytes([content[0], content[1]]));
    let id = [content[2 + topic], content[3 + topic]];
    let properties = usize::from(content[4 + topic]);
    assert!(properties < 0x80, "properties of one byte's length");
    let payload = content[5 + topic + properties..].to_vec();
    (id, String::from_utf8(payload).unwrap())
}
