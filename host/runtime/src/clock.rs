//! Whether the clock of this device is right, by what others say in the header `date`.
//!
//! AWS refuses signatures whose time is more than five minutes off its own, in words that do not tell
//! an operator what to do.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{HeaderMap, header};

/// What is not worth a word. AWS allows five minutes; the answer took some of them.
const TOLERATED: Duration = Duration::from_secs(4 * 60);

/// How far the clock of this device is off another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skew {
    off: Duration,
    behind: bool,
}

impl Skew {
    /// Reads the other clock from the headers of an answer; none if it is not there.
    pub(crate) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        let date = headers.get(header::DATE)?.to_str().ok()?;
        let date = DateTime::from_str(date, Format::HttpDate).ok()?;
        let date = SystemTime::try_from(date).ok()?;
        Some(match date.duration_since(now) {
            Ok(off) => Self { off, behind: true },
            Err(error) => Self {
                off: error.duration(),
                behind: false,
            },
        })
    }

    /// Whether signatures may be refused for it.
    pub(crate) fn is_too_much(&self) -> bool {
        self.off > TOLERATED
    }

    /// What an operator needs to know.
    pub(crate) fn sentence(&self, host: &str) -> String {
        format!(
            "the clock of this device is {self} the one of {host}; AWS refuses signatures more than 5 \
             minutes off: set the clock, e.g. with NTP"
        )
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.off.as_secs() / 60;
        let (count, unit) = match minutes {
            0..120 => (minutes, "minutes"),
            120..2880 => (minutes / 60, "hours"),
            2880..1_051_200 => (minutes / 1440, "days"),
            _ => (minutes / 525_600, "years"),
        };
        let direction = if self.behind { "behind" } else { "ahead of" };
        write!(f, "{count} {unit} {direction}")
    }
}

/// A time as the header `date` has it.
pub(crate) fn http_date(time: SystemTime) -> String {
    DateTime::from(time)
        .fmt(Format::HttpDate)
        .unwrap_or_else(|_| "a time that no calendar has".into())
}

/// Words in which services refuse a signature for its time (AWS General Reference, "Troubleshooting
/// Signature Version 4"; S3 and EC2 API references).
const OF_TIME: [&str; 5] = [
    "Signature expired",
    "Signature not yet current",
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
];

/// Whether a refusal is about a signature, by the code or the sentence of the service.
pub(crate) fn is_about_signature(said: &str) -> bool {
    const SIGNATURE: [&str; 3] = [
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "AuthFailure",
    ];
    OF_TIME
        .iter()
        .chain(&SIGNATURE)
        .any(|word| said.contains(word))
}

/// Adds what to do to a refusal that the time of a signature is the reason for.
pub(crate) fn hint(said: String) -> String {
    if OF_TIME.iter().any(|word| said.contains(word)) {
        format!("{said}; the clock of this device is wrong: set it, e.g. with NTP")
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn skew(seconds: i64) -> Skew {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let other = now.checked_add(Duration::from_secs(seconds.unsigned_abs()));
        let other = match seconds {
            0.. => other,
            _ => now.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
        };
        let mut headers = HeaderMap::new();
        let date = http_date(other.unwrap());
        headers.insert(header::DATE, HeaderValue::from_str(&date).unwrap());
        Skew::of(&headers, now).unwrap()
    }

    #[test]
    fn a_clock_is_compared_with_the_one_of_an_answer() {
        assert!(!skew(240).is_too_much() && !skew(-240).is_too_much());
        assert!(skew(241).is_too_much() && skew(-241).is_too_much());
        for (seconds, expected) in [
            (37 * 60, "37 minutes behind"),
            (-37 * 60, "37 minutes ahead of"),
            (3 * 3600, "3 hours behind"),
            (-5 * 86_400, "5 days ahead of"),
            (-20 * 365 * 86_400, "20 years ahead of"),
        ] {
            assert_eq!(skew(seconds).to_string(), expected);
        }
        let sentence = skew(37 * 60).sentence("kinesis.example");
        assert!(
            sentence.starts_with(
                "the clock of this device is 37 minutes behind the one of kinesis.example; AWS"
            ),
            "{sentence}"
        );
    }

    #[test]
    fn an_answer_without_a_date_says_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(Skew::of(&headers, SystemTime::now()), None);
        headers.insert(header::DATE, HeaderValue::from_static("yesterday"));
        assert_eq!(Skew::of(&headers, SystemTime::now()), None);
    }

    #[test]
    fn a_refusal_for_its_time_gets_a_hint_and_others_do_not() {
        let refused = hint("SignatureDoesNotMatch: Signature expired: 2026 is earlier".into());
        assert!(refused.ends_with("set it, e.g. with NTP"), "{refused}");
        assert_eq!(hint("AccessDenied".into()), "AccessDenied");
        assert!(is_about_signature("InvalidSignatureException"));
        assert!(!is_about_signature("AccessDenied: no"));
    }
}
