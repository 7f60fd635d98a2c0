use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;

use super::*;

/// Gives credentials that live for a time, or none, and counts how often it is asked.
#[derive(Debug, Clone)]
struct Provider {
    lifetime: Option<Duration>,
    asked: Arc<AtomicUsize>,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.asked.fetch_add(1, Ordering::SeqCst);
        future::ProvideCredentials::ready(match self.lifetime {
            Some(lifetime) => {
                let expiry = SystemTime::now() + lifetime;
                Ok(AwsCredentials::new(
                    "id",
                    "secret",
                    None,
                    Some(expiry),
                    "test",
                ))
            }
            None => Err(CredentialsError::not_loaded("nothing here")),
        })
    }
}

fn credentials(lifetime: Option<Duration>) -> (Credentials, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let credentials = Credentials::of(Provider {
        lifetime,
        asked: asked.clone(),
    });
    (credentials, asked)
}

#[tokio::test]
async fn long_lived_credentials_are_asked_for_once() {
    let (credentials, asked) = credentials(Some(Duration::from_secs(3600)));
    for _ in 0..3 {
        assert_eq!(credentials.get().await.unwrap().access_key_id(), "id");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn credentials_about_to_expire_are_renewed() {
    let (credentials, asked) = credentials(Some(RENEW_BEFORE / 2));
    credentials.get().await.unwrap();
    credentials.get().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn after_a_failure_nobody_asks_for_a_while() {
    let (credentials, asked) = credentials(None);
    let first = credentials.get().await.unwrap_err();
    assert!(first.to_string().contains("nothing here"), "{first}");
    assert_eq!(credentials.get().await.unwrap_err(), first);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn old_credentials_serve_to_their_end_when_they_cannot_be_renewed() {
    let (credentials, _) = credentials(None);
    let expiry = SystemTime::now() + RENEW_BEFORE / 2;
    credentials.state.lock().await.held = Some(AwsCredentials::new(
        "old",
        "secret",
        None,
        Some(expiry),
        "test",
    ));
    assert_eq!(credentials.get().await.unwrap().access_key_id(), "old");
}

#[tokio::test]
async fn a_host_without_a_source_has_none() {
    let credentials = Credentials::new(CredentialsSource::None);
    assert_eq!(
        credentials.get().await.unwrap_err(),
        NoCredentials::SwitchedOff
    );
}
