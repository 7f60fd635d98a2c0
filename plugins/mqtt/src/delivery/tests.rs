//! Against a broker that does what a test wants, over the loopback interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use millstream_plugin::Disposition;

use super::*;
use crate::suspicion::PROOFS_ALONE;

/// What the broker does with one message, whose payload is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Acknowledges with this code.
    Acknowledge(u8),
    /// Acknowledges with this code, and closes the connection.
    AcknowledgeAndClose(u8),
    /// Closes the connection.
    Close,
    /// Ends the connection with this code.
    Disconnect(u8),
    /// Does nothing.
    Hang,
}

type Seen = Arc<Mutex<Vec<u64>>>;

/// A broker of version 5 that lets everybody in, with a receive maximum of 4 and packets of 200 bytes.
fn broker(deed: impl Fn(u64) -> Deed + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = serve(stream.unwrap(), &deed, &shared);
        }
    });
    (address, seen)
}

fn serve(mut stream: TcpStream, deed: &impl Fn(u64) -> Deed, seen: &Seen) -> std::io::Result<()> {
    loop {
        let (kind, content) = read_packet(&mut stream)?;
        match kind {
            1 => stream.write_all(&[0x20, 11, 0, 0, 8, 0x21, 0, 4, 0x27, 0, 0, 0, 200])?,
            3 => {
                let topic = usize::from(u16::from_be_bytes([content[0], content[1]]));
                let id = [content[2 + topic], content[3 + topic]];
                let properties = usize::from(content[4 + topic]);
                let payload = &content[5 + topic + properties..];
                let text = String::from_utf8_lossy(payload);
                let number = text.trim_end_matches('x').parse().unwrap();
                seen.lock().unwrap().push(number);
                match deed(number) {
                    Deed::Acknowledge(code) => {
                        stream.write_all(&[0x40, 3, id[0], id[1], code])?;
                    }
                    Deed::AcknowledgeAndClose(code) => {
                        stream.write_all(&[0x40, 3, id[0], id[1], code])?;
                        return Ok(());
                    }
                    Deed::Disconnect(code) => {
                        stream.write_all(&[0xe0, 1, code])?;
                        return Ok(());
                    }
                    Deed::Close => return Ok(()),
                    Deed::Hang => {}
                }
            }
            _ => {}
        }
    }
}

fn read_packet(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
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

fn delivery(address: &str) -> Delivery {
    let context = ExportContext {
        stream_name: "s".into(),
        export_identifier: "e".into(),
    };
    let json = format!(r#"{{"broker": "{address}", "topic": "t", "timeoutSeconds": 1}}"#);
    let config: Config = millstream_plugin::config::parse(&json).unwrap();
    config.check(&context).unwrap();
    Delivery::new(context, config)
}

fn batch(numbers: impl IntoIterator<Item = u64>) -> Vec<Message> {
    let message = |sequence_number: u64| Message {
        sequence_number,
        ingest_time: 0,
        payload: sequence_number.to_string().into_bytes(),
    };
    numbers.into_iter().map(message).collect()
}

fn places(undelivered: &[Undelivered], disposition: Disposition) -> Vec<u32> {
    let these = undelivered
        .iter()
        .filter(|it| it.disposition == disposition);
    these.map(|it| it.index).collect()
}

#[test]
fn a_batch_goes_in_order_within_the_window_of_the_broker() {
    let (address, seen) = broker(|_| Deed::Acknowledge(0));
    let mut delivery = delivery(&address);
    assert_eq!(delivery.deliver(&batch(0..20)).unwrap(), []);
    assert_eq!(delivery.deliver(&batch(20..30)).unwrap(), []);
    assert_eq!(*seen.lock().unwrap(), (0..30).collect::<Vec<_>>());
    assert_eq!(delivery.session.as_ref().unwrap().receive_maximum(), 4);

    let (hanging, seen) = broker(|_| Deed::Hang);
    let mut delivery = self::delivery(&hanging);
    let error = delivery.deliver(&batch(0..20)).unwrap_err();
    assert!(
        error.reason().contains("did not answer in time"),
        "{error:?}"
    );
    assert_eq!(
        seen.lock().unwrap().len(),
        4,
        "no more than the broker allows"
    );
}

#[test]
fn a_message_that_fails_neither_holds_up_nor_fails_the_others() {
    let (address, _) = broker(|number| match number {
        1 => Deed::Acknowledge(0x97),
        2 => Deed::Acknowledge(0x99),
        3 => Deed::Acknowledge(0x87),
        _ => Deed::Acknowledge(0),
    });
    let mut messages = batch(0..6);
    messages[4].payload = format!("4{}", "x".repeat(200)).into_bytes();
    let undelivered = delivery(&address).deliver(&messages).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 3]);
    assert_eq!(places(&undelivered, Disposition::Reject), [2, 4]);
    assert!(
        undelivered[3].reason.contains("maximum packet size"),
        "{undelivered:?}"
    );
}

#[test]
fn one_reason_for_all_is_the_reason_of_the_batch() {
    let (address, _) = broker(|_| Deed::Acknowledge(0x97));
    let error = delivery(&address).deliver(&batch(0..3)).unwrap_err();
    assert!(matches!(error, ExportError::Throttled(_)), "{error:?}");
}

