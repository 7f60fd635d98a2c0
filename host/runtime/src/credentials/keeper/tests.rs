use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;

use super::*;
use crate::credentials::CredentialsSource;

const HOUR: Duration = Duration::from_secs(3600);

/// Gives credentials that live for a time, or none, or no answer, and counts how often it is asked.
#[derive(Debug, Clone)]
struct Provider {
    gives: Gives,
    asked: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy)]
enum Gives {
    ForEver,
    For(Duration),
    Nothing,
    NoAnswer,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let id = format!("id{number}");
        let of = |expiry| AwsCredentials::new(id, "secret", None, expiry, "test");
        match self.gives {
            Gives::ForEver => future::ProvideCredentials::ready(Ok(of(None))),
            Gives::For(time) => {
                future::ProvideCredentials::ready(Ok(of(Some(SystemTime::now() + time))))
            }
            Gives::Nothing => {
                future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nothing here")))
            }
            Gives::NoAnswer => future::ProvideCredentials::new(std::future::pending()),
        }
    }
}

fn with(gives: Gives, pace: Pace) -> (Credentials, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Source::of(Provider {
        gives,
        asked: Arc::clone(&asked),
    });
    (Credentials::with(source, pace), asked)
}

fn credentials(gives: Gives) -> (Credentials, Arc<AtomicUsize>) {
    with(gives, Pace::USUAL)
}

/// Renews credentials of an hour as soon as they are there.
const HASTY: Pace = Pace {
    renew_before: HOUR,
    pause: Duration::from_millis(1),
    ..Pace::USUAL
};

async fn id(credentials: &Credentials) -> String {
    credentials.get().await.unwrap().access_key_id().to_owned()
}

/// Waits until something is so.
async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}

fn hold(credentials: &Credentials, lifetime: Duration) {
    let expiry = Some(SystemTime::now() + lifetime);
    let old = AwsCredentials::new("old", "secret", None, expiry, "test");
    credentials.0.state().held = Some(old);
}

#[tokio::test]
async fn long_lived_credentials_are_asked_for_once() {
    for gives in [Gives::For(HOUR), Gives::ForEver] {
        let (credentials, asked) = credentials(gives);
        for _ in 0..3 {
            assert_eq!(id(&credentials).await, "id0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire_while_the_old_ones_serve() {
    let (credentials, asked) = with(Gives::For(HOUR), HASTY);
    assert_eq!(id(&credentials).await, "id0");
    // Nobody asks for credentials meanwhile.
    eventually(|| asked.load(Ordering::SeqCst) > 1).await;
    eventually(|| credentials.0.held_for(HOUR / 2).unwrap().access_key_id() != "id0").await;
    assert_ne!(id(&credentials).await, "id0");
}

#[tokio::test]
async fn what_nobody_uses_is_not_renewed_until_somebody_does() {
    let (credentials, asked) = with(Gives::For(HOUR), HASTY);
    credentials.get().await.unwrap();
    eventually(|| !credentials.0.state().renewing).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    credentials.get().await.unwrap();
    eventually(|| asked.load(Ordering::SeqCst) == 3).await;
}

#[tokio::test]
async fn a_host_that_is_gone_renews_nothing() {
    let (credentials, _) = with(Gives::For(HOUR), HASTY);
    credentials.get().await.unwrap();
    let keeper = Arc::downgrade(&credentials.0);
    drop(credentials);
    eventually(|| keeper.strong_count() == 0).await;
}

#[tokio::test]
async fn expired_credentials_are_asked_for_anew() {
    let (credentials, asked) = credentials(Gives::For(HOUR));
    hold(&credentials, Duration::ZERO);
    assert_eq!(id(&credentials).await, "id0");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn after_a_failure_nobody_asks_for_a_while() {
    let (credentials, asked) = credentials(Gives::Nothing);
    let first = credentials.get().await.unwrap_err();
    assert!(first.to_string().contains("found: nothing here"), "{first}");
    assert_eq!(credentials.get().await.unwrap_err(), first);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn old_credentials_serve_to_their_end_when_they_cannot_be_renewed() {
    let (credentials, asked) = credentials(Gives::Nothing);
    hold(&credentials, Pace::USUAL.least / 2);
    assert_eq!(id(&credentials).await, "old");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let pace = Pace {
        limit: Duration::from_millis(10),
        ..Pace::USUAL
    };
    let (credentials, _) = with(Gives::NoAnswer, pace);
    let failure = credentials.get().await.unwrap_err();
    assert_eq!(failure, NoCredentials::Silent(pace.limit));
}

#[tokio::test]
async fn a_host_without_a_source_has_none() {
    let credentials = Credentials::new(AwsOptions {
        credentials: CredentialsSource::None,
        ..AwsOptions::default()
    });
    assert_eq!(
        credentials.get().await.unwrap_err(),
        NoCredentials::SwitchedOff
    );
}
