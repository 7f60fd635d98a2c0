use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::*;

const SCHEMES: &[(&str, bool, u16)] = &[("mqtt", false, 1883), ("mqtts", true, 8883)];

fn server(text: &str) -> Result<Server, String> {
    Server::parse(text, SCHEMES)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(100)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn listening() -> (TcpListener, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, at(address))
}

fn at(address: SocketAddr) -> Server {
    server(&address.to_string()).unwrap()
}

#[test]
fn an_address_is_taken_apart() {
    for (text, host, port, tls, shown) in [
        ("a.b", "a.b", 1883, false, "a.b:1883"),
        ("a.b:7", "a.b", 7, false, "a.b:7"),
        ("mqtts://a", "a", 8883, true, "a:8883"),
        ("MQTT://10.0.0.1:7/", "10.0.0.1", 7, false, "10.0.0.1:7"),
        ("[::1]:7", "::1", 7, false, "[::1]:7"),
        ("mqtts://::1", "::1", 8883, true, "[::1]:8883"),
    ] {
        let server = server(text).unwrap();
        assert_eq!((&*server.host, server.port, server.tls), (host, port, tls));
        assert_eq!(server.to_string(), shown);
    }
}

#[test]
fn what_no_connection_can_go_to_is_refused() {
    for text in [
        "", "http://a", "mqtt://", "a:0", "a:65536", "a:", ":1", "a b", "u@a", "a/b", "[::1]7",
        "[x]:1",
    ] {
        assert!(server(text).is_err(), "{text}");
    }
}

#[test]
fn a_peer_that_hangs_is_given_up_at_the_time_limit() {
    let (_listener, server) = listening();
    let mut connection = Connection::open(&server, later()).unwrap();
    connection.set_deadline(soon());
    let error = connection.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let endless = vec![0; 64 << 20];
    connection.set_deadline(soon());
    let error = connection.write_all(&endless).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn reading_without_waiting_tells_nothing_from_the_end() {
    let (listener, server) = listening();
    let mut connection = Connection::open(&server, later()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut buffer = [0; 8];
    let error = connection.read_now(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    peer.write_all(b"hello").unwrap();
    assert_eq!(connection.read(&mut buffer).unwrap(), 5);
    drop(peer);
    assert_eq!(connection.read(&mut buffer).unwrap(), 0);
    assert_eq!(connection.read_now(&mut buffer).unwrap(), 0);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (listener, server) = listening();
    drop(listener);
    let unreachable = Connection::open(&server, later()).unwrap_err();
    assert!(
        matches!(unreachable, Unreachable::Failed(_)),
        "{unreachable:?}"
    );
    let ExportError::Unavailable(failure) = unreachable.error(&server) else {
        panic!("{unreachable:?}")
    };
    assert!(
        failure.reason.contains(&server.to_string()),
        "{}",
        failure.reason
    );
}

#[test]
fn bytes_go_both_ways() {
    let (listener, server) = listening();
    let echo = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).unwrap();
        peer.write_all(&bytes).unwrap();
    });
    let mut connection = Connection::open(&server, later()).unwrap();
    connection.write_all(b"hello").unwrap();
    connection.flush().unwrap();
    let mut bytes = [0; 5];
    connection.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    echo.join().unwrap();
}
