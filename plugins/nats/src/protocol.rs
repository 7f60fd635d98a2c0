//! The client protocol of NATS: lines of text, and messages behind some of them.
//!
//! Bytes in, operations out, and back. Everything that a server can send has a bound.

use serde::Deserialize;
use serde_json::Value;

/// The longest line of a server, in bytes. An `INFO` names all servers of a cluster.
const MAX_LINE: usize = 64 << 10;
/// The largest message that is taken from a server, in bytes: an acknowledgement has some hundred.
const MAX_MESSAGE: usize = 1 << 20;

/// What a server says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// Who it is, at the beginning and whenever that changes.
    Info(Box<Info>),
    /// A message of a subscription.
    Message(Delivered),
    /// It asks whether we are there.
    Ping,
    /// It is there.
    Pong,
    /// Something went well.
    Ok,
    /// Something is wrong, without the quotation marks.
    Error(String),
}

/// The message of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) subject: String,
    /// The status in its headers; 503 where nobody listens to what was published.
    pub(crate) status: Option<u16>,
    pub(crate) payload: Vec<u8>,
}

/// What matters here of what a server says of itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Info {
    /// The largest message, headers included, in bytes.
    pub(crate) max_payload: u64,
    #[serde(default)]
    pub(crate) headers: bool,
    #[serde(default)]
    pub(crate) tls_required: bool,
    /// What a client with a key signs.
    pub(crate) nonce: Option<String>,
    /// The server is about to end.
    #[serde(default)]
    pub(crate) ldm: bool,
}

/// What is not the protocol; the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Takes the bytes of a server apart.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// Where what is not yet parsed begins.
    start: usize,
}

impl Parser {
    /// Takes what has come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next operation; none if more bytes are needed for it.
    pub(crate) fn next(&mut self) -> Result<Option<Operation>, Malformed> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        match parse(rest)? {
            Some((operation, length)) => {
                self.start += length;
                Ok(Some(operation))
            }
            None => {
                self.buffer.drain(..self.start);
                self.start = 0;
                Ok(None)
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Operation, usize)>, Malformed> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return match bytes.len() > MAX_LINE {
            true => Err(Malformed("a line of it has no end")),
            false => Ok(None),
        };
    };
    let (line, behind) = (bytes.get(..end).unwrap_or_default(), end + 2);
    let line = std::str::from_utf8(line).map_err(|_| Malformed("a line of it is not text"))?;
    let (word, arguments) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let operation = match word.to_ascii_uppercase().as_str() {
        "MSG" | "HMSG" => {
            let has_headers = word.len() == 4;
            let rest = bytes.get(behind..).unwrap_or_default();
            let message = parse_message(arguments, has_headers, rest)?;
            return Ok(
                message.map(|(message, length)| (Operation::Message(message), behind + length))
            );
        }
        "INFO" => serde_json::from_str(arguments)
            .map(Operation::Info)
            .map_err(|_| Malformed("it does not say who it is as NATS does"))?,
        "PING" => Operation::Ping,
        "PONG" => Operation::Pong,
        "+OK" => Operation::Ok,
        "-ERR" => Operation::Error(arguments.trim().trim_matches('\'').to_owned()),
        _ => return Err(Malformed("it says what NATS does not know")),
    };
    Ok(Some((operation, behind)))
}

/// Arguments are `subject sid [reply-to] [header-length] length`.
fn parse_message(
    arguments: &str,
    has_headers: bool,
    bytes: &[u8],
) -> Result<Option<(Delivered, usize)>, Malformed> {
    const WRONG: Malformed = Malformed("a message of it has no right length");
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    if words.len() < 3 + usize::from(has_headers) {
        return Err(WRONG);
    }
    let number = |word: Option<&&str>| -> Result<usize, Malformed> {
        word.and_then(|word| word.parse().ok()).ok_or(WRONG)
    };
    let (head, total) = match has_headers {
        true => (number(words.iter().rev().nth(1))?, number(words.last())?),
        false => (0, number(words.last())?),
    };
    if total > MAX_MESSAGE || head > total {
        return Err(WRONG);
    }
    let Some(whole) = bytes.get(..total + 2) else {
        return Ok(None);
    };
    let (content, end) = whole.split_at(total);
    if end != b"\r\n" {
        return Err(WRONG);
    }
    let (head, payload) = content.split_at(head);
    let message = Delivered {
        subject: words.first().copied().unwrap_or_default().to_owned(),
        status: status(head),
        payload: payload.to_vec(),
    };
    Ok(Some((message, total + 2)))
}

