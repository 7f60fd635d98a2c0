use millstream_aws::endpoint::Variant;
use millstream_aws::{Delivery, Region};
use millstream_plugin::http::{Answer, Request, Unanswered};
use millstream_plugin::{Disposition, Undelivered};
use serde_json::json;

use super::*;

/// Answers each call as the script says, given the ids of its entries.
struct Script<F> {
    answer: F,
    calls: Vec<Vec<String>>,
}

impl<F: FnMut(&[String]) -> (u16, Value)> Transport for &mut Script<F> {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        assert!(request.address.path_with_query == "/properties");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let entries = body["entries"].as_array().unwrap().iter();
        let ids: Vec<String> = entries
            .map(|entry| entry["entryId"].as_str().unwrap().to_owned())
            .collect();
        let (status, body) = (self.answer)(&ids);
        self.calls.push(ids);
        Ok(Answer {
            status,
            body: body.to_string().into_bytes(),
            ..Answer::default()
        })
    }
}

type Delivered = (Result<Vec<Undelivered>, ExportError>, Vec<String>);

/// Delivers entries: id, alias, and the seconds of their times.
fn deliver(
    entries: &[(&str, &str, &[i64])],
    answer: impl FnMut(&[String]) -> (u16, Value),
) -> Delivered {
    let region = Region::try_from("eu-central-1".to_owned()).unwrap();
    let place = Place::new("sitewise", Some(region), None, Variant::default()).unwrap();
    let mut script = Script {
        answer,
        calls: Vec::new(),
    };
    let batch = entries.iter().map(|(id, alias, times)| {
        let values = times.iter().map(|seconds| {
            json!({ "value": { "integerValue": 1 }, "timestamp": { "timeInSeconds": seconds } })
        });
        let values: Vec<Value> = values.collect();
        let entry = json!({ "entryId": id, "propertyAlias": alias, "propertyValues": values });
        Message {
            sequence_number: 0,
            ingest_time: 0,
            payload: entry.to_string().into_bytes(),
        }
    });
    let entries = Entries::new(&mut script, &place).unwrap();
    let result = Delivery::new(entries).deliver(batch.collect());
    let calls = script.calls.iter().map(|ids| ids.join("")).collect();
    (result, calls)
}

fn taken() -> (u16, Value) {
    (200, json!({ "errorEntries": [] }))
}

fn failed(id: &str, code: &str) -> Value {
    json!({ "entryId": id, "errors": [
        { "errorCode": code, "errorMessage": "as told", "timestamps": [] }] })
}

fn disposition(undelivered: &Undelivered) -> (u32, Disposition) {
    (undelivered.index, undelivered.disposition)
}

#[test]
fn values_for_one_property_and_time_never_share_a_call_and_keep_their_order() {
    let entries: [(&str, &str, &[i64]); 5] = [
        ("a", "x", &[1]),
        ("b", "y", &[1]),
        ("c", "x", &[1, 2]),
        ("d", "x", &[2]),
        ("a", "z", &[9]),
    ];
    let (result, calls) = deliver(&entries, |_| taken());
    assert_eq!(result.unwrap(), []);
    assert_eq!(calls, ["ab", "c", "da"]);
}

#[test]
fn each_error_of_an_entry_has_its_meaning() {
    for (code, expected) in [
        ("InvalidRequestException", Disposition::Reject),
        ("TimestampOutOfRangeException", Disposition::Reject),
        ("ResourceNotFoundException", Disposition::Reject),
        ("ThrottlingException", Disposition::Retry),
        ("LimitExceededException", Disposition::Retry),
        ("ServiceUnavailableException", Disposition::Retry),
        ("InternalFailureException", Disposition::Retry),
        ("AccessDeniedException", Disposition::Retry),
        ("SomethingNewException", Disposition::Retry),
    ] {
        let (result, calls) = deliver(&[("a", "x", &[1]), ("b", "y", &[1])], |_| {
            (200, json!({ "errorEntries": [failed("b", code)] }))
        });
        let undelivered = result.unwrap();
        assert_eq!(undelivered.len(), 1);
        assert_eq!(disposition(&undelivered[0]), (1, expected), "{code}");
        assert!(undelivered[0].reason.contains(code));
        assert_eq!(calls, ["ab"]);
    }
}

