use http_body_util::Empty;

use super::*;
use crate::secrets::{Secret, SecretSource};

/// The secret of GitHub's own example of a signature (its documentation, "Validating webhook
/// deliveries").
const SECRET_TEXT: &str = "It's a Secret to Everybody";
const BODY: &str = "Hello, World!";

struct Setting {
    _folder: tempfile::TempDir,
    grants: Grants,
    secrets: Secrets,
    destination: Destination,
}

impl Setting {
    /// A secret `key` that may go to `https://a.example`, and one `other` that the guest was not
    /// granted.
    fn new(content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, content).unwrap();
        let secret = Secret {
            source: SecretSource::File(path),
            hosts: vec!["https://a.example".parse().unwrap()],
        };
        let name = |text: &str| text.parse::<SecretName>().unwrap();
        let grants = Grants {
            secrets: vec![name("key"), name("undeclared")],
            readable_secrets: vec![name("other")],
            ..Grants::default()
        };
        Self {
            _folder: folder,
            grants,
            secrets: [(name("key"), secret.clone()), (name("other"), secret)]
                .into_iter()
                .collect(),
            destination: Self::at("https://a.example/in"),
        }
    }

    fn at(uri: &str) -> Destination {
        Destination::of(&uri.parse().unwrap()).unwrap()
    }

    async fn fill(&self, asked: &[(&'static str, &str)]) -> Result<(HeaderMap, Bytes), Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("a guest's own"));
        for (kind, text) in asked {
            headers.append(*kind, text.parse().unwrap());
        }
        let keeper = Keeper {
            section: "plugin.http.grants",
            grants: &self.grants,
            secrets: &self.secrets,
            destination: &self.destination,
        };
        let body = keeper.fill(&mut headers, whole(BODY.into())).await?;
        Ok((headers, body.collect().await.unwrap().to_bytes()))
    }

    async fn header(&self, kind: &'static str, template: &str) -> String {
        let asked = format!("X-Filled {template}");
        let (headers, body) = self.fill(&[(kind, &asked)]).await.unwrap();
        assert_eq!(body, BODY);
        assert!(headers.get(kind).is_none());
        assert!(headers["x-filled"].is_sensitive());
        headers["x-filled"].to_str().unwrap().to_owned()
    }

    async fn refused(&self, kind: &'static str, asked: &str) -> String {
        match self.fill(&[(kind, asked)]).await {
            Err(Problem::Refused(reason)) => reason,
            other => panic!("{asked}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_is_set_in_place_of_what_the_guest_says() {
    let setting = Setting::new(b"abc\n");
    let asked = [
        ("x-millstream-secret", "authorization Bearer {key}"),
        ("x-millstream-secret", "x-api-key {key}"),
    ];
    let (headers, body) = setting.fill(&asked).await.unwrap();
    assert_eq!(body, BODY);
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["authorization"], "Bearer abc");
    assert_eq!(headers["x-api-key"], "abc");
    assert!(!format!("{headers:?}").contains("abc"), "{headers:?}");
    let basic = setting.header("x-millstream-secret", "Basic {basic:Aladdin:key}");
    assert_eq!(basic.await, "Basic QWxhZGRpbjphYmM=");
}

#[tokio::test]
async fn a_request_that_asks_for_nothing_is_left_alone() {
    let (headers, body) = Setting::new(b"abc").fill(&[]).await.unwrap();
    assert_eq!(headers.len(), 1);
    assert_eq!(body, BODY);
}

#[tokio::test]
async fn signatures_are_those_of_the_services_own_examples() {
    let hmac = "x-millstream-hmac";
    let github = Setting::new(SECRET_TEXT.as_bytes());
    assert_eq!(
        github.header(hmac, "sha256={hex:key}").await,
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
    // Computed with Python's hmac.
    assert_eq!(
        github
            .header(hmac, "t=1700000000,v1={hex:key:1700000000.}")
            .await,
        "t=1700000000,v1=76c83fd0acdf22faed320674fe8e04d528cfe8a17905e720a9611e40677c03b7"
    );
    // The example of the Standard Webhooks specification, with its own body.
    let mut standard = Setting::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let asked = "x-filled v1,{base64:whsec(key):msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.}";
    let mut headers = HeaderMap::from_iter([(HMAC, asked.parse().unwrap())]);
    standard.destination = Setting::at("https://a.example/hooks");
    let keeper = Keeper {
        section: "plugin.http.grants",
        grants: &standard.grants,
        secrets: &standard.secrets,
        destination: &standard.destination,
    };
    let body = whole(Bytes::from_static(br#"{"test": 2432232314}"#));
    keeper.fill(&mut headers, body).await.unwrap();
    assert_eq!(
        headers["x-filled"],
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[tokio::test]
async fn a_secret_goes_only_with_a_grant_and_only_where_it_belongs() {
    let mut setting = Setting::new(b"hush-hush");
    let kinds = [
        (
            "x-millstream-secret",
            "x-a {other}",
            "x-a {undeclared}",
            "x-a {key}",
        ),
        (
            "x-millstream-hmac",
            "x-a {hex:other}",
            "x-a {hex:undeclared}",
            "x-a {hex:key}",
        ),
    ];
    for (kind, other, undeclared, key) in kinds {
        let reason = setting.refused(kind, other).await;
        assert!(
            reason.contains("`[plugin.http.grants] secrets = [\"other\"]`"),
            "{reason}"
        );
        let reason = setting.refused(kind, undeclared).await;
        assert!(reason.contains("`[secrets.undeclared]`"), "{reason}");
        for elsewhere in [
            "http://a.example/in",
            "https://b.a.example/in",
            "https://b.example/in?https://a.example",
        ] {
            setting.destination = Setting::at(elsewhere);
            let reason = setting.refused(kind, key).await;
            assert!(
                reason.contains("may not be sent to") && reason.contains("`[secrets.key] hosts"),
                "{reason}"
            );
            assert!(!reason.contains("hush-hush"), "{reason}");
        }
        setting.destination = Setting::at("https://a.example/in");
        setting.fill(&[(kind, key)]).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_with_a_reason_that_does_not_tell_it() {
    let ask = "x-millstream-secret";
    let gone = Setting::new(b"");
    let reason = gone.refused(ask, "x-a {key}").await;
    assert!(
        reason.contains("is not there") && reason.contains("empty"),
        "{reason}"
    );
    let lines = Setting::new(b"hush\nhush");
    let reason = lines.refused(ask, "x-a {key}").await;
    assert!(
        reason.contains("no header can carry") && !reason.contains("hush"),
        "{reason}"
    );
    let reason = lines
        .refused("x-millstream-hmac", "x-a {hex:whsec(key)}")
        .await;
    assert!(
        reason.contains("base64") && !reason.contains("hush"),
        "{reason}"
    );
    // Any bytes are a key.
    lines.header("x-millstream-hmac", "{hex:key}").await;
}

#[tokio::test]
async fn what_is_asked_for_in_another_form_or_of_another_header_is_refused() {
    let setting = Setting::new(b"abc");
    for asked in [
        "authorization",
        "x-a",
        "x-a key",
        "x:a {key}",
        "host {key}",
        "Content-Length {key}",
        "transfer-encoding {key}",
        "x-millstream-aws-sign {key}",
    ] {
        let reason = setting.refused("x-millstream-secret", asked).await;
        assert!(reason.contains("x-millstream-secret"), "{reason}");
    }
    let many = [("x-millstream-secret", "x-a {key}"); MAX_ASKED + 1];
    assert!(matches!(
        setting.fill(&many).await,
        Err(Problem::Refused(_))
    ));
}

#[tokio::test]
async fn a_refusal_is_an_answer_with_the_reason_and_a_mark() {
    let answer = refusal("the secret `key` is not granted");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers().contains_key(REFUSED));
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        text,
        "The host did not send the request: the secret `key` is not granted."
    );
}

#[tokio::test]
async fn only_a_body_that_is_signed_is_read() {
    let setting = Setting::new(b"abc");
    let keeper = Keeper {
        section: "plugin.http.grants",
        grants: &setting.grants,
        secrets: &setting.secrets,
        destination: &setting.destination,
    };
    let broken = || {
        let body: http_body_util::combinators::MapErr<_, _> =
            Empty::<Bytes>::new().map_err(|never| match never {});
        body.with_trailers(async { Some(Err(Error::HttpProtocolError)) })
            .boxed_unsync()
    };
    let mut headers = HeaderMap::from_iter([(SECRET, "x-a {key}".parse().unwrap())]);
    keeper.fill(&mut headers, broken()).await.unwrap();
    let mut headers = HeaderMap::from_iter([(HMAC, "x-a {hex:key}".parse().unwrap())]);
    let problem = keeper.fill(&mut headers, broken()).await.unwrap_err();
    assert!(matches!(problem, Problem::Body(_)), "{problem:?}");
}
