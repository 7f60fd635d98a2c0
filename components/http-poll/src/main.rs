//! A producer that asks an HTTP server at an interval, and appends the body of each answer as a message.
//! See `README.md`.

use std::borrow::Cow;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use millstream_plugin::http::{
    Address, Answer, HeaderMap, HeaderName, HeaderValue, Keep, Method, Network, Request, Transport,
    Unanswered,
};
use millstream_plugin::log;
use millstream_plugin::producer::{self, Arguments, End};

const KNOWN: [&str; 5] = ["--stream", "--url", "--interval", "--header", "--max-body"];
/// The longest pause between tries that fail, unless the interval is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The longest body, in bytes: what a message may have.
const LARGEST_BODY: u64 = 16 << 20;

fn main() -> ExitCode {
    producer::main(&KNOWN, |arguments| {
        let poll = Poll::of(arguments)?;
        let stream = arguments.required("--stream")?;
        let mut failures = 0;
        loop {
            let pause = match poll.ask(&mut Network) {
                Ok(body) => {
                    failures = 0;
                    if body.is_empty() {
                        log::warn("The answer has no body: there is nothing to append.");
                    } else {
                        producer::append(stream, &[body])?;
                    }
                    poll.interval
                }
                Err(failure) => {
                    log::warn(&failure.reason);
                    failures += 1;
                    poll.pause_after(failures, failure.retry_after)
                }
            };
            producer::pause(pause)?;
        }
    })
}

/// What is asked, and how often.
#[derive(Debug)]
struct Poll {
    address: Address,
    headers: HeaderMap,
    interval: Duration,
    /// In bytes.
    max_body: usize,
}

/// There is no body to append.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    /// For operators.
    reason: String,
    /// What the server asks for.
    retry_after: Option<Duration>,
}

impl Poll {
    fn of(arguments: &Arguments) -> Result<Self, End> {
        let url = arguments.required("--url")?;
        let address = Address::try_from(url.to_owned())
            .map_err(|reason| End::Wrong(format!("`--url`: {reason}.")))?;
        let headers = arguments.all("--header").map(header);
        let max_body = arguments.number("--max-body", 1 << 20, 1..=LARGEST_BODY)?;
        Ok(Self {
            address,
            headers: headers.collect::<Result<_, _>>()?,
            interval: arguments.time("--interval", Duration::from_secs(60))?,
            max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
        })
    }

    /// The body of an answer that is one.
    fn ask(&self, network: &mut impl Transport) -> Result<Vec<u8>, Failure> {
        let request = Request {
            method: Method::Get,
            address: &self.address,
            headers: self.headers.clone(),
            body: Cow::Borrowed(&[]),
            keep: Keep::Whole(self.max_body),
        };
        let answer = network
            .send(&request)
            .map_err(|unanswered| self.unanswered(&unanswered))?;
        match answer.status {
            200..=299 => Ok(answer.body),
            _ => Err(self.refused(&answer)),
        }
    }

    fn unanswered(&self, unanswered: &Unanswered) -> Failure {
        Failure {
            reason: unanswered.error(&self.address).reason().to_owned(),
            retry_after: None,
        }
    }

    fn refused(&self, answer: &Answer) -> Failure {
        let reason = match answer.refusal_of_host() {
            Some(error) => error.reason().to_owned(),
            None => format!("{} answers {}.", self.address, answer.said()),
        };
        Failure {
            reason,
            retry_after: answer.pause(SystemTime::now()),
        }
    }

    /// Doubles from the interval to an hour, and is what the server asks for if that is longer.
    fn pause_after(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let longest = LONGEST_PAUSE.max(self.interval);
        let doubled = self
            .interval
            .saturating_mul(2_u32.saturating_pow(failures - 1));
        doubled.max(asked.unwrap_or_default()).min(longest)
    }
}

/// A header such as `accept: application/json`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), End> {
    // The value may be a secret, put here by mistake, so it is not shown.
    let wrong = |name: &str| {
        End::Wrong(format!(
            "`--header` with the name `{name}` is no header; write one such as `accept: text/plain`."
        ))
    };
    let (name, value) = text.split_once(':').ok_or_else(|| wrong(""))?;
    let parsed = name.trim().parse().ok().zip(value.trim().parse().ok());
    parsed.ok_or_else(|| wrong(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Server(Result<Answer, Unanswered>);

    impl Transport for Server {
        fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
            assert_eq!(request.headers["accept"], "text/plain");
            assert_eq!(request.keep, Keep::Whole(100));
            self.0.clone()
        }
    }

    fn poll(line: &str) -> Result<Poll, End> {
        Poll::of(&Arguments::parse(
            &KNOWN,
            line.split('|').map(str::to_owned),
        )?)
    }

    fn ask(answer: Result<Answer, Unanswered>) -> Result<Vec<u8>, Failure> {
        let line = "--url|http://device/now?key=k|--header|accept: text/plain|--max-body|100";
        poll(line).unwrap().ask(&mut Server(answer))
    }

    fn answer(status: u16) -> Answer {
        Answer {
            status,
            body: b"21.5".to_vec(),
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("retry-after"),
                HeaderValue::from_static("7"),
            )]),
        }
    }

    #[test]
    fn the_body_of_a_good_answer_is_the_message() {
        assert_eq!(ask(Ok(answer(200))), Ok(b"21.5".to_vec()));
    }

    #[test]
    fn other_answers_are_failures_with_a_sentence_and_the_pause_that_the_server_asks_for() {
        for status in [304, 404, 503] {
            let failure = ask(Ok(answer(status))).unwrap_err();
            assert!(failure.reason.contains(&format!("answers {status}")));
            assert!(!failure.reason.contains("key=k"), "{}", failure.reason);
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
        let failure = ask(Err(Unanswered::TimedOut)).unwrap_err();
        assert!(failure.reason.contains("in time"), "{}", failure.reason);
    }

    #[test]
    fn pauses_grow_with_failures_to_an_hour() {
        let poll = poll("--url|http://a|--interval|10s").unwrap();
        let seconds = |failures, asked: Option<u64>| {
            let asked = asked.map(Duration::from_secs);
            poll.pause_after(failures, asked).as_secs()
        };
        assert_eq!(
            [1, 2, 3, 4].map(|failures| seconds(failures, None)),
            [10, 20, 40, 80]
        );
        assert_eq!(seconds(99, None), 3600);
        assert_eq!(seconds(1, Some(15)), 15);
        assert_eq!(seconds(3, Some(15)), 40);
        assert_eq!(seconds(1, Some(100_000)), 3600);
    }

    #[test]
    fn wrong_arguments_are_refused_and_values_of_headers_not_shown() {
        for line in [
            "--url|ftp://a",
            "--url|http://a|--header|secret",
            "--interval|1s",
        ] {
            assert!(matches!(poll(line), Err(End::Wrong(_))), "{line}");
        }
        let line = "--url|http://a|--header|a b: secret";
        let Err(End::Wrong(sentence)) = poll(line) else {
            panic!("taken")
        };
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}
