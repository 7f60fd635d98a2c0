//! Records, the call that carries them, and what became of each.

use millstream_aws::endpoint::Endpoint;
use millstream_aws::{CallError, CallLimits, Operation, Outcome, Placed, Refusal, Service, Target};
use millstream_plugin::http::Transport;
use millstream_plugin::{ConfigError, Message};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::config::Settings;

/// Records in one call (API reference of `PutRecordBatch`).
pub(crate) const MAX_RECORDS: u32 = 500;
/// The largest record before base64: 1,000 KiB (the same page).
pub(crate) const MAX_RECORD_BYTES: u64 = 1000 << 10;
/// The largest sum of records in a call (the same page), counted before base64 as a record is.
pub(crate) const MAX_CALL_BYTES: u64 = 4 << 20;

/// `PutRecordBatch` to one Firehose stream.
#[derive(Debug)]
pub(crate) struct Records<T> {
    service: Service<T>,
    stream_name: String,
    append_newline: bool,
}

/// The body of a call.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Call<'a> {
    delivery_stream_name: &'a str,
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(serialize_with = "base64")]
    data: &'a [u8],
}

fn base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(data))
}

impl<T: Transport> Records<T> {
    pub(crate) fn new(transport: T, settings: &Settings) -> Result<Self, ConfigError> {
        let stream_name = settings.stream_name.as_str().to_owned();
        let target = Target {
            name: format!(
                "Firehose stream `{stream_name}` in `{}`",
                settings.place.region().as_str()
            ),
            keys: "`deliveryStreamName`, `region` and the account",
            permission: "`firehose:PutRecordBatch`",
        };
        Ok(Self {
            service: Service::new(transport, Endpoint::Firehose, &settings.place, target)?,
            stream_name,
            append_newline: settings.append_newline,
        })
    }
}

impl<T: Transport> Operation for Records<T> {
    /// The data of a record.
    type Entry = Vec<u8>;

    fn limits(&self) -> CallLimits {
        CallLimits {
            entries: MAX_RECORDS as usize,
            bytes: MAX_CALL_BYTES,
        }
    }

    fn entry(&mut self, message: Message) -> Result<Vec<u8>, String> {
        let mut data = message.payload;
        if self.append_newline {
            data.push(b'\n');
        }
        let length = data.len() as u64;
        if length > MAX_RECORD_BYTES {
            let with = if self.append_newline {
                " with its line end"
            } else {
                ""
            };
            return Err(format!(
                "The record has {length} bytes{with}, more than the {MAX_RECORD_BYTES} that Firehose takes."
            ));
        }
        Ok(data)
    }

    fn bytes(&self, data: &Vec<u8>) -> u64 {
        data.len() as u64
    }

    fn send(&mut self, records: &[Placed<Vec<u8>>]) -> Result<Vec<Outcome>, CallError> {
        let call = Call {
            delivery_stream_name: &self.stream_name,
            records: records
                .iter()
                .map(|placed| Record {
                    data: &placed.entry,
                })
                .collect(),
        };
        let answer = self
            .service
            .json("Firehose_20150804.PutRecordBatch", &call)?;
        let Some(responses) = answer.get("RequestResponses").and_then(Value::as_array) else {
            return Err(self.service.not_understood());
        };
        let target = self.service.target();
        Ok(responses
            .iter()
            .map(|response| outcome(response, target))
            .collect())
    }
}

