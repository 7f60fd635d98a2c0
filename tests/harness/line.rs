//! A line to a peer that a test can spoil: it stands between a plugin and the real peer, on a free
//! port, and is as good or bad as the test wants it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a line does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// It carries everything both ways.
    Good,
    /// It closes connections as soon as they are there, as where nobody listens behind a gateway.
    Down,
    /// It takes everything and answers nothing.
    Silent,
    /// It answers whatever comes with these bytes, and closes.
    Garbled(&'static [u8]),
    /// It carries what is sent, and cuts the connection when the peer answers, once in each connection
    /// after so many bytes of answers: what the peer has done, nobody learns.
    CutsAnswersAfter(usize),
}

/// A running line.
pub struct Line {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    quality: Quality,
    peer: SocketAddr,
    /// Both ends of every connection that may still be open.
    open: Vec<TcpStream>,
    connections: usize,
    ended: bool,
}

impl Line {
    /// A good line to a peer.
    pub fn to(peer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            quality: Quality::Good,
            peer,
            open: Vec::new(),
            connections: 0,
            ended: false,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Self { address, state }
    }

    /// Where plugins connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the endpoint of an HTTP server, without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the line; connections that are open end.
    pub fn becomes(&self, quality: Quality) {
        let mut state = self.state.lock().unwrap();
        state.quality = quality;
        for end in state.open.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Leads to another peer from now on, such as one that was started again on another port.
    pub fn leads_to(&self, peer: SocketAddr) {
        self.state.lock().unwrap().peer = peer;
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.becomes(Quality::Down);
        self.state.lock().unwrap().ended = true;
        // Wakes the thread that listens, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for client in listener.incoming() {
        let Ok(client) = client else { return };
        let (quality, peer) = {
            let mut state = state.lock().unwrap();
            if state.ended {
                return;
            }
            state.connections += 1;
            if state.quality != Quality::Down {
                state.open.push(client.try_clone().unwrap());
            }
            (state.quality, state.peer)
        };
        let state = Arc::clone(state);
        match quality {
            Quality::Down => drop(client),
            Quality::Silent => {
                thread::spawn(move || carry(client, None, usize::MAX));
            }
            Quality::Garbled(bytes) => {
                thread::spawn(move || garble(client, bytes));
            }
            Quality::Good => connect(client, peer, &state, usize::MAX),
            Quality::CutsAnswersAfter(bytes) => connect(client, peer, &state, bytes),
        }
    }
}

fn connect(client: TcpStream, peer: SocketAddr, state: &Mutex<State>, answers: usize) {
    let Ok(peer) = TcpStream::connect(peer) else {
        // Nobody is there: the client learns it.
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    let _ = (client.set_nodelay(true), peer.set_nodelay(true));
    state.lock().unwrap().open.push(peer.try_clone().unwrap());
    let (to_peer, from_peer) = (peer.try_clone().unwrap(), peer);
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    thread::spawn(move || carry(from_client, Some(to_peer), usize::MAX));
    thread::spawn(move || carry(from_peer, Some(to_client), answers));
}

/// Carries bytes until one end closes, or so many have passed; then both ends are closed.
fn carry(mut from: TcpStream, mut to: Option<TcpStream>, most: usize) {
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        passed += count;
        if passed > most {
            break;
        }
        if let Some(to) = &mut to
            && to.write_all(&buffer[..count]).is_err()
        {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    if let Some(to) = to {
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn garble(mut client: TcpStream, bytes: &[u8]) {
    // A client that waits for the server's greeting says nothing first.
    let _ = client.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = client.read(&mut [0; 64 << 10]);
    let _ = client.write_all(bytes);
    let _ = client.shutdown(Shutdown::Both);
}
