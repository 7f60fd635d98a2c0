//! What the provider answers: `{"credentials": {"accessKeyId", "secretAccessKey", "sessionToken",
//! "expiration"}}`, or `{"message"}` if it refuses.

use std::time::SystemTime;

use aws_credential_types::Credentials as AwsCredentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;

use crate::log;

/// The most of a foreign sentence that is passed on, in bytes.
const MAX_MESSAGE: usize = 300;

/// The credentials in an answer; the error says what is wrong with it.
pub(super) fn read(body: &[u8]) -> Result<AwsCredentials, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("it is not JSON ({error})"))?;
    let text = |key: &str| {
        let value = answer.pointer(&format!("/credentials/{key}"));
        value
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| format!("it has no text credentials.{key}"))
    };
    let expiration = text("expiration")?;
    let expiry = DateTime::from_str(expiration, Format::DateTimeWithOffset)
        .ok()
        .and_then(|time| SystemTime::try_from(time).ok())
        .ok_or("its credentials.expiration is not a time such as 2026-01-31T23:59:59Z")?;
    Ok(AwsCredentials::new(
        text("accessKeyId")?,
        text("secretAccessKey")?,
        Some(text("sessionToken")?.to_owned()),
        Some(expiry),
        "IotCredentialsProvider",
    ))
}

/// The sentence of a refusal, fit for one line.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let message = answer.get("message").or_else(|| answer.get("Message"))?;
    Some(log::clean(message.as_str()?, MAX_MESSAGE))
}