/// What became of one record. Only a `RecordId` says that it was taken.
fn outcome(response: &Value, target: &Target) -> Outcome {
    let text = |key| response.get(key).and_then(Value::as_str);
    match (text("ErrorCode"), text("RecordId")) {
        (None | Some(""), Some(_)) => Outcome::Taken,
        (code, _) => {
            let code = code.unwrap_or("InternalFailure");
            let message = text("ErrorMessage").unwrap_or("the answer has no record id");
            Refusal::of_entry(code, message).fault(target).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_aws::Delivery;
    use millstream_plugin::config::parse;
    use millstream_plugin::http::{Answer, Request, Unanswered};
    use millstream_plugin::{Disposition, ExportError};

    use super::*;
    use crate::config::Config;

    /// Answers each call with the next body, and keeps what it was sent.
    struct Script {
        answers: Vec<(u16, String)>,
        seen: Vec<Value>,
    }

    impl Transport for &mut Script {
        fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
            self.seen
                .push(serde_json::from_slice(&request.body).unwrap());
            let (status, body) = self.answers.remove(0);
            Ok(Answer {
                status,
                body: body.into_bytes(),
                ..Answer::default()
            })
        }
    }

    fn deliver(
        answers: &[(u16, &str)],
        config: &str,
        payloads: &[&[u8]],
    ) -> (
        Result<Vec<millstream_plugin::Undelivered>, ExportError>,
        Vec<Value>,
    ) {
        let mut script = Script {
            answers: answers
                .iter()
                .map(|(status, body)| (*status, (*body).to_owned()))
                .collect(),
            seen: Vec::new(),
        };
        let config = format!(r#"{{"deliveryStreamName": "f", "region": "eu-central-1"{config}}}"#);
        let settings = Settings::try_from(parse::<Config>(&config).unwrap()).unwrap();
        let records = Records::new(&mut script, &settings).unwrap();
        let batch = payloads.iter().map(|payload| Message {
            sequence_number: 0,
            ingest_time: 0,
            payload: payload.to_vec(),
        });
        let result = Delivery::new(records).deliver(batch.collect());
        (result, script.seen)
    }

    const TAKEN: &str =
        r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"},{"RecordId":"2"}]}"#;

    #[test]
    fn a_payload_is_a_record_byte_for_byte() {
        let (result, seen) = deliver(&[(200, TAKEN)], "", &[b"\0\xff", b"b"]);
        assert_eq!(result.unwrap(), []);
        assert_eq!(seen[0]["DeliveryStreamName"], "f");
        assert_eq!(seen[0]["Records"][0]["Data"], "AP8=");
        assert_eq!(seen[0]["Records"][1]["Data"], "Yg==");
    }

    #[test]
    fn a_line_end_comes_behind_it_if_asked_for() {
        let (_, seen) = deliver(
            &[(200, TAKEN)],
            r#", "appendNewline": true"#,
            &[b"a", b"b\n"],
        );
        assert_eq!(seen[0]["Records"][0]["Data"], "YQo=");
        assert_eq!(seen[0]["Records"][1]["Data"], "YgoK");
    }

    #[test]
    fn a_record_that_is_too_large_with_its_line_end_is_rejected() {
        let largest = vec![b'x'; 1000 << 10];
        let one = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]}"#;
        let (result, _) = deliver(&[(200, one)], "", &[&largest]);
        assert_eq!(result.unwrap(), []);
        let (result, seen) = deliver(&[], r#", "appendNewline": true"#, &[&largest]);
        let undelivered = result.unwrap();
        assert_eq!(undelivered[0].disposition, Disposition::Reject);
        assert!(undelivered[0].reason.contains("line end"));
        assert!(seen.is_empty());
    }

    #[test]
    fn only_a_record_that_has_an_id_was_taken() {
        let body = r#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"1"},
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},{}]}"#;
        let (result, _) = deliver(&[(200, body)], "", &[b"a", b"b", b"c", b"d"]);
        let undelivered = result.unwrap();
        let places: Vec<u32> = undelivered.iter().map(|one| one.index).collect();
        assert_eq!(places, [1, 2, 3]);
        assert!(undelivered[0].reason.contains("Slow down."));
    }

    #[test]
    fn records_that_all_fail_say_why_as_a_whole() {
        let body = r#"{"FailedPutCount":1,"RequestResponses":[
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}]}"#;
        let (result, _) = deliver(&[(200, body)], "", &[b"a"]);
        assert!(matches!(result, Err(ExportError::Throttled(_))));
    }

    #[test]
    fn an_answer_without_the_fate_of_records_is_none() {
        let (result, _) = deliver(&[(200, "{}")], "", &[b"a"]);
        assert!(matches!(result, Err(ExportError::Unavailable(_))));
    }

    #[test]
    fn a_stream_with_another_source_is_a_matter_of_the_configuration() {
        let body = r#"{"__type":"InvalidArgumentException","message":"not permitted on KinesisStreamAsSource"}"#;
        let (result, seen) = deliver(&[(400, body); 3], "", &[b"a", b"b"]);
        assert!(matches!(result, Err(ExportError::Misconfigured(_))));
        assert_eq!(seen.len(), 3);
    }
}
