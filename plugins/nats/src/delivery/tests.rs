//! Against a server that says what a test wants, over the loopback interface.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::*;

const INFO: &str = "INFO {\"max_payload\":64,\"headers\":true}\r\n";

/// What one publish looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Published {
    subject: String,
    reply: String,
    headers: String,
    payload: Vec<u8>,
}

/// Answers the greeting, then each message as the script says, until it says to end.
fn serve(
    listener: TcpListener,
    script: impl Fn(usize, &Published) -> Option<String> + Send + 'static,
) {
    thread::spawn(move || {
        let mut count = 0;
        for stream in listener.incoming() {
            let _ = talk(stream.unwrap(), &script, &mut count);
        }
    });
}

fn talk(
    mut stream: TcpStream,
    script: &impl Fn(usize, &Published) -> Option<String>,
    count: &mut usize,
) -> Option<()> {
    stream.write_all(INFO.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        if line.starts_with("PING") {
            stream.write_all(b"PONG\r\n").ok()?;
        }
        if let Some(words) = line.trim_end().strip_prefix("HPUB ") {
            let words: Vec<&str> = words.split(' ').collect();
            let (head, size): (usize, usize) =
                (words[2].parse().unwrap(), words[3].parse().unwrap());
            let mut content = vec![0; size + 2];
            reader.read_exact(&mut content).ok()?;
            let published = Published {
                subject: words[0].into(),
                reply: words[1].into(),
                headers: String::from_utf8_lossy(&content[..head]).into_owned(),
                payload: content[head..size].to_vec(),
            };
            let answer = script(*count, &published)?;
            *count += 1;
            stream.write_all(answer.as_bytes()).ok()?;
        }
    }
}

fn stored(published: &Published) -> Option<String> {
    answer(published, r#"{"stream":"S","seq":1}"#)
}

fn answer(published: &Published, payload: &str) -> Option<String> {
    Some(format!(
        "MSG {} 1 {}\r\n{payload}\r\n",
        published.reply,
        payload.len()
    ))
}

fn delivery(servers: &[String], more: &str) -> Delivery {
    let context = ExportContext {
        stream_name: "s".into(),
        export_identifier: "e".into(),
    };
    let servers = serde_json::to_string(servers).unwrap();
    let json = format!(
        r#"{{"servers": {servers}, "subject": "plant.{{json:/at}}", "timeoutSeconds": 1 {more}}}"#
    );
    let config: Config = millstream_plugin::config::parse(&json).unwrap();
    config.check(&context).unwrap();
    Delivery::new(context, config)
}

fn scripted(script: impl Fn(usize, &Published) -> Option<String> + Send + 'static) -> Delivery {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    serve(listener, script);
    delivery(&[address], "")
}

fn batch(count: u64) -> Vec<Message> {
    let message = |sequence_number| Message {
        sequence_number,
        ingest_time: 0,
        payload: format!(r#"{{"at":{sequence_number}}}"#).into_bytes(),
    };
    (0..count).map(message).collect()
}

#[test]
fn each_message_goes_to_its_subject_with_its_id() {
    let mut delivery = scripted(|number, published| {
        assert_eq!(published.subject, format!("plant.{number}"));
        assert_eq!(
            published.headers,
            format!("NATS/1.0\r\nNats-Msg-Id: s:{number}\r\n\r\n")
        );
        assert_eq!(
            published.payload,
            format!(r#"{{"at":{number}}}"#).into_bytes()
        );
        stored(published)
    });
    assert_eq!(delivery.deliver(&batch(5)).unwrap(), []);
}

#[test]
fn a_message_that_fails_neither_holds_up_nor_fails_the_others() {
    let mut delivery = scripted(|number, published| match number {
        1 => answer(
            published,
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#,
        ),
        2 => answer(
            published,
            r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}"#,
        ),
        3 => Some(format!(
            "-ERR 'Permissions Violation for Publish to \"{}\"'\r\n",
            published.subject
        )),
        _ => stored(published),
    });
    let mut messages = batch(6);
    messages[4].payload = b"no json".to_vec();
    messages[5].payload = format!(r#"{{"at":5,"x":"{}"}}"#, "x".repeat(64)).into_bytes();
    let undelivered = delivery.deliver(&messages).unwrap();
    let found: Vec<_> = undelivered
        .iter()
        .map(|it| {
            (
                it.index,
                it.disposition == millstream_plugin::Disposition::Retry,
            )
        })
        .collect();
    assert_eq!(
        found,
        [(1, true), (2, false), (3, true), (4, false), (5, false)]
    );
    assert!(
        undelivered[4].reason.contains("max_payload"),
        "{:?}",
        undelivered[4]
    );
}

#[test]
fn one_reason_for_all_is_the_reason_of_the_batch() {
    for (said, expected) in [
        (
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#,
            "throttled",
        ),
        ("hello", "misconfigured"),
    ] {
        let mut delivery = scripted(move |_, published| answer(published, said));
        let kind = match delivery.deliver(&batch(2)).unwrap_err() {
            ExportError::Throttled(_) => "throttled",
            ExportError::Misconfigured(_) => "misconfigured",
            _ => "other",
        };
        assert_eq!(kind, expected);
    }
    let mut nobody = scripted(|_, published| {
        Some(format!(
            "HMSG {} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
            published.reply
        ))
    });
    let error = nobody.deliver(&batch(1)).unwrap_err();
    assert!(
        error.reason().contains("No JetStream stream listens"),
        "{error:?}"
    );
}

#[test]
fn what_has_no_acknowledgement_is_tried_again_over_a_new_connection() {
    let mut delivery = scripted(|number, published| match number {
        2 => None,
        _ => stored(published),
    });
    let undelivered = delivery.deliver(&batch(4)).unwrap();
    assert_eq!(
        undelivered.iter().map(|it| it.index).collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(delivery.session.is_none());

    let mut silent = scripted(|_, _| Some(String::new()));
    let error = silent.deliver(&batch(1)).unwrap_err();
    assert!(
        error.reason().contains("did not answer in time"),
        "{error:?}"
    );
}

#[test]
fn servers_are_tried_in_turn_and_the_one_that_worked_comes_first() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = down.local_addr().unwrap().to_string();
    drop(down);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap().to_string();
    serve(listener, |_, published| stored(published));
    let mut delivery = delivery(&[gone.clone(), there], "");
    assert_eq!(delivery.deliver(&batch(1)).unwrap(), []);
    assert_eq!(delivery.first, 1);

    let mut nowhere = self::delivery(&[gone.clone(), gone.clone()], "");
    let error = nowhere.deliver(&batch(1)).unwrap_err();
    assert_eq!(error.reason().matches(&gone).count(), 2, "{error:?}");
}

#[test]
fn a_server_that_refuses_us_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(INFO.as_bytes()).unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        reader.read_line(&mut line).unwrap();
        stream
            .write_all(b"-ERR 'Authorization Violation'\r\n")
            .unwrap();
    });
    let error = delivery(&[address], "").deliver(&batch(1)).unwrap_err();
    assert!(
        matches!(&error, ExportError::Denied(reason) if reason.contains("Authorization Violation"))
    );
}

#[test]
fn the_forbidden_subject_is_found_in_the_words() {
    let words = "Permissions Violation for Publish to \"plant.7\"";
    assert_eq!(forbidden_subject(words), Some("plant.7"));
    assert_eq!(
        forbidden_subject("Permissions Violation for Subscription to \"x\""),
        None
    );
}
