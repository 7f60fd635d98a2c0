//! Chosen letters go again.

use millstream_tests::Host;
use serde_json::Value;

use super::{Server, append, config, letters, numbers, printed, requeue, wait_for};

#[test]
fn refused_messages_are_kept_with_the_reason_and_chosen_ones_reach_the_mended_server() {
    let server = Server::refusing(|number| [3, 7, 8].contains(&number));
    let host = Host::start(&config(&server));
    append(&host, "s", 0..10);
    wait_for(&host, 9);

    let found = letters(&host, "s", "to-server");
    assert_eq!(numbers(&found), [3, 7, 8]);
    let first = &found[0];
    assert_eq!(first["payload"], "reading 3");
    assert_eq!(first["plugin"], "http");
    assert_eq!(first["deadLetter"], 0);
    assert!(first["rejectedAt"].as_u64() >= first["ingestTime"].as_u64());
    let reason = first["reason"].as_str().unwrap();
    assert!(
        reason.contains("422") && reason.contains("no such sensor"),
        "{reason}"
    );
    // Whoever reads the stream finds the same.
    let read = host.command(&["stream", "read", "dead", "--max", "1"]);
    let read = printed(&read);
    let (_, envelope) = read.split_once('\t').unwrap();
    let mut envelope: Value = serde_json::from_str(envelope).unwrap();
    envelope["deadLetter"] = 0.into();
    assert_eq!(envelope, *first);
    let shown = host.command(&[
        "export",
        "dead-letters",
        "s",
        "to-server",
        "--from",
        "7",
        "--max",
        "1",
    ]);
    let shown = printed(&shown);
    for text in ["message 7, rejected 20", "no such sensor", "9 B: reading 7"] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    assert!(
        !shown.contains("reading 3") && !shown.contains("reading 8"),
        "{shown}"
    );

    // Not mended yet: it is refused again, and leaves no second letter.
    let (code, said) = requeue(&host, &["--number", "3"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("3  rejected again: ") && said.contains("422"),
        "{said}"
    );
    assert_eq!(numbers(&letters(&host, "s", "to-server")), [3, 7, 8]);

    server.mend();
    let (code, said) = requeue(&host, &["--all", "--dry-run"]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            "3  would be sent\n7  would be sent\n8  would be sent\n3 would be sent\n"
        )
    );
    let before = server.numbers("/in").len();
    let (code, said) = requeue(&host, &["--number", "7", "--number", "3"]);
    let expected = "3  delivered\n7  delivered\n2 delivered, 0 rejected again, 0 not delivered\n";
    assert_eq!((code, said.as_str()), (Some(0), expected));
    assert_eq!(server.numbers("/in").get(before..), Some(&[3, 7][..]));
    let (code, said) = requeue(&host, &["--from", "8", "--to", "100", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&report["event"], &report["sequenceNumber"]),
        (&"delivered".into(), &8.into())
    );
    assert_eq!(server.numbers("/in").get(before..), Some(&[3, 7, 8][..]));
    // The other export got every message once, and the first one goes on where it was.
    assert_eq!(server.numbers("/other"), (0..10).collect::<Vec<_>>());
    let (code, said) = requeue(&host, &["--from", "8"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.ends_with("for later ones only, say --from 9 the next time\n"),
        "{said}"
    );
    append(&host, "s", 10..11);
    wait_for(&host, 10);
    assert_eq!(server.numbers("/in").last(), Some(&10));

    let (code, said) = requeue(&host, &["--number", "99"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("99  has no dead letter"), "{said}");
    let listed = printed(&host.command(&["export", "list", "--json"]));
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(listed.len(), 2);
    let export = &listed[0];
    assert_eq!(
        (
            &export["stream"],
            &export["identifier"],
            &export["deadLetterStream"]
        ),
        (&"s".into(), &"to-server".into(), &"dead".into())
    );
    assert_eq!(
        (&export["deadLetters"], &export["requeuedMessages"]),
        (&3.into(), &4.into())
    );
    assert_eq!(export["rejectedMessages"], 3);
    assert_eq!(export["deliveredMessages"], 8);
    assert_eq!(listed[1]["deadLetterStream"], Value::Null);
    let shown = printed(&host.command(&["export", "list"]));
    assert!(shown.contains("s to-server (http)  running"), "{shown}");
    assert!(
        shown.contains("dead letters go to dead: 3 since"),
        "{shown}"
    );
}

#[test]
fn only_the_socket_of_the_host_takes_requests_and_mistakes_are_named() {
    let server = Server::refusing(|_| false);
    let host = Host::start(&config(&server));
    let status = printed(&host.command(&["status", "--json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    let address = status["http"].as_str().unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = "POST /exports/requeue HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut head = [0; 12];
    std::io::Read::read_exact(&mut socket, &mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 405");

    for (args, expected) in [
        (["no-stream", "to-server"], "no-stream does not exist"),
        (
            ["s", "no-export"],
            "has no export no-export; it has to-server, other",
        ),
        (
            ["s", "other"],
            "has no dead-letter stream: set dead-letters",
        ),
    ] {
        let output = host.command(&["export", "requeue", args[0], args[1], "--all"]);
        assert_eq!(output.status.code(), Some(1));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains(expected), "{complaint}");
    }
    let unchosen = host.command(&["export", "requeue", "s", "to-server"]);
    assert_eq!(unchosen.status.code(), Some(2));
    let help = printed(&host.command(&["export", "requeue", "--help"]));
    for text in ["--dry-run", "--from 1200 --to 1299", "nothing notes"] {
        assert!(help.contains(text), "{text} is not in\n{help}");
    }
}
