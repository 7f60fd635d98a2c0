//! The few packets of MQTT 3.1.1 that a subscriber needs. Sections are those of the standard.

/// The largest packet that is taken from a broker, in bytes. As JSON, where a byte may take six, it still
/// fits into an append.
pub(crate) const MAX_PACKET: usize = 2 << 20;

/// What a broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Whether we are let in (3.2): 0, or why not.
    Connected(u8),
    /// What became of each subscription (3.9): below 0x80 it is made.
    Subscribed(Vec<u8>),
    /// A message (3.3).
    Message(Message),
    /// Something that means nothing here.
    Other,
}

/// A message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    /// The identifier by which it is acknowledged; none with quality of service 0.
    pub(crate) id: Option<u16>,
    pub(crate) retained: bool,
    pub(crate) payload: Vec<u8>,
}

/// What is not the protocol; the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// How a client introduces itself.
#[derive(Debug)]
pub(crate) struct Introduction<'a> {
    pub(crate) client_id: &'a str,
    /// In seconds.
    pub(crate) keep_alive: u16,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
}

/// The packet with which a connection begins (3.1). The broker keeps the session when the connection ends,
/// so that nothing is missed meanwhile.
pub(crate) fn connect(who: &Introduction<'_>) -> Option<Vec<u8>> {
    let mut flags = 0;
    if who.user.is_some() {
        flags |= 0x80;
    }
    if who.password.is_some() {
        flags |= 0x40;
    }
    let mut content = text("MQTT")?;
    content.extend([4, flags]);
    content.extend(who.keep_alive.to_be_bytes());
    for field in [Some(who.client_id), who.user, who.password]
        .into_iter()
        .flatten()
    {
        content.extend(text(field)?);
    }
    packet(0x10, &content)
}

/// Asks for the messages of topics (3.8), with quality of service 1.
pub(crate) fn subscribe<'a>(topics: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let mut content = vec![0, 1];
    for topic in topics {
        content.extend(text(topic)?);
        content.push(1);
    }
    packet(0x82, &content)
}

/// Says that a message is ours now (3.4).
pub(crate) fn acknowledge(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// Says that we are there (3.12).
pub(crate) const PING: [u8; 2] = [0xc0, 0];
/// Says good bye (3.14).
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A text with its length before it (1.5.3); none if it is too long.
fn text(text: &str) -> Option<Vec<u8>> {
    let length = u16::try_from(text.len()).ok()?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Some(bytes)
}

/// A packet with its fixed header (2.2); none if it is too long.
fn packet(first: u8, content: &[u8]) -> Option<Vec<u8>> {
    let mut rest = u32::try_from(content.len())
        .ok()
        .filter(|it| *it < 1 << 28)?;
    let mut bytes = vec![first];
    loop {
        let [low, ..] = (rest & 0x7f).to_le_bytes();
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(content);
    Some(bytes)
}

/// Takes the first packet of what has come; none if it is not there whole.
pub(crate) fn take(buffer: &mut Vec<u8>) -> Result<Option<Incoming>, Malformed> {
    let Some((first, start, length)) = header(buffer)? else {
        return Ok(None);
    };
    let Some(content) = buffer.get(start..start + length) else {
        return Ok(None);
    };
    let incoming = read(first, content)?;
    buffer.drain(..start + length);
    Ok(Some(incoming))
}

/// The first byte, where the content begins, and its length (2.2).
fn header(buffer: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let Some((first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let mut length = 0;
    for place in 0..4_usize {
        let Some(byte) = rest.get(place) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return match length {
                0..=MAX_PACKET => Ok(Some((*first, place + 2, length))),
                _ => Err(Malformed("a message of it is larger than 2 MiB")),
            };
        }
    }
    Err(Malformed("a packet of it has no right length"))
}

fn read(first: u8, content: &[u8]) -> Result<Incoming, Malformed> {
    match (first >> 4, content) {
        (2, [_, code]) => Ok(Incoming::Connected(*code)),
        (9, [_, _, codes @ ..]) => Ok(Incoming::Subscribed(codes.to_vec())),
        (3, _) => message(first, content)
            .map(Incoming::Message)
            .ok_or(Malformed("a message of it cannot be read")),
        (2 | 9, _) => Err(Malformed("an answer of it is too short")),
        (0, _) => Err(Malformed("it sends packets that do not exist")),
        _ => Ok(Incoming::Other),
    }
}

fn message(first: u8, content: &[u8]) -> Option<Message> {
    let (length, rest) = content.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let (topic, rest) = rest.split_at_checked(length)?;
    let (id, payload) = match first >> 1 & 3 {
        0 => (None, rest),
        // We have asked for no more than 1.
        1 => {
            let (id, payload) = rest.split_at_checked(2)?;
            (Some(u16::from_be_bytes(id.try_into().ok()?)), payload)
        }
        _ => return None,
    };
    Some(Message {
        topic: String::from_utf8(topic.to_vec()).ok()?,
        id,
        retained: first & 1 == 1,
        payload: payload.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(bytes: &[u8]) -> Result<Vec<Incoming>, Malformed> {
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        // However the bytes are cut.
        for byte in bytes {
            buffer.push(*byte);
            while let Some(incoming) = take(&mut buffer)? {
                found.push(incoming);
            }
        }
        assert!(buffer.len() < 5, "{buffer:?} is left");
        Ok(found)
    }

    #[test]
    fn packets_are_written_as_the_standard_says() {
        let who = Introduction {
            client_id: "id",
            keep_alive: 258,
            user: Some("u"),
            password: Some("p"),
        };
        let written = connect(&who).unwrap();
        assert_eq!(
            written,
            b"\x10\x14\x00\x04MQTT\x04\xc0\x01\x02\x00\x02id\x00\x01u\x00\x01p"
        );
        let written = subscribe(["a/#", "b"].into_iter()).unwrap();
        assert_eq!(written, b"\x82\x0c\x00\x01\x00\x03a/#\x01\x00\x01b\x01");
        assert_eq!(acknowledge(0x0102), [0x40, 2, 1, 2]);
        let long = packet(0x30, &[0; 321]).unwrap();
        assert_eq!(long[..3], [0x30, 0xc1, 0x02]);
        assert_eq!(
            connect(&Introduction {
                client_id: &"x".repeat(70_000),
                ..who
            }),
            None
        );
    }

    #[test]
    fn what_a_broker_says_is_understood() {
        let bytes = b"\x20\x02\x00\x05\x90\x04\x00\x01\x01\x80\xd0\x00\
                      \x33\x08\x00\x01t\x00\x07abc\x30\x03\x00\x01t";
        let message = |id, retained, payload: &[u8]| {
            Incoming::Message(Message {
                topic: "t".into(),
                id,
                retained,
                payload: payload.to_vec(),
            })
        };
        assert_eq!(
            take_all(bytes).unwrap(),
            [
                Incoming::Connected(5),
                Incoming::Subscribed(vec![1, 0x80]),
                Incoming::Other,
                message(Some(7), true, b"abc"),
                message(None, false, b""),
            ]
        );
    }

    #[test]
    fn what_is_not_mqtt_is_told_apart() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\x00\x00",
            b"\x30\xff\xff\xff\x7f",
            b"\x30\xff\xff\xff\xff\x01",
            b"\x32\x02\x00\x09",
            b"\x20\x00",
        ] {
            let mut buffer = bytes.to_vec();
            let outcome = take(&mut buffer);
            let waits = matches!(outcome, Ok(None | Some(Incoming::Other)));
            assert!(
                outcome.is_err() || (bytes.starts_with(b"HTTP") && waits),
                "{bytes:?}"
            );
        }
    }
}
