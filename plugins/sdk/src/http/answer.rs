//! What came of a request, and what it means for the messages that it carried.
//!
//! The meaning of a status follows RFC 9110. The rule where it leaves room: a message is given up
//! only where the status speaks of its content; whatever an operator or time can mend is waited for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::Address;
use crate::{ExportError, Failure};

/// What a server has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The beginning of the body: as much as the request asked to keep.
    pub body: Vec<u8>,
}

/// What an operator can look at when a server refuses, in the words of a plugin's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Where credentials stand, such as "`headers`".
    pub credentials: &'static str,
    /// Where the address stands, such as "`uri`".
    pub address: &'static str,
    /// What else makes the request, such as "`uri`, `method` and `headers`".
    pub request: &'static str,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The host does not let this component speak to this host.
    NotGranted,
    /// The name stands for an address of the local network, which the grant does not reach.
    PrivateAddress,
    /// The request cannot be made as it is configured; why.
    NotSent(String),
    /// The server was not reached, or did not answer in HTTP; why.
    Broken(String),
    /// Time was up before the head of the answer was there.
    TimedOut,
}

/// What becomes of the messages of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The server has them.
    Delivered,
    /// The server refuses their content and says why: at least one of them can never be delivered.
    Refused(String),
    /// It is not about them: they are to be sent again.
    Failed(ExportError),
}

/// The statuses that speak of the content of a request: what it carried can never be delivered.
pub const FINAL: [u16; 9] = [400, 406, 409, 411, 413, 414, 415, 422, 431];

/// Marks an answer that the host of this component gave in the place of the server, because it may not or
/// cannot send the secret that the request asks for (`wit/exporter.wit`).
const REFUSED: &str = "x-millstream-refused";

impl Answer {
    /// The value of a header, if it is there and text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Judges an answer from `address` that came at `now`.
    pub fn verdict(&self, address: &Address, advice: &Advice, now: SystemTime) -> Verdict {
        self.verdict_by(&FINAL, address, advice, now)
    }

    /// The same, where other statuses than those of [`FINAL`] refuse the content of a request.
    pub fn verdict_by(
        &self,
        finals: &[u16],
        address: &Address,
        advice: &Advice,
        now: SystemTime,
    ) -> Verdict {
        if let Some(error) = self.refusal_of_host() {
            return Verdict::Failed(error);
        }
        let answers = |then: &str| format!("{address} answers {}{then}", self.said());
        let failure = || match self.pause(now) {
            Some(pause) => Failure::new(answers("")).retry_after(pause),
            None => Failure::new(answers("")),
        };
        let error = match self.status {
            200..=299 => return Verdict::Delivered,
            status if finals.contains(&status) => return Verdict::Refused(answers("")),
            429 | 503 => ExportError::Throttled(failure()),
            408 | 425 | 500.. => ExportError::Unavailable(failure()),
            401 | 403 | 407 => ExportError::denied(answers(&format!(
                "; check the credentials in {} and what the server allows",
                advice.credentials
            ))),
            300..=399 => ExportError::misconfigured(match self.header(header::LOCATION) {
                Some(location) => {
                    let location = printable(location.as_bytes(), MAX_LOCATION);
                    answers(&format!(
                        " and points to {location}; set {} to that",
                        advice.address
                    ))
                }
                None => answers(&format!("; check {}", advice.address)),
            }),
            _ => ExportError::misconfigured(answers(&format!("; check {}", advice.request))),
        };
        Verdict::Failed(error)
    }

    /// The error, if it was not the server that answered but the host: it may not or cannot send a secret.
    pub fn refusal_of_host(&self) -> Option<ExportError> {
        self.headers.get(REFUSED)?;
        Some(ExportError::denied(printable(&self.body, MAX_REFUSAL)))
    }

