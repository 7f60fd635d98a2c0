//! Addresses that were not granted, however they are written and whoever leads there.

use std::net::UdpSocket;

use millstream_tests::{HttpAnswer, HttpSink};
use serde_json::json;
use tempfile::TempDir;

use super::{Setting, Siege};

/// Every way of writing this device: as an address, as a number, as a name, and in disguise.
const SPELLINGS: [&str; 34] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "127.000.000.001",
    "127.0.0.1.",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25lo]",
    "[64:ff9b::7f00:1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "granted.example@127.0.0.1",
    "granted.example:80@127.0.0.1",
    "127.0.0.1%2f.granted.example",
    "127%2e0%2e0%2e1",
    "granted.example%00.127.0.0.1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "ｌｏｃａｌｈｏｓｔ",
];

fn silent() -> HttpSink {
    HttpSink::scripted(|_, _| HttpAnswer::status(200))
}

fn urls(port: u16) -> Vec<String> {
    let mut urls: Vec<_> = SPELLINGS
        .iter()
        .map(|host| format!("http://{host}:{port}/"))
        .collect();
    urls.push(format!("http://127.0.0.1:0{port}/"));
    urls.push(format!("http://127.0.0.1:{}/", u32::from(port) + 65_536));
    urls.push("http://127.0.0.1/".to_owned());
    urls.push("http://127.0.0.1:/".to_owned());
    urls
}

fn requests(grants: &str, urls: &[String]) -> Siege {
    let setting = Setting {
        grants: grants.into(),
        ..Setting::default()
    };
    let attack = json!({ "attack": "requests", "urls": urls });
    Siege::begin(TempDir::new().unwrap(), attack, setting)
}

#[test]
fn without_a_grant_no_spelling_of_an_address_is_reached() {
    let inner = silent();
    let port = inner.address().port();
    let grants = "hosts = [\"granted.example\", \"http://127.0.0.1:1\"]";
    let mut siege = requests(grants, &urls(port));
    siege.lets_through(&[]);
    for host in ["127.0.0.1", "127.1", "2130706433", "[::1]", "localhost"] {
        siege.log_says(&format!(
            "refused a request to http://{host}:{port}: the host is not granted"
        ));
    }
    siege.log_says("refused a request to the host `127.0.0.1`: its address names a user");
    assert!(inner.requests().is_empty());
}

#[test]
fn a_granted_name_that_stands_for_this_device_leads_nowhere() {
    // Each of these names is granted, and the system resolves them as a name server might that has
    // changed its mind: to this device.
    let inner = silent();
    let port = inner.address().port();
    let grants = "hosts = [\"*\", \"*.*\", \"*.*.*\", \"*.*.*.*\"]";
    let mut siege = requests(grants, &urls(port));
    siege.lets_through(&[]);
    for host in ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost"] {
        siege.log_says(&format!(
            "refused a request to http://{host}:{port}: the name `{host}` stands for 127.0.0.1, \
             which its grant does not cover"
        ));
    }
    assert!(inner.requests().is_empty());
}

#[test]
fn a_granted_server_leads_to_no_other() {
    let inner = silent();
    let target = format!("{}/", inner.endpoint());
    let location = target;
    let granted = HttpSink::scripted(move |_, _| {
        HttpAnswer::Status(302, vec![("location", location.clone())], String::new())
    });
    let url = format!("{}/", granted.endpoint());
    let setting = Setting {
        grants: format!("hosts = [\"{}\"]", granted.endpoint()),
        ..Setting::default()
    };
    let attack = json!({ "attack": "redirect", "url": url });
    let mut siege = Siege::begin(TempDir::new().unwrap(), attack, setting);
    siege.lets_through(&[&format!("request {url}")]);
    siege.log_says(&format!(
        "refused a request to {}: the host is not granted",
        inner.endpoint()
    ));
    assert!(inner.requests().is_empty());
}

#[test]
fn sockets_reach_granted_addresses_alone_and_look_up_granted_names_alone() {
    let (inner, granted) = (silent(), silent());
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let (port, udp_port) = (inner.address().port(), udp.local_addr().unwrap().port());
    // A name that stands for this device, where its grant does not say that it may.
    let name = "0x7f000001";
    let setting = Setting {
        grants: format!(
            "addresses = [\"{}\", \"{name}:{port}\", \"{name}:{udp_port}\"]",
            granted.address()
        ),
        ..Setting::default()
    };
    let attack = json!({
        "attack": "sockets",
        "names": ["evil.example", "what-it-knows.evil.example", "localhost", "127.1",
                  "0X7F000001.", name, "１２７.0.0.1", "a b", ""],
        "addresses": [
            format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("0.0.0.0:{port}"),
            format!("[::ffff:127.0.0.1]:{port}"), format!("127.0.0.1:{udp_port}"),
            "224.0.0.1:9", "255.255.255.255:9", granted.address(),
        ],
    });
    let mut siege = Siege::begin(TempDir::new().unwrap(), attack, setting);
    let address = granted.address();
    siege.lets_through(&[&format!("connect {address}"), &format!("send to {address}")]);
    siege.log_says("refused to look up the name `what-it-knows.evil.example`: it is not granted");
    siege.log_says(&format!(
        "refused a connection to `{name}`: it stands for 127.0.0.1, which its grant does not cover"
    ));
    siege.log_says(&format!(
        "refused a connection to [::1]:{port}: it is not granted"
    ));
    siege.log_says("refused to listen");
    siege.log_says("refused to bind a socket to 127.0.0.1:4321");
    assert!(inner.requests().is_empty());
    assert!(udp.recv(&mut [0; 16]).is_err());
}

#[test]
fn without_grants_there_are_no_sockets_and_no_names() {
    let inner = silent();
    let attack = json!({
        "attack": "sockets",
        "names": ["evil.example"],
        "addresses": [inner.address()],
    });
    let mut siege = Siege::without_grants(attack);
    siege.lets_through(&[]);
    siege.log_says("refused to look up the name `evil.example`: it is not granted");
    siege.log_says("refused to make a socket: no address is granted");
    assert!(inner.requests().is_empty());
}