/// The number in `NATS/1.0 503`, the first line of headers.
fn status(head: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(head).ok()?;
    let line = text.lines().next()?.strip_prefix("NATS/1.0")?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Writes the greeting of a client.
pub(crate) fn connect(out: &mut Vec<u8>, options: &Value) {
    out.extend_from_slice(format!("CONNECT {options}\r\n").as_bytes());
}

/// Writes a subscription with the number 1.
pub(crate) fn subscribe(out: &mut Vec<u8>, subject: &str) {
    out.extend_from_slice(format!("SUB {subject} 1\r\n").as_bytes());
}

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publish<'a> {
    pub(crate) subject: &'a str,
    /// Where the acknowledgement goes.
    pub(crate) reply: &'a str,
    /// The lines of the headers behind the first, each with its end.
    pub(crate) headers: &'a str,
    pub(crate) payload: &'a [u8],
}

const FIRST_LINE: &str = "NATS/1.0\r\n";

impl Publish<'_> {
    /// What counts against the largest message of the server, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.head() + self.payload.len()
    }

    fn head(&self) -> usize {
        FIRST_LINE.len() + self.headers.len() + 2
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Self {
            subject,
            reply,
            headers,
            payload,
        } = self;
        let (head, size) = (self.head(), self.size());
        let line = format!("HPUB {subject} {reply} {head} {size}\r\n{FIRST_LINE}{headers}\r\n");
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Operation>, Malformed> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        // However the bytes are cut.
        for byte in bytes {
            parser.feed(&[*byte]);
            while let Some(operation) = parser.next()? {
                found.push(operation);
            }
        }
        assert!(parser.buffer.len() <= bytes.len());
        Ok(found)
    }

    #[test]
    fn what_a_server_says_is_taken_apart() {
        let said = b"INFO {\"max_payload\":1048576,\"headers\":true,\"nonce\":\"n\",\"x\":1}\r\n\
            PING\r\nPONG\r\n+OK\r\n-ERR 'Authorization Violation'\r\n\
            MSG _INBOX.a.1 1 5\r\nhe\r\no\r\n\
            HMSG _INBOX.a.2 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
            HMSG _INBOX.a.3 1 reply 18 20\r\nNATS/1.0\r\na: b\r\n\r\n{}\r\n";
        let operations = all(said).unwrap();
        let Operation::Info(info) = &operations[0] else {
            panic!("{operations:?}")
        };
        assert_eq!(
            (info.max_payload, info.headers, info.ldm),
            (1 << 20, true, false)
        );
        let message = |subject: &str, status, payload: &[u8]| {
            Operation::Message(Delivered {
                subject: subject.into(),
                status,
                payload: payload.into(),
            })
        };
        let expected = [
            Operation::Ping,
            Operation::Pong,
            Operation::Ok,
            Operation::Error("Authorization Violation".into()),
            message("_INBOX.a.1", None, b"he\r\no"),
            message("_INBOX.a.2", Some(503), b""),
            message("_INBOX.a.3", None, b"{}"),
        ];
        assert_eq!(operations[1..], expected);
    }

    #[test]
    fn what_is_not_nats_is_refused_and_never_grows() {
        for said in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\r\n",
            b"INFO {}\r\n",
            b"INFO 7\r\n",
            b"MSG a 1\r\n",
            b"MSG a 1 x\r\n",
            b"MSG a 1 99999999999999999999\r\n",
            b"MSG a 1 2000000\r\n",
            b"MSG a 1 2\r\nabcd",
            b"HMSG a 1 9 3\r\n",
            b"\xff\xfe\r\n",
        ] {
            assert!(all(said).is_err(), "{}", String::from_utf8_lossy(said));
        }
        let mut endless = Parser::default();
        endless.feed(&vec![b'x'; MAX_LINE + 2]);
        assert!(endless.next().is_err());
    }

    #[test]
    fn a_message_is_written_with_its_lengths() {
        let mut out = Vec::new();
        let publish = Publish {
            subject: "plant.7",
            reply: "_INBOX.a.0",
            headers: "Nats-Msg-Id: s:7\r\n",
            payload: b"\0\r\n",
        };
        publish.write(&mut out);
        let expected =
            b"HPUB plant.7 _INBOX.a.0 30 33\r\nNATS/1.0\r\nNats-Msg-Id: s:7\r\n\r\n\0\r\n\r\n";
        assert_eq!(out, expected);
        assert_eq!(publish.size(), 33);
    }
}