    /// The status in words, and the beginning of the body, for an operator.
    pub fn said(&self) -> String {
        let status = StatusCode::from_u16(self.status).ok();
        let name = status.and_then(|status| status.canonical_reason());
        let mut said = self.status.to_string();
        if let Some(name) = name {
            said = format!("{said} {name}");
        }
        let body = printable(&self.body, MAX_EXCERPT);
        if body.is_empty() {
            said
        } else {
            format!("{said} (\"{body}\")")
        }
    }

    /// The pause that the server asks for: seconds or a date (RFC 9110, section 10.2.3). A date that
    /// has passed, by the clock of this device, and anything else ask for nothing.
    pub fn pause(&self, now: SystemTime) -> Option<Duration> {
        let text = self.header(header::RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).ok()
    }
}

impl Unanswered {
    /// What the host is to do about a request to `address`.
    pub fn error(&self, address: &Address) -> ExportError {
        match self {
            Self::NotGranted => ExportError::denied(format!(
                "This plugin may not send to {address}: no grant covers it; put \"{}\" into `hosts` \
                 of the plugin's grants.",
                address.grant()
            )),
            Self::PrivateAddress => ExportError::denied(format!(
                "This plugin may not send to {address}: its name stands for an address of the local \
                 network; if that is right, move \"{}\" from `hosts` to `private-hosts` of the \
                 plugin's grants.",
                address.grant()
            )),
            Self::NotSent(why) => ExportError::misconfigured(format!(
                "A request to {address} cannot be made: {why}; check address and headers."
            )),
            Self::Broken(why) => {
                ExportError::unavailable(format!("No answer from {address}: {why}."))
            }
            Self::TimedOut => {
                ExportError::unavailable(format!("No answer from {address} in time."))
            }
        }
    }
}

/// Characters of a body, and of a `location`, that an operator gets to see.
const MAX_EXCERPT: usize = 200;
const MAX_LOCATION: usize = 500;
/// Characters of the host's own sentence.
const MAX_REFUSAL: usize = 1000;

