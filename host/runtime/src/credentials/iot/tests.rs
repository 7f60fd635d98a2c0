//! A provider on the loopback address that asks for the device's certificate.

mod provider;

use aws_credential_types::provider::ProvideCredentials;

use super::*;
use crate::credentials::{AwsOptions, Credentials, CredentialsSource};
use provider::{Fleet, Provider};

const GIVEN: &str = r#"{"credentials": {"accessKeyId": "ASIAIOT", "secretAccessKey": "s3cret",
    "sessionToken": "a-token", "expiration": "2099-01-31T23:59:59Z"}}"#;

fn asking(settings: IotCredentials) -> IotProvider {
    IotProvider::new(settings)
}

/// What a device learns whose request is answered so.
async fn refusal(answer: &'static str) -> String {
    let fleet = Fleet::new();
    let provider = Provider::answering(&fleet, answer).await;
    let asked = asking(fleet.device(&provider)).ask().await;
    asked.unwrap_err().to_string()
}

fn ok(body: &str) -> &'static str {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").leak()
}

#[tokio::test]
async fn a_device_with_a_certificate_gets_credentials() {
    let fleet = Fleet::new();
    let provider = Provider::answering(&fleet, ok(GIVEN)).await;
    let credentials = asking(fleet.device(&provider)).ask().await.unwrap();
    assert_eq!(credentials.access_key_id(), "ASIAIOT");
    assert_eq!(credentials.secret_access_key(), "s3cret");
    assert_eq!(credentials.session_token(), Some("a-token"));
    let expiry = credentials.expiry().unwrap();
    let seconds = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(seconds.as_secs(), 4_073_587_199);
    let request = provider.requests().remove(0);
    assert!(
        request.starts_with("GET /role-aliases/MillstreamAlias/credentials HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("x-amzn-iot-thingname: press-4\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn expired_credentials_are_renewed_with_a_certificate_that_was_replaced() {
    let fleet = Fleet::new();
    let soon = clock_text(SystemTime::now() + Duration::from_secs(5));
    let provider =
        Provider::answering(&fleet, ok(&GIVEN.replace("2099-01-31T23:59:59Z", &soon))).await;
    let settings = fleet.device(&provider);
    let credentials = Credentials::new(AwsOptions {
        credentials: CredentialsSource::Iot(settings.clone()),
        ..AwsOptions::default()
    });
    // So short a life is no use a second time.
    for _ in 0..2 {
        assert_eq!(credentials.get().await.unwrap().access_key_id(), "ASIAIOT");
        fleet.issue("press-4");
    }
    assert_eq!(provider.requests().len(), 2);
    std::fs::write(&settings.certificate, "").unwrap();
    let error = asking(settings).ask().await.unwrap_err().to_string();
    assert!(error.contains("no certificate in PEM form"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_the_provider_does_not_know_is_refused() {
    let (fleet, strangers) = (Fleet::new(), Fleet::new());
    let provider = Provider::answering(&fleet, ok(GIVEN)).await;
    let mut settings = strangers.device(&provider);
    settings.ca = fleet.device(&provider).ca;
    let error = asking(settings).ask().await.unwrap_err();
    assert!(matches!(error, IotRefusal::DeviceUnknown { .. }), "{error}");
    assert!(
        error.to_string().contains("that AWS IoT knows it"),
        "{error}"
    );
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_certificate_of_the_device_that_has_expired_is_named() {
    let fleet = Fleet::new();
    let provider = Provider::answering(&fleet, ok(GIVEN)).await;
    let settings = fleet.device(&provider);
    fleet.issue_until("press-4", 2020);
    let error = asking(settings).ask().await.unwrap_err();
    assert!(matches!(error, IotRefusal::DeviceExpired { .. }), "{error}");
}

#[tokio::test]
async fn a_provider_whose_certificate_is_not_valid_now_points_to_the_clock() {
    let fleet = Fleet::new();
    for (from, until) in [(1990, 2000), (2090, 2099)] {
        let provider = Provider::certified(&fleet, ok(GIVEN), from, until).await;
        let error = asking(fleet.device(&provider)).ask().await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, IotRefusal::NotValidNow { .. }), "{text}");
        assert!(text.contains("the clock of this device says"), "{text}");
        assert!(text.contains("NTP"), "{text}");
    }
}

#[tokio::test]
async fn a_provider_that_nobody_vouches_for_is_not_asked() {
    let (fleet, strangers) = (Fleet::new(), Fleet::new());
    let provider = Provider::answering(&fleet, ok(GIVEN)).await;
    let mut settings = fleet.device(&provider);
    settings.ca = strangers.device(&provider).ca;
    let error = asking(settings).ask().await.unwrap_err();
    assert!(matches!(error, IotRefusal::NotTrusted { .. }), "{error}");
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let denied =
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 27\r\n\r\n{\"message\":\"Access Denied\"}";
    let text = refusal(denied).await;
    assert!(text.contains("(403: Access Denied)"), "{text}");
    assert!(text.contains("iot:AssumeRoleWithCertificate"), "{text}");

    let unknown = "HTTP/1.1 404 Not Found\r\ncontent-length: 39\r\n\r\n{\"message\":\"Role alias does not exist\"}";
    let text = refusal(unknown).await;
    assert!(
        text.contains("does not know the role alias MillstreamAlias"),
        "{text}"
    );

    let text = refusal("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    assert!(
        text.contains("gives no credentials now: status 503"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refusal_while_the_clock_is_wrong_says_so() {
    let text = refusal(
        "HTTP/1.1 403 Forbidden\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert!(text.contains("the clock of this device is"), "{text}");
    assert!(
        text.contains("years ahead of the one of localhost"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_not_used() {
    for (body, expected) in [
        ("<html>", "it is not JSON"),
        ("{}", "no text credentials.expiration"),
        (
            &GIVEN.replace("a-token", ""),
            "no text credentials.sessionToken",
        ),
        (&GIVEN.replace("2099-", "soon-"), "is not a time"),
        (&GIVEN.replace("2099-", "2001-"), "have expired already"),
        (
            &format!("{GIVEN}{}", " ".repeat(MAX_ANSWER)),
            "more than 65536 bytes",
        ),
    ] {
        let text = refusal(ok(body)).await;
        assert!(text.contains(expected), "{text}");
    }
    let text = refusal("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await;
    assert!(text.contains("breaks off"), "{text}");
    let text = refusal("SSH-2.0\r\n\r\n").await;
    assert!(text.contains("cannot be reached"), "{text}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up() {
    let fleet = Fleet::new();
    let provider = Provider::answering(&fleet, "").await;
    let silent = IotProvider {
        settings: fleet.device(&provider),
        limit: Duration::from_millis(100),
    };
    let error = silent.provide_credentials().await.unwrap_err();
    let text = crate::credentials::causes(&error);
    assert!(text.contains("did not answer within 0.1 seconds"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_found_without_asking() {
    let fleet = Fleet::new();
    let provider = Provider::answering(&fleet, "").await;
    let settings = fleet.device(&provider);
    settings.check().unwrap();

    let mut wrong = settings.clone();
    wrong.private_key = fleet.issue("press-5").1;
    let text = wrong.check().unwrap_err().to_string();
    assert!(
        text.contains("does not belong to the certificate"),
        "{text}"
    );

    let mut wrong = settings.clone();
    wrong.private_key.clone_from(&settings.certificate);
    let text = wrong.check().unwrap_err().to_string();
    assert!(text.contains("no private key in PEM form"), "{text}");

    let mut wrong = settings;
    wrong.ca = Some("not-there.pem".into());
    let text = wrong.check().unwrap_err().to_string();
    assert!(text.contains("not-there.pem"), "{text}");
}

/// A time as the provider writes it.
fn clock_text(time: SystemTime) -> String {
    aws_smithy_types::DateTime::from(time)
        .fmt(aws_smithy_types::date_time::Format::DateTime)
        .unwrap()
}
