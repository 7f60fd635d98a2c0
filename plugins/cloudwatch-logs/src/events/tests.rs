use millstream_aws::Delivery;
use millstream_plugin::config::parse;
use millstream_plugin::http::{Answer, Request, Unanswered};
use millstream_plugin::{Disposition, ExportContext, ExportError, Undelivered};

use super::*;

/// Answers each call as the script says, and keeps what it was sent.
struct Script<'a> {
    answer: &'a dyn Fn(&str, &Value) -> (u16, Value),
    seen: Vec<(String, Value)>,
}

impl Transport for &mut Script<'_> {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        let operation = request.headers["x-amz-target"].to_str().unwrap();
        let operation = operation.rsplit_once('.').unwrap().1.to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let (status, answer) = (self.answer)(&operation, &body);
        self.seen.push((operation, body));
        Ok(Answer {
            status,
            body: answer.to_string().into_bytes(),
            ..Answer::default()
        })
    }
}

type Delivered = (Result<Vec<Undelivered>, ExportError>, Vec<(String, Value)>);

fn deliver(
    config: &str,
    messages: &[(u64, &str)],
    answer: &dyn Fn(&str, &Value) -> (u16, Value),
) -> Delivered {
    let config = format!(r#"{{"logGroupName": "g", "region": "eu-central-1"{config}}}"#);
    let context = ExportContext {
        stream_name: "s".to_owned(),
        export_identifier: "e".to_owned(),
    };
    let settings = Settings::new(&context, parse(&config).unwrap()).unwrap();
    let mut script = Script {
        answer,
        seen: Vec::new(),
    };
    let events = Events::new(&mut script, settings).unwrap();
    let batch = messages.iter().map(|(ingest_time, payload)| Message {
        sequence_number: 0,
        ingest_time: *ingest_time,
        payload: payload.as_bytes().to_vec(),
    });
    let result = Delivery::new(events).deliver(batch.collect());
    (result, script.seen)
}

fn take(_: &str, _: &Value) -> (u16, Value) {
    (200, json!({}))
}

fn error(kind: &str) -> (u16, Value) {
    (400, json!({ "__type": kind, "message": "as told" }))
}

fn operations(seen: &[(String, Value)]) -> Vec<&str> {
    seen.iter()
        .map(|(operation, _)| operation.as_str())
        .collect()
}

#[test]
fn events_leave_in_the_order_of_their_time_and_else_in_that_of_the_stream() {
    let (result, seen) = deliver("", &[(5, "a"), (7, "b"), (5, "c"), (1, "d")], &take);
    assert_eq!(result.unwrap(), []);
    assert_eq!(
        seen[0].1,
        json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [
            { "timestamp": 1, "message": "d" },
            { "timestamp": 5, "message": "a" },
            { "timestamp": 5, "message": "c" },
            { "timestamp": 7, "message": "b" },
        ] })
    );
}