/// The beginning of a text in one line, without what could disturb a log.
pub fn printable(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn address() -> Address {
        Address::try_from("https://example.com/in?key=secret".to_owned()).unwrap()
    }

    const ADVICE: Advice = Advice {
        credentials: "`headers`",
        address: "`uri`",
        request: "`uri`, `method` and `headers`",
    };

    fn status(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::default()
        }
    }

    fn with(status: u16, name: header::HeaderName, value: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::from_iter([(name, value.parse().unwrap())]),
            ..Answer::default()
        }
    }

    fn verdict(answer: &Answer) -> Verdict {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        answer.verdict(&address(), &ADVICE, now)
    }

    fn error(answer: &Answer) -> ExportError {
        match verdict(answer) {
            Verdict::Failed(error) => error,
            other => panic!("{}: {other:?}", answer.status),
        }
    }

    fn pause(retry_after: &str) -> Option<u64> {
        let answer = with(429, header::RETRY_AFTER, retry_after);
        match error(&answer) {
            ExportError::Throttled(failure) => failure.retry_after_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_status_has_a_meaning_and_only_those_about_content_give_a_message_up() {
        for code in 100..=999 {
            let verdict = verdict(&status(code));
            let as_expected = match code {
                200..=299 => verdict == Verdict::Delivered,
                400 | 406 | 409 | 411 | 413 | 414 | 415 | 422 | 431 => {
                    matches!(verdict, Verdict::Refused(_))
                }
                429 | 503 => matches!(verdict, Verdict::Failed(ExportError::Throttled(_))),
                408 | 425 | 500.. => {
                    matches!(verdict, Verdict::Failed(ExportError::Unavailable(_)))
                }
                401 | 403 | 407 => matches!(verdict, Verdict::Failed(ExportError::Denied(_))),
                _ => matches!(verdict, Verdict::Failed(ExportError::Misconfigured(_))),
            };
            assert!(as_expected, "{code}: {verdict:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_server_said_and_shows_no_query() {
        let answer = Answer {
            body: b"  <p>\r\n\tno\0 \x1b[31mthanks</p> \xff ".to_vec(),
            ..status(422)
        };
        let Verdict::Refused(reason) = verdict(&answer) else {
            panic!("not refused");
        };
        assert_eq!(
            reason,
            "https://example.com/in answers 422 Unprocessable Entity (\"<p> no [31mthanks</p> \
             \u{fffd}\")"
        );
    }

    #[test]
    fn what_the_host_refuses_is_denied_whatever_the_status_means() {
        let refusal = Answer {
            body: b"The host did not send the request: the secret `token` is not granted.".to_vec(),
            ..with(403, HeaderName::from_static(REFUSED), "secret")
        };
        let verdict = refusal.verdict_by(&[403], &address(), &ADVICE, SystemTime::UNIX_EPOCH);
        let Verdict::Failed(ExportError::Denied(reason)) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reason.ends_with("`token` is not granted."), "{reason}");
    }

    #[test]
    fn an_operator_may_choose_which_statuses_are_final() {
        let verdict = |code| {
            let answer = status(code);
            answer.verdict_by(&[404, 503], &address(), &ADVICE, SystemTime::UNIX_EPOCH)
        };
        assert!(matches!(verdict(404), Verdict::Refused(_)));
        assert!(matches!(verdict(503), Verdict::Refused(_)));
        assert!(matches!(
            verdict(422),
            Verdict::Failed(ExportError::Misconfigured(_))
        ));
        assert_eq!(verdict(204), Verdict::Delivered);
    }

    #[test]
    fn a_long_body_is_cut() {
        let answer = Answer {
            body: "ü".repeat(5000).into_bytes(),
            ..status(400)
        };
        let Verdict::Refused(reason) = verdict(&answer) else {
            panic!("not refused");
        };
        assert_eq!(reason.matches('ü').count(), MAX_EXCERPT);
        assert!(reason.ends_with("…\")"), "{reason}");
    }

    #[test]
    fn the_pause_a_server_asks_for_is_passed_on() {
        assert_eq!(pause("7"), Some(7000));
        assert_eq!(pause(" 0 "), Some(0));
        assert_eq!(pause("18446744073709551615"), Some(u64::MAX));
        assert_eq!(pause("Sun, 06 Nov 1994 08:50:00 GMT"), Some(23_000));
        assert_eq!(pause("Sunday, 06-Nov-94 08:50:00 GMT"), Some(23_000));
        for nothing in ["Sun, 06 Nov 1994 08:00:00 GMT", "soon", "-1", "1.5", ""] {
            assert_eq!(pause(nothing), None, "{nothing}");
        }
        let answer = with(500, header::RETRY_AFTER, "7");
        let ExportError::Unavailable(failure) = error(&answer) else {
            panic!("not unavailable");
        };
        assert_eq!(failure.retry_after_ms, Some(7000));
    }

    #[test]
    fn a_redirect_says_where_the_server_has_moved() {
        let answer = with(308, header::LOCATION, "https://new.example.com/in");
        let reason = error(&answer).reason().to_owned();
        assert!(
            reason.contains(
                "308 Permanent Redirect and points to https://new.example.com/in; set `uri`"
            ),
            "{reason}"
        );
    }

    #[test]
    fn a_missing_grant_is_named() {
        let ExportError::Denied(reason) = Unanswered::NotGranted.error(&address()) else {
            panic!("not denied");
        };
        assert!(
            reason.contains("put \"https://example.com\" into `hosts`"),
            "{reason}"
        );
        let ExportError::Denied(reason) = Unanswered::PrivateAddress.error(&address()) else {
            panic!("not denied");
        };
        assert!(reason.contains("`private-hosts`"), "{reason}");
    }

    #[test]
    fn what_never_reached_the_server_is_tried_again() {
        for unanswered in [
            Unanswered::TimedOut,
            Unanswered::Broken("it is gone".into()),
        ] {
            let error = unanswered.error(&address());
            assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
            assert!(error.reason().contains("https://example.com/in"));
        }
    }
}
