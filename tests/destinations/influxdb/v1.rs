//! The write API of version 1, with the real server.

use millstream_tests::Influxdb;
use serde_json::json;

use super::{all, lines, strokes, to_v1};
use crate::setup::{append, status, wait_for_delivery, wait_for_error, wait_for_rejections};

fn endpoint(database: &Influxdb) -> String {
    format!("http://{}", database.address())
}

#[test]
fn lines_without_a_time_arrive_in_order_and_none_covers_another() {
    let database = Influxdb::start();
    let host = to_v1(&endpoint(&database), &database, "").start();
    append(&host, lines(0..3000));
    wait_for_delivery(&host, 3000);
    assert_eq!(strokes(&database), all(0..3000));
}

#[test]
fn lines_with_times_and_all_kinds_of_values_arrive_as_they_are() {
    let database = Influxdb::start();
    let host = to_v1(&endpoint(&database), &database, ", precision = \"ms\"").start();
    let message = "# two points\nweather,city=Köln\\ Süd,a\\,b=c\\=d temp=-1.5e+3,n=3i,wet=t,\
                   note=\"say \\\"hi\\\", a=b\nsecond line \\\\ end\" 17\nweather temp=.5 18\n";
    append(&host, [message.as_bytes().to_vec()]);
    wait_for_delivery(&host, 1);
    let (columns, rows) = database.query("SELECT * FROM weather");
    assert_eq!(columns, ["time", "a,b", "city", "n", "note", "temp", "wet"]);
    let note = "say \"hi\", a=b\nsecond line \\ end";
    assert_eq!(
        rows,
        [
            vec![
                json!(17_000_000),
                json!("c=d"),
                json!("Köln Süd"),
                json!(3),
                json!(note),
                json!(-1500),
                json!(true)
            ],
            vec![
                json!(18_000_000),
                json!(null),
                json!(null),
                json!(null),
                json!(null),
                json!(0.5),
                json!(null)
            ],
        ]
    );
}

#[test]
fn json_becomes_points_as_it_is_mapped() {
    let database = Influxdb::start();
    let keys = ", format = \"json\", measurement = \"/kind\", timestamp = \"/at\", integers = [\"n\"], \
                tags = { city = \"/place/city\", site = \"north, 1\" }";
    let host = to_v1(&endpoint(&database), &database, keys).start();
    append(
        &host,
        [
            &br#"{"kind": "weather x", "at": "2023-11-14T22:13:20.5Z", "temp": 21, "n": 3, "ok": true,
                "note": "a \"b\" \\ c", "place": {"city": "A=B, C"}}"#[..],
            br#"{"kind": "weather x", "at": 1700000001000000000, "temp": 21.5}"#,
            br#"{"kind": "weather x", "at": 1700000002000000000, "temp": "warm"}"#,
            br#"{"kind": "weather x", "n": 1.5}"#,
            b"{",
        ]
        .map(<[u8]>::to_vec),
    );
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 3);
    let (columns, rows) = database.query("SELECT * FROM \"weather x\"");
    assert_eq!(columns, ["time", "city", "n", "note", "ok", "site", "temp"]);
    assert_eq!(
        rows,
        [
            vec![
                json!(1_700_000_000_500_000_000_u64),
                json!("A=B, C"),
                json!(3),
                json!("a \"b\" \\ c"),
                json!(true),
                json!("north, 1"),
                json!(21)
            ],
            vec![
                json!(1_700_000_001_000_000_000_u64),
                json!(null),
                json!(null),
                json!(null),
                json!(null),
                json!("north, 1"),
                json!(21.5)
            ],
        ]
    );
    let log = host.log();
    for reason in ["field type conflict", "no whole number", "not JSON"] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

#[test]
fn bad_messages_are_rejected_by_themselves_and_their_neighbours_arrive() {
    let database = Influxdb::start();
    let host = to_v1(&endpoint(&database), &database, "").start();
    let mut messages: Vec<Vec<u8>> = lines(0..200).collect();
    // The server finds this one: an integer before, a text now.
    messages[42] = b"press,machine=4 stroke=\"many\"".to_vec();
    messages[199] = b"press,machine=4 stroke=1.5".to_vec();
    // The plugin finds these.
    messages[17] = b"press,machine=4".to_vec();
    messages[60] = b"press \xff=1".to_vec();
    messages[61] = b"good v=1\nbad".to_vec();
    append(&host, messages);
    wait_for_delivery(&host, 195);
    wait_for_rejections(&host, 5);
    let good: Vec<u64> = (0..199).filter(|n| ![17, 42, 60, 61].contains(n)).collect();
    assert_eq!(strokes(&database), good);
    let log = host.log();
    for (number, reason) in [
        (17, "no fields"),
        (42, "field type conflict"),
        (60, "not text in UTF-8"),
        (61, "Point 2"),
        (199, "field type conflict"),
    ] {
        let rejection = log.lines().find(|line| {
            line.contains("message rejected") && line.contains(&format!("number={number} "))
        });
        assert!(
            rejection.is_some_and(|line| line.contains(reason)),
            "{number}: {log}"
        );
    }
}

#[test]
fn a_message_that_is_too_large_is_rejected_and_a_large_one_arrives() {
    let database = Influxdb::start();
    let host = to_v1(&endpoint(&database), &database, "").start();
    let text = |length: usize| format!("note text=\"{}\"", "x".repeat(length)).into_bytes();
    append(&host, [text(60_000), text(1 << 20), text(10)]);
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 1);
    let (_, rows) = database.query("SELECT text FROM note");
    let lengths: Vec<_> = rows
        .iter()
        .map(|row| row[1].as_str().unwrap().len())
        .collect();
    assert_eq!(lengths, [60_000, 10]);
}

#[test]
fn a_wrong_password_is_waited_for_and_a_new_one_counts_at_once() {
    let database = Influxdb::asking_for("right");
    let user = database.user();
    let keys = format!(", user = \"{user}\", password = \"influx\"");
    let endpoint = endpoint(&database);
    let mut exporting = to_v1(&endpoint, &database, &keys);
    exporting.grants += "\nsecrets = [\"influx\"]";
    exporting.more = format!("[secrets.influx]\nfile = \"password\"\nhosts = [\"{endpoint}\"]");
    let host = exporting.start();
    let password = host.folder().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    append(&host, lines(0..10));
    let error = wait_for_error(&host, "401 Unauthorized");
    assert!(error.contains("`password`"), "{error}");
    assert!(strokes(&database).is_empty());
    std::fs::write(&password, "right\n").unwrap();
    wait_for_delivery(&host, 10);
    assert_eq!(strokes(&database), all(0..10));
    assert_eq!(status(&host)["rejectedMessages"], 0);
}

#[test]
fn a_database_that_is_not_there_is_waited_for() {
    let database = Influxdb::start();
    let mut exporting = to_v1(&endpoint(&database), &database, "");
    exporting.config = exporting.config.replace(database.database(), "later");
    let host = exporting.start();
    append(&host, lines(0..5));
    let error = wait_for_error(&host, "database not found");
    assert!(error.contains("`database`"), "{error}");
    database.query("CREATE DATABASE later");
    wait_for_delivery(&host, 5);
    let (_, rows) = database.query("SELECT stroke FROM later..press");
    assert_eq!(rows.len(), 5);
}
