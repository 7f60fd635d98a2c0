//! A collector, ready to be sent records.
//!
//! What an answer means follows the specification of OTLP ("OTLP/HTTP Response"): 429, 502, 503 and 504 are
//! tried again, with the pause of `Retry-After`; other failures of the client's side (4xx) must not be. Two
//! of those are waited for here all the same, since an operator can mend them and the records are good: a
//! refusal of the device (401, 403, 407), and an address where nothing listens (404, 405). 500 and other
//! failures of the server are tried again, too: records that wait lose nothing. A 200 may say that the
//! collector dropped some of the records, though not which.

use std::borrow::Cow;

use millstream_plugin::ExportError;
use millstream_plugin::http::{
    Address, Advice, Answer, Compression, HeaderMap, Keep, Method, Network, Request, Sent,
    Transport, Unanswered, printable,
};
use prost::Message;

use crate::proto::{
    ExportLogsServiceRequest, ExportLogsServiceResponse, InstrumentationScope, LogRecord, Resource,
    ResourceLogs, ScopeLogs, Status,
};

/// Where an operator looks when a collector refuses.
const ADVICE: Advice = Advice {
    credentials: "`headers`, `bearer` and `secretHeaders`",
    address: "`uri`",
    request: "`uri` and `headers`",
};

/// The failures of the client's side that RFC 9110 and RFC 6585 name and that are not waited for: all but
/// 401, 403, 404, 405, 407, 408, 425 and 429.
const FINAL: [u16; 16] = [
    400, 402, 406, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 431,
];

/// The longest answer that is read whole, in bytes; one is a few words.
const MAX_ANSWER: usize = 64 << 10;
/// Characters of a collector's own words.
const MAX_WORDS: usize = 200;

/// What all requests of an export have in common, and the network that carries them.
#[derive(Debug)]
pub(crate) struct Collector<T = Network> {
    pub(crate) transport: T,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    pub(crate) resource: Resource,
}

impl<T: Transport> Collector<T> {
    /// Sends records in one request.
    pub(crate) fn send(&mut self, records: &[LogRecord]) -> Sent {
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.resource.clone()),
                scope_logs: vec![ScopeLogs {
                    scope: Some(InstrumentationScope {
                        name: "millstream".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    }),
                    log_records: records.to_vec(),
                }],
            }],
        };
        let mut headers = self.headers.clone();
        let body = Cow::Owned(request.encode_to_vec());
        let body = self.compression.apply(body, &mut headers);
        let outcome = self.transport.send(&Request {
            method: Method::Post,
            address: &self.address,
            headers,
            body,
            keep: Keep::Whole(MAX_ANSWER),
        });
        match outcome {
            Ok(answer) if answer.status == 200 => self.success(&answer, records.len()),
            Ok(answer) if (200..=299).contains(&answer.status) => {
                Sent::Failed(ExportError::misconfigured(format!(
                    "{} answers {}, and OTLP knows only 200 as success; check `uri`",
                    self.address,
                    answer.said()
                )))
            }
            Ok(answer) => {
                let answer = in_words(answer);
                Sent::all_or_nothing(Ok(answer), &self.address, &ADVICE, &FINAL)
            }
            Err(unanswered) => Sent::unanswered(&unanswered, &self.address),
        }
    }

    /// What a 200 says: all is well, or some records were dropped.
    fn success(&self, answer: &Answer, count: usize) -> Sent {
        let Ok(response) = ExportLogsServiceResponse::decode(&*answer.body) else {
            // It may be a web server that answers every request with a page.
            let broken = Unanswered::Broken("what came back is no answer in OTLP".to_owned());
            return Sent::unanswered(&broken, &self.address);
        };
        let partial = response.partial_success.unwrap_or_default();
        let words = printable(partial.error_message.as_bytes(), MAX_WORDS);
        let dropped = usize::try_from(partial.rejected_log_records).unwrap_or(0);
        match dropped.min(count) {
            0 => {
                if !words.is_empty() {
                    millstream_plugin::log::warn(&format!("{} says: {words}", self.address));
                }
                Sent::Taken
            }
            // Sending them again is not allowed, nor would it help: the others would double. Which ones it
            // were is not said, so the last of the request stand for them, and the reason says so.
            dropped => {
                let reason = match dropped == count {
                    true => format!("{} dropped it: \"{words}\"", self.address),
                    false => format!(
                        "{} dropped {dropped} of {count} records of a request, this one or another, \
                         since it does not say which: \"{words}\"",
                        self.address
                    ),
                };
                let places = count - dropped..count;
                Sent::TakenBut(places.map(|place| (place, reason.clone())).collect())
            }
        }
    }
}