/// Hands over what is to be retried again and again, alone, as the host does: the numbers that are rejected
/// in each call.
fn settle_all(delivery: &mut Delivery, numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u64>> {
    let mut left = batch(numbers);
    let mut rejected = Vec::new();
    while !left.is_empty() && rejected.len() < 40 {
        let mut now = Vec::new();
        if let Ok(undelivered) = delivery.deliver(&left) {
            let number = |place: u32| left[place as usize].sequence_number;
            let these = places(&undelivered, Disposition::Reject);
            now = these.into_iter().map(number).collect();
            let again = places(&undelivered, Disposition::Retry);
            left = batch(again.into_iter().map(number).collect::<Vec<_>>());
        }
        rejected.push(now);
    }
    rejected
}

#[test]
fn messages_on_which_the_broker_closes_hold_up_nobody_and_are_rejected_in_the_end() {
    let bad = |number| (2..9).contains(&number);
    let (address, seen) = broker(move |number| match bad(number) {
        true => Deed::Close,
        false => Deed::Acknowledge(0),
    });
    let mut delivery = delivery(&address);
    let calls = settle_all(&mut delivery, 0..12);
    let mut rejected = calls.concat();
    rejected.sort_unstable();
    assert_eq!(rejected, (2..9).collect::<Vec<_>>(), "{calls:?}");
    let mut taken = seen.lock().unwrap().clone();
    taken.retain(|number| !bad(*number));
    taken.dedup();
    assert_eq!(taken, [0, 1, 9, 10, 11]);
    assert_eq!(delivery.deliver(&batch(20..30)).unwrap(), []);
    assert!(!delivery.careful);
}

#[test]
fn a_bad_message_that_is_alone_is_rejected_if_others_were_taken_before() {
    let (address, _) = broker(|number| match number {
        0 | 1 | 4 => Deed::Close,
        _ => Deed::Acknowledge(0),
    });
    let mut delivery = delivery(&address);
    assert_eq!(settle_all(&mut delivery, [0]).concat(), [0; 0]);
    delivery.deliver(&batch(2..4)).unwrap();
    let calls = settle_all(&mut delivery, [1]);
    assert_eq!(calls.concat(), [1]);
    assert!(calls.len() >= PROOFS_ALONE as usize, "{calls:?}");
    // Nothing was taken in between: it may be the broker.
    assert_eq!(settle_all(&mut delivery, [4]).concat(), [0; 0]);
}

#[test]
fn a_broker_that_closes_behind_its_answer_puts_no_blame_on_the_next_message() {
    let (address, _) = broker(|number| match number {
        0 => Deed::AcknowledgeAndClose(0x87),
        _ => Deed::Acknowledge(0),
    });
    let mut delivery = delivery(&address);
    assert!(delivery.deliver(&batch(0..3)).is_err());
    let undelivered = delivery.deliver(&batch(0..3)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [0]);
    assert!(undelivered[0].reason.contains("0x87"), "{undelivered:?}");
}

#[test]
fn a_forbidden_topic_on_which_the_broker_ends_the_connection_holds_up_nobody_and_is_never_rejected()
{
    let (address, _) = broker(|number| match number {
        1 => Deed::Disconnect(0x87),
        _ => Deed::Acknowledge(0),
    });
    let mut delivery = delivery(&address);
    let undelivered = delivery.deliver(&batch(0..4)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2, 3]);
    let undelivered = delivery.deliver(&batch(1..4)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [0]);
    for _ in 0..2 * PROOFS_ALONE {
        let error = delivery.deliver(&batch([1])).unwrap_err();
        assert!(matches!(error, ExportError::Denied(_)), "{error:?}");
    }
}

#[test]
fn a_broker_that_begins_to_close_on_everything_makes_one_message_rejected_at_most() {
    let (address, _) = broker(|number| match number {
        0..5 => Deed::Acknowledge(0),
        _ => Deed::Close,
    });
    let mut delivery = delivery(&address);
    assert_eq!(delivery.deliver(&batch(0..5)).unwrap(), []);
    for _ in 0..2 {
        assert!(settle_all(&mut delivery, 5..10).concat().len() <= 1);
    }
    let (address, _) = broker(|_| Deed::Close);
    let mut delivery = self::delivery(&address);
    assert!(settle_all(&mut delivery, 0..5).concat().is_empty());
}

#[test]
fn a_reason_that_lies_in_the_message_is_enough() {
    let (address, _) = broker(|number| match number {
        1 => Deed::Disconnect(0x95),
        _ => Deed::Acknowledge(0),
    });
    let mut delivery = delivery(&address);
    let undelivered = delivery.deliver(&batch(0..3)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2]);
    let undelivered = delivery.deliver(&batch(1..3)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0]);
    assert_eq!(undelivered.len(), 1);
}

#[test]
fn a_broker_that_sends_us_away_says_why() {
    let (address, _) = broker(|_| Deed::Disconnect(0x87));
    let error = delivery(&address).deliver(&batch(0..3)).unwrap_err();
    assert!(matches!(error, ExportError::Denied(_)), "{error:?}");
}
