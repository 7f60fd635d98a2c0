//! The signatures of botocore, one by one.
//!
//! `tests/python/sigv4_corpus.py` makes the corpus, and says how it is read; a scenario makes it anew,
//! so that it stays what botocore says.

use std::time::Duration;

use base64::Engine;
use http::Request;
use serde_json::Value;

use super::*;

const CORPUS: &str = include_str!("../../../../../tests/fixtures/sigv4.json");

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

fn request(case: &Value) -> Parts {
    let mut request = Request::builder()
        .method(text(case, "method"))
        .uri(text(case, "url"));
    for header in case["headers"].as_array().unwrap() {
        request = request.header(
            header[0].as_str().unwrap(),
            header[1].as_str().unwrap().as_bytes(),
        );
    }
    request.body(()).unwrap().into_parts().0
}

fn payload(case: &Value) -> Payload {
    match text(case, "payload") {
        "signed" => Payload::Signed,
        "unsigned" => Payload::Unsigned,
        "unsigned-with-trailer" => Payload::UnsignedWithTrailer,
        other => panic!("{other}"),
    }
}

#[test]
fn each_request_is_signed_as_botocore_signs_it() {
    let corpus: Value = serde_json::from_str(CORPUS).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    let time = corpus["time"].as_u64().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let mut parts = request(case);
        let wish = Wish {
            scope: SigningScope {
                service: text(case, "service").into(),
                region: text(case, "region").into(),
            },
            payload: payload(case),
        };
        let body = base64::engine::general_purpose::STANDARD
            .decode(text(case, "body"))
            .unwrap();
        let credentials = Credentials::new(
            text(&corpus, "accessKeyId"),
            text(&corpus, "secretAccessKey"),
            case["sessionToken"].as_str().map(Into::into),
            None,
            "test",
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        sign(&mut parts, &body, &wish, credentials, time).unwrap();
        let header = |name: &str| {
            let value = parts.headers.get(name);
            value.map_or(Value::Null, |value| value.to_str().unwrap().into())
        };
        for name in ["authorization", "x-amz-content-sha256"] {
            if header(name) != case["signed"][name] {
                wrong.push(format!(
                    "{}: {name}\n  ours     {}\n  botocore {}",
                    text(case, "name"),
                    header(name),
                    case["signed"][name]
                ));
            }
        }
    }
    assert!(cases.len() > 50, "{}", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