#[test]
fn a_call_spans_a_day_at_most() {
    let (result, seen) = deliver("", &[(0, "a"), (MAX_SPAN, "b"), (MAX_SPAN + 1, "c")], &take);
    assert_eq!(result.unwrap(), []);
    let counts = seen
        .iter()
        .map(|(_, body)| body["logEvents"].as_array().unwrap().len());
    assert_eq!(counts.collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_call_has_a_mebibyte_at_most_with_what_the_service_adds() {
    let half = "x".repeat((1 << 19) - 26);
    let more = "x".repeat((1 << 19) - 25);
    let (_, seen) = deliver("", &[(0, &half), (0, &half)], &take);
    assert_eq!(seen.len(), 1);
    let (_, seen) = deliver("", &[(0, &half), (0, &more)], &take);
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_missing_log_stream_is_created() {
    let created = std::cell::Cell::new(false);
    let (result, seen) = deliver("", &[(0, "a")], &|operation, _| match operation {
        "CreateLogStream" => {
            created.set(true);
            (200, Value::Null)
        }
        _ if created.get() => (200, json!({})),
        _ => error("ResourceNotFoundException"),
    });
    assert_eq!(result.unwrap(), []);
    let calls = ["PutLogEvents", "CreateLogStream", "PutLogEvents"];
    assert_eq!(operations(&seen), calls);
    assert_eq!(
        seen[1].1,
        json!({ "logGroupName": "g", "logStreamName": "s" })
    );
}

#[test]
fn a_missing_log_group_is_created_only_if_the_configuration_says_so() {
    let gone = |_: &str, _: &Value| error("ResourceNotFoundException");
    let (result, seen) = deliver("", &[(0, "a")], &gone);
    assert!(matches!(result, Err(ExportError::Misconfigured(_))));
    assert_eq!(operations(&seen), ["PutLogEvents", "CreateLogStream"]);

    let group = std::cell::Cell::new(false);
    let stream = std::cell::Cell::new(false);
    let answer = |operation: &str, _: &Value| match operation {
        "CreateLogGroup" => {
            group.set(true);
            error("ResourceAlreadyExistsException")
        }
        "CreateLogStream" if group.get() => {
            stream.set(true);
            (200, Value::Null)
        }
        "PutLogEvents" if stream.get() => (200, json!({})),
        _ => error("ResourceNotFoundException"),
    };
    let (result, seen) = deliver(r#", "createLogGroup": true"#, &[(0, "a")], &answer);
    assert_eq!(result.unwrap(), []);
    assert_eq!(seen.len(), 5);
}

#[test]
fn nothing_is_created_against_the_configuration() {
    let (result, seen) = deliver(r#", "createLogStream": false"#, &[(0, "a")], &|_, _| {
        error("ResourceNotFoundException")
    });
    let Err(ExportError::Misconfigured(reason)) = result else {
        panic!("not misconfigured");
    };
    assert!(
        reason.contains("Log stream `s` of the log group `g`"),
        "{reason}"
    );
    assert_eq!(operations(&seen), ["PutLogEvents"]);
}

#[test]
fn a_name_that_cannot_be_created_rejects_no_message() {
    let (result, _) = deliver("", &[(0, "a"), (0, "b")], &|operation, _| match operation {
        "CreateLogStream" => error("InvalidParameterException"),
        _ => error("ResourceNotFoundException"),
    });
    assert!(matches!(result, Err(ExportError::Misconfigured(_))));
}

#[test]
fn events_that_are_too_old_or_too_new_are_rejected_with_the_reason() {
    let info = json!({ "rejectedLogEventsInfo": {
        "tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3
    } });
    // In the order of time the last message is the first event.
    let messages = [(2, "b"), (3, "c"), (4, "d"), (5, "e"), (1, "a")];
    let (result, _) = deliver("", &messages, &|_, _| (200, info.clone()));
    let undelivered = result.unwrap();
    let places: Vec<u32> = undelivered.iter().map(|one| one.index).collect();
    assert_eq!(places, [0, 2, 3, 4]);
    assert!(
        undelivered
            .iter()
            .all(|one| one.disposition == Disposition::Reject)
    );
    assert!(undelivered[0].reason.contains("retention"));
    assert!(undelivered[1].reason.contains("clock"));
    assert!(undelivered[3].reason.contains("14 days"));
}

#[test]
fn an_event_beyond_what_every_region_takes_is_rejected_where_the_service_refuses_it() {
    let large = "x".repeat(300 << 10);
    let refuse = |_: &str, body: &Value| {
        let events = body["logEvents"].as_array().unwrap();
        let is_small = |event: &Value| event["message"].as_str().unwrap().len() < 256 << 10;
        match events.iter().all(is_small) {
            true => (200, json!({})),
            false => error("InvalidParameterException"),
        }
    };
    let (result, _) = deliver("", &[(0, &large)], &refuse);
    assert_eq!(result.unwrap()[0].disposition, Disposition::Reject);
    let (result, _) = deliver("", &[(0, "a"), (1, &large), (2, "b")], &refuse);
    let undelivered = result.unwrap();
    assert_eq!((undelivered.len(), undelivered[0].index), (1, 1));
}