#[test]
fn an_unknown_property_is_not_given_up_before_anything_was_taken() {
    let (result, _) = deliver(&[("a", "x", &[1])], |_| {
        let entry = failed("a", "ResourceNotFoundException");
        (200, json!({ "errorEntries": [entry] }))
    });
    let Err(ExportError::Misconfigured(reason)) = result else {
        panic!("not misconfigured");
    };
    let expected = "The asset or property of an entry in `eu-central-1` does not exist";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn an_invalid_entry_is_given_up_even_then() {
    let (result, _) = deliver(&[("a", "x", &[1])], |_| {
        let entry = failed("a", "InvalidRequestException");
        (200, json!({ "errorEntries": [entry] }))
    });
    assert_eq!(disposition(&result.unwrap()[0]), (0, Disposition::Reject));
}

#[test]
fn a_final_error_goes_before_one_that_passes() {
    let (result, _) = deliver(&[("a", "x", &[1, 2])], |_| {
        let error = |code| json!({ "errorCode": code, "errorMessage": "", "timestamps": [] });
        let errors = [
            error("ThrottlingException"),
            error("TimestampOutOfRangeException"),
        ];
        (
            200,
            json!({ "errorEntries": [{ "entryId": "a", "errors": errors }] }),
        )
    });
    assert_eq!(disposition(&result.unwrap()[0]), (0, Disposition::Reject));
}

#[test]
fn entries_in_conflict_are_sent_once_more_alone() {
    let conflict = "ConflictingOperationException";
    let (result, calls) = deliver(&[("a", "x", &[1]), ("b", "y", &[1])], |ids| match ids {
        [_] => taken(),
        _ => (
            200,
            json!({ "errorEntries": [failed("a", conflict), failed("b", conflict)] }),
        ),
    });
    assert_eq!(result.unwrap(), []);
    assert_eq!(calls, ["ab", "a", "b"]);
}

#[test]
fn an_entry_in_conflict_with_itself_is_rejected() {
    let (result, calls) = deliver(&[("a", "x", &[1, 1])], |_| {
        let entry = failed("a", "ConflictingOperationException");
        (200, json!({ "errorEntries": [entry] }))
    });
    let undelivered = result.unwrap();
    assert_eq!(disposition(&undelivered[0]), (0, Disposition::Reject));
    assert!(undelivered[0].reason.contains("two values for one time"));
    assert_eq!(calls.len(), 1);
}

#[test]
fn a_call_that_is_refused_for_one_entry_is_sent_entry_by_entry() {
    for code in [
        "InvalidRequestException",
        "ConflictingOperationException",
        "ResourceNotFoundException",
    ] {
        let entries: [(&str, &str, &[i64]); 3] =
            [("a", "x", &[1]), ("b", "y", &[1, 1]), ("c", "z", &[1])];
        let (result, calls) = deliver(&entries, |ids| match ids.iter().any(|id| id == "b") {
            true => (400, json!({ "__type": code, "message": "as told" })),
            false => taken(),
        });
        let undelivered = result.unwrap();
        assert_eq!(
            disposition(&undelivered[0]),
            (1, Disposition::Reject),
            "{code}"
        );
        assert_eq!(calls, ["abc", "a", "b", "c"]);
    }
}

#[test]
fn an_answer_that_does_not_speak_of_the_entries_is_none() {
    for body in [
        json!({}),
        json!({ "errorEntries": [failed("z", "ThrottlingException")] }),
        json!([1]),
    ] {
        let (result, _) = deliver(&[("a", "x", &[1])], |_| (200, body.clone()));
        assert!(matches!(result, Err(ExportError::Unavailable(_))), "{body}");
    }
}