/// The same answer with its body in words, if it is a `google.rpc.Status`, as it should be.
fn in_words(answer: Answer) -> Answer {
    match Status::decode(&*answer.body) {
        Ok(status) if !status.message.is_empty() => Answer {
            body: status.message.into_bytes(),
            ..answer
        },
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::http::header;

    use super::*;
    use crate::proto::PartialSuccess;

    struct Script(Result<Answer, Unanswered>);

    impl Transport for Script {
        fn send(&mut self, _: &Request<'_>) -> Result<Answer, Unanswered> {
            self.0.clone()
        }
    }

    fn sent(outcome: Result<Answer, Unanswered>) -> Sent {
        let mut collector = Collector {
            transport: Script(outcome),
            address: Address::try_from("http://a/v1/logs".to_owned()).unwrap(),
            headers: HeaderMap::new(),
            compression: Compression::None,
            resource: Resource::default(),
        };
        collector.send(&vec![LogRecord::default(); 3])
    }

    fn answer(status: u16, body: &[u8]) -> Result<Answer, Unanswered> {
        Ok(Answer {
            status,
            body: body.to_vec(),
            ..Answer::default()
        })
    }

    fn partly(rejected: i64, words: &str) -> Sent {
        let response = ExportLogsServiceResponse {
            partial_success: Some(PartialSuccess {
                rejected_log_records: rejected,
                error_message: words.into(),
            }),
        };
        sent(answer(200, &response.encode_to_vec()))
    }

    #[test]
    fn a_success_may_be_a_partial_one() {
        assert_eq!(sent(answer(200, b"")), Sent::Taken);
        assert_eq!(partly(0, "please send less"), Sent::Taken);
        assert_eq!(partly(-1, ""), Sent::Taken);
        let Sent::TakenBut(lost) = partly(2, "too old") else {
            panic!("all taken");
        };
        assert_eq!([lost[0].0, lost[1].0], [1, 2]);
        assert!(
            lost[0].1.contains("2 of 3") && lost[0].1.contains("too old"),
            "{lost:?}"
        );
        let Sent::TakenBut(lost) = partly(9, "all bad") else {
            panic!("all taken");
        };
        assert_eq!(lost.len(), 3);
        assert!(lost[0].1.ends_with("dropped it: \"all bad\""), "{lost:?}");
    }

    #[test]
    fn every_status_is_what_the_specification_says() {
        for status in 201..=599 {
            let sent = sent(answer(status, b""));
            let as_expected = match status {
                429 | 503 => matches!(sent, Sent::Failed(ExportError::Throttled(_))),
                408 | 425 | 500.. => matches!(sent, Sent::Failed(ExportError::Unavailable(_))),
                401 | 403 | 407 => matches!(sent, Sent::Failed(ExportError::Denied(_))),
                status if FINAL.contains(&status) => matches!(sent, Sent::Refused(_)),
                _ => matches!(sent, Sent::Failed(ExportError::Misconfigured(_))),
            };
            assert!(as_expected, "{status}: {sent:?}");
        }
    }

    #[test]
    fn a_refusal_is_in_the_collectors_own_words() {
        let status = Status {
            message: "bad body".into(),
        };
        let Sent::Refused(reason) = sent(answer(400, &status.encode_to_vec())) else {
            panic!("not refused");
        };
        assert!(
            reason.ends_with("400 Bad Request (\"bad body\")"),
            "{reason}"
        );
        let Sent::Refused(reason) = sent(answer(400, b"plain words")) else {
            panic!("not refused");
        };
        assert!(reason.contains("plain words"), "{reason}");
    }

    #[test]
    fn what_is_no_answer_in_otlp_is_tried_again() {
        for outcome in [
            answer(200, b"<html>welcome</html>"),
            Err(Unanswered::Broken("gone".into())),
        ] {
            let sent = sent(outcome);
            assert!(
                matches!(sent, Sent::Failed(ExportError::Unavailable(_))),
                "{sent:?}"
            );
        }
        assert!(matches!(sent(Err(Unanswered::TimedOut)), Sent::TooSlow(_)));
    }

    #[test]
    fn a_pause_that_is_asked_for_is_passed_on() {
        let answer = Answer {
            status: 503,
            headers: HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().unwrap())]),
            body: Vec::new(),
        };
        let Sent::Failed(ExportError::Throttled(failure)) = sent(Ok(answer)) else {
            panic!("not throttled");
        };
        assert_eq!(failure.retry_after_ms, Some(7000));
    }
}
