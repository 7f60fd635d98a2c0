use serde_json::json;

use super::*;

fn entry() -> Value {
    json!({
        "entryId": "reading-1_a",
        "propertyAlias": "/plant/7/temperature",
        "propertyValues": [{
            "value": { "doubleValue": 21.5 },
            "timestamp": { "timeInSeconds": 1_767_225_600, "offsetInNanos": 5 },
            "quality": "GOOD"
        }]
    })
}

fn read(json: &Value) -> Result<Entry, String> {
    Entry::read(json.to_string().into_bytes())
}

/// The entry with another value at a JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut entry = entry();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = entry.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        _ => parent[key] = value,
    }
    entry
}

#[test]
fn an_entry_is_kept_as_it_came() {
    let text = entry()
        .to_string()
        .replace("21.5", " 0.12345678901234567890");
    let entry = Entry::read(text.clone().into_bytes()).unwrap();
    assert_eq!(entry.json, text.as_bytes());
    assert_eq!(entry.id, "reading-1_a");
}

#[test]
fn every_kind_of_value_is_taken() {
    for value in [
        json!({ "stringValue": "x".repeat(1024) }),
        json!({ "stringValue": "" }),
        json!({ "integerValue": 0 }),
        json!({ "integerValue": -5 }),
        json!({ "integerValue": 2_147_483_647 }),
        json!({ "doubleValue": -1e9 }),
        json!({ "doubleValue": 21 }),
        json!({ "doubleValue": "NaN" }),
        json!({ "booleanValue": false }),
        json!({ "nullValue": { "valueType": "D" } }),
        json!({ "booleanValue": true, "stringValue": null }),
    ] {
        let entry = with("/propertyValues/0/value", value.clone());
        assert!(read(&entry).is_ok(), "{value}");
    }
    let by_ids = json!({ "entryId": "1", "assetId": "a", "propertyId": "p",
        "propertyValues": [{ "value": { "booleanValue": true }, "timestamp": { "timeInSeconds": 1 } }] });
    assert!(read(&by_ids).is_ok());
}

#[test]
fn what_the_service_can_never_take_is_named_by_its_place() {
    let eleven = vec![entry()["propertyValues"][0].clone(); 11];
    for (pointer, value, expected) in [
        ("/entryId", Value::Null, "`entryId` is missing"),
        ("/entryId", json!(7), "`entryId` is no text"),
        ("/entryId", json!(""), "`entryId` has"),
        ("/entryId", json!("a b"), "`entryId` has"),
        ("/entryId", json!("x".repeat(65)), "`entryId` has"),
        ("/propertyAlias", Value::Null, "not named"),
        ("/propertyAlias", json!(""), "`propertyAlias` has"),
        ("/propertyAlias", json!("a\tb"), "`propertyAlias` has"),
        (
            "/propertyAlias",
            json!("x".repeat(2049)),
            "`propertyAlias` has",
        ),
        ("/assetId", json!("a"), "not named"),
        (
            "/propertyValues",
            Value::Null,
            "`propertyValues` is missing",
        ),
        ("/propertyValues", json!({}), "`propertyValues` is no list"),
        (
            "/propertyValues",
            json!([]),
            "`propertyValues` has 0 values",
        ),
        (
            "/propertyValues",
            json!(eleven),
            "`propertyValues` has 11 values",
        ),
        (
            "/propertyValues/0",
            json!(1),
            "`propertyValues[0]`: it is no object",
        ),
        ("/propertyValues/0/value", Value::Null, "`value` is missing"),
        ("/propertyValues/0/value", json!({}), "exactly one of"),
        (
            "/propertyValues/0/value",
            json!({ "doubleValue": 1, "integerValue": 1 }),
            "exactly one of",
        ),
        (
            "/propertyValues/0/value",
            json!({ "integerValue": 1.5 }),
            "`value.integerValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "integerValue": 2_147_483_648_i64 }),
            "`value.integerValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "doubleValue": "1" }),
            "`value.doubleValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "booleanValue": 1 }),
            "`value.booleanValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "stringValue": "a\u{7f}" }),
            "`value.stringValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "stringValue": "x".repeat(1025) }),
            "`value.stringValue`",
        ),
        (
            "/propertyValues/0/value",
            json!({ "nullValue": 1 }),
            "`value.nullValue`",
        ),
        ("/propertyValues/0/quality", json!("good"), "`quality` is"),
        (
            "/propertyValues/0/quality",
            json!(0),
            "`quality` is no text",
        ),
        (
            "/propertyValues/0/timestamp",
            Value::Null,
            "`timestamp` is missing",
        ),
        (
            "/propertyValues/0/timestamp",
            json!({}),
            "`timestamp.timeInSeconds` is missing",
        ),
        (
            "/propertyValues/0/timestamp",
            json!({ "timeInSeconds": 0 }),
            "`timestamp.timeInSeconds` is a",
        ),
        (
            "/propertyValues/0/timestamp",
            json!({ "timeInSeconds": 1.5 }),
            "`timestamp.timeInSeconds` is a",
        ),
        (
            "/propertyValues/0/timestamp",
            json!({ "timeInSeconds": 1, "offsetInNanos": 1_000_000_000 }),
            "`timestamp.offsetInNanos` is a",
        ),
    ] {
        let reason = read(&with(pointer, value.clone())).unwrap_err();
        assert!(reason.contains(expected), "{pointer} {value}: {reason}");
        assert!(reason.ends_with('.'), "{reason}");
    }
    for payload in [&b"\xff"[..], b"", b"7", b"[]", b"{\"entryId\":"] {
        assert!(Entry::read(payload.to_vec()).is_err());
    }
}

fn at(id: &str, alias: &str, times: &[(i64, i64)]) -> Entry {
    let values = times.iter().map(|(seconds, nanos)| {
        json!({ "value": { "booleanValue": true },
            "timestamp": { "timeInSeconds": seconds, "offsetInNanos": nanos } })
    });
    let values: Vec<Value> = values.collect();
    read(&json!({ "entryId": id, "propertyAlias": alias, "propertyValues": values })).unwrap()
}

#[test]
fn entries_clash_by_property_and_time_or_by_id() {
    let one = at("1", "a", &[(1, 0), (2, 0)]);
    assert!(one.clashes(&at("2", "a", &[(3, 0), (2, 0)])));
    assert!(one.clashes(&at("1", "b", &[(9, 0)])));
    assert!(!one.clashes(&at("2", "b", &[(1, 0)])));
    assert!(!one.clashes(&at("2", "a", &[(1, 1), (2, 5)])));
}

#[test]
fn a_missing_offset_is_none() {
    let without = json!({ "entryId": "2", "propertyAlias": "a", "propertyValues": [
        { "value": { "booleanValue": true }, "timestamp": { "timeInSeconds": 1 } }] });
    assert!(at("1", "a", &[(1, 0)]).clashes(&read(&without).unwrap()));
}

#[test]
fn an_entry_clashes_with_itself_by_a_repeated_time() {
    assert!(at("1", "a", &[(1, 0), (2, 0), (1, 0)]).clashes_with_itself());
    assert!(!at("1", "a", &[(1, 0), (2, 0), (1, 1)]).clashes_with_itself());
}
