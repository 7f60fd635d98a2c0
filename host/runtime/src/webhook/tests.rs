use super::*;
use crate::testing::{self, Host, Recorder};
use crate::{ComponentKind, ProducerSettings, StdoutTo};

/// A webhook that does with each request what the text of WebAssembly says, and never answers.
async fn answer(body: &str) -> RuntimeError {
    let host = Host::new();
    let component = host.link(&testing::webhook(body)).unwrap();
    assert_eq!(component.kind(), ComponentKind::Webhook);
    let webhook = component.webhook(settings()).unwrap();
    let request = Request::post("http://device/hook").body(Bytes::from_static(b"hello"));
    webhook.answer(request.unwrap()).await.unwrap_err()
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        label: "hook".into(),
        args: vec![],
        env: vec![],
        grants: Grants::default(),
        limits: Limits::default(),
        time: Duration::from_millis(100),
        streams: Recorder::new(),
        stop: watch::channel(false).1,
    }
}

#[tokio::test]
async fn a_webhook_that_crashes_gives_its_reason() {
    let error = answer("unreachable").await;
    assert!(
        matches!(&error, RuntimeError::Trapped { reason, .. } if reason.contains("unreachable")),
        "{error}"
    );
}

#[tokio::test]
async fn a_webhook_that_does_not_come_back_is_ended() {
    let error = answer("(loop $again (br $again))").await;
    assert!(matches!(error, RuntimeError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_webhook_that_returns_without_an_answer_has_none() {
    let error = answer("").await;
    assert!(matches!(error, RuntimeError::NoAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_component_is_of_one_kind() {
    let host = Host::new();
    let webhook = host.link(&testing::webhook("")).unwrap();
    let run = ProducerSettings {
        label: "p".into(),
        args: vec![],
        env: vec![],
        grants: Grants::default(),
        limits: Limits::default(),
        streams: Recorder::new(),
        stdout: StdoutTo::Log,
        longest_line: 1,
        stop_timeout: Duration::ZERO,
    };
    let error = webhook.run(run, watch::channel(false).1).await.unwrap_err();
    assert!(matches!(error, RuntimeError::WrongKind { .. }), "{error}");
    let producer = host.link(&testing::producer("")).unwrap();
    let error = producer.webhook(settings()).err().unwrap();
    assert!(matches!(error, RuntimeError::WrongKind { .. }), "{error}");
}
