//! What belongs to others: streams, secrets, the surroundings of the host.

use millstream_tests::{HttpAnswer, HttpSink};
use serde_json::json;
use tempfile::TempDir;

use super::{STREAM, Setting, Siege, attack};

#[test]
fn streams_are_read_and_appended_to_only_if_granted() {
    let names = [
        STREAM, "other", "Mine", "mine ", "*", "mine*", "", "../mine", "mine",
    ];
    let setting = Setting {
        grants: "append = [\"mine\"]\nread = [\"mine\"]".into(),
        more: "[[stream]]\nname = \"mine\"\n[[stream]]\nname = \"other\"".into(),
        ..Setting::default()
    };
    let attack = json!({ "attack": "streams", "names": names });
    let mut siege = Siege::begin(TempDir::new().unwrap(), attack, setting);
    siege.host.wait_for_log("the attempts are over");
    // There is something to read after the first append.
    siege.others_go_on();
    siege.log_says("attempt read mine: got through");
    siege.lets_through(&["append mine", "read mine"]);
    for name in [STREAM, "other", "Mine", "*"] {
        siege.log_says(&format!(
            "refused to read the stream `{name}`: it is not granted"
        ));
        siege.log_says(&format!(
            "refused to append to the stream `{name}`: it is not granted"
        ));
    }
    let other = siege.host.describe("other").unwrap();
    assert_eq!(other["totalBytes"], 0, "{other}");
}

#[test]
fn secrets_of_others_are_neither_read_nor_sent_and_its_own_go_only_where_they_belong() {
    let home = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let elsewhere = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let (to_home, to_elsewhere) = (home.endpoint(), elsewhere.endpoint());
    let setting = Setting {
        grants: format!(
            "hosts = [\"{to_home}\", \"{to_elsewhere}\"]\nsecrets = [\"mine\", \"gone\"]"
        ),
        more: format!(
            "[secrets.mine]\nenv = \"MINE\"\nhosts = [\"{to_home}\"]\n\
             [secrets.gone]\nenv = \"GONE\"\nhosts = [\"{to_home}\"]\n\
             [secrets.other]\nenv = \"OTHER\"\nhosts = [\"{to_home}\"]\n\
             [secrets.password]\nenv = \"PASSWORD\""
        ),
        environment: vec![
            ("MINE", "the-secret-mine"),
            ("OTHER", "the-secret-other"),
            ("PASSWORD", "the-secret-password"),
        ],
        ..Setting::default()
    };
    let attack = json!({
        "attack": "secrets",
        "names": ["mine", "other", "password", "PASSWORD", "nobody", ""],
        "sent": [
            ["authorization Bearer {other}", format!("{to_home}/")],
            ["authorization Bearer {nobody}", format!("{to_home}/")],
            ["authorization Bearer {gone}", format!("{to_home}/")],
            ["authorization Bearer {mine}", format!("{to_elsewhere}/")],
            ["host {mine}", format!("{to_home}/")],
            ["authorization Bearer {mine}", format!("{to_home}/")],
        ],
    });
    let mut siege = Siege::begin(TempDir::new().unwrap(), attack, setting);
    siege.lets_through(&[&format!("send authorization Bearer {{mine}} to {to_home}/")]);
    for name in ["mine", "other", "password", "nobody"] {
        siege.log_says(&format!(
            "refused to read the secret `{name}`: it is not granted"
        ));
    }
    siege.log_says("refused a request: the secret `other` is not granted");
    siege.log_says("refused a request: the secret `nobody` is not granted");
    siege.log_says("refused a request: the secret `gone` is not there");
    siege.log_says(&format!(
        "refused a request: the secret `mine` may not be sent to {to_elsewhere}"
    ));
    assert!(elsewhere.requests().is_empty());
    let arrived = home.requests();
    assert!(!arrived.is_empty());
    for request in arrived {
        assert_eq!(request.header("authorization"), "Bearer the-secret-mine");
    }
    assert!(!siege.host.log().contains("the-secret"));
}

#[test]
fn the_surroundings_of_the_host_are_not_there() {
    let setting = Setting {
        environment: vec![("A_SECRET_OF_THE_HOST", "hush")],
        ..Setting::default()
    };
    let attack = attack("surroundings");
    let mut siege = Siege::begin(TempDir::new().unwrap(), attack, setting);
    siege.lets_through(&[]);
    assert!(!siege.host.log().contains("hush"));
}
