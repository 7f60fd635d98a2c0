//! What an error of a service means, in the words of the contract.
//!
//! Codes decide, and not the status: the same code comes with different ones. They are those of the
//! services' API references and of the "common errors" that all services share. Where there is no code
//! it was not the service that answered, but a proxy or a login page, and the status is all there is.

use std::time::{Duration, SystemTime};

use millstream_plugin::http::{Answer, printable};
use millstream_plugin::{ExportError, Failure};
use serde_json::Value;

/// Characters of a service's own words that an operator gets to see.
const MAX_MESSAGE: usize = 500;
/// Characters of a code, which is a word.
const MAX_CODE: usize = 100;

/// What is called, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Such as "Firehose stream `plant-7` in `eu-central-1`".
    pub name: String,
    /// The keys of the configuration that name it, such as "`deliveryStreamName` and `region`".
    pub keys: &'static str,
    /// The permissions that a call takes, such as "`firehose:PutRecordBatch`".
    pub permission: &'static str,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// Something that holds for every call.
    Failed(ExportError),
    /// No answer in time: fewer bytes a call may help.
    TimedOut(ExportError),
    /// The service has answered with an error.
    Refused {
        /// Its code; none if the answer has none.
        code: Option<String>,
        /// What it says of the call.
        fault: Fault,
    },
}

/// What an error says of the call or of the entry that it is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It is not about the content: the same may be taken later.
    Passing(ExportError),
    /// The service calls the content wrong and says why; where the configuration is wrong it may say
    /// so too.
    Content(String),
}

/// What a service said when it refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer, such as 400; 0 for a single entry of a call.
    pub status: u16,
    /// The error's code without its namespace, such as `ResourceNotFoundException`.
    pub code: Option<String>,
    /// The service's own words.
    pub message: Option<String>,
    /// The pause that the answer asks for.
    pub pause: Option<Duration>,
}

impl CallError {
    /// Whether the service has answered with this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if code == wanted)
    }

    /// Why, in one sentence.
    pub fn reason(&self) -> &str {
        match self {
            Self::Failed(error) | Self::TimedOut(error) => error.reason(),
            Self::Refused { fault, .. } => fault.reason(),
        }
    }

    /// The error for the host if nothing of the batch was delivered.
    pub fn into_export_error(self) -> ExportError {
        match self {
            Self::Failed(error) | Self::TimedOut(error) => error,
            Self::Refused { fault, .. } => fault.into_export_error(),
        }
    }
}

impl Fault {
    /// Why, in one sentence.
    pub fn reason(&self) -> &str {
        match self {
            Self::Passing(error) => error.reason(),
            Self::Content(reason) => reason,
        }
    }

    /// The error for the host, where nothing else is known of the content.
    pub fn into_export_error(self) -> ExportError {
        match self {
            Self::Passing(error) => error,
            Self::Content(reason) => ExportError::misconfigured(reason),
        }
    }
}

impl Refusal {
    /// Reads an answer that came at `now`: JSON, as most services write it (`x-amzn-errortype`, or
    /// `__type` or `code` in the body), or the XML of S3.
    pub fn read(answer: &Answer, now: SystemTime) -> Self {
        let (code, message) = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(body) => {
                let text = |keys: &[&str]| {
                    keys.iter()
                        .find_map(|key| body.get(key)?.as_str())
                        .map(str::to_owned)
                };
                (
                    text(&["__type", "code", "Code"]),
                    text(&["message", "Message", "errorMessage"]),
                )
            }
            Err(_) => (
                element(&answer.body, "Code"),
                element(&answer.body, "Message"),
            ),
        };
        let code = answer.header("x-amzn-errortype").or(code.as_deref());
        Self {
            status: answer.status,
            pause: answer.pause(now),
            ..Self::saying(code, message.as_deref())
        }
    }

    /// The error of a single entry of a call.
    pub fn of_entry(code: &str, message: &str) -> Self {
        Self::saying(Some(code), Some(message))
    }

    /// An error of which only the service's words are known.
    pub fn saying(code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            code: code
                .map(|code| printable(bare(code).as_bytes(), MAX_CODE))
                .filter(|code| !code.is_empty()),
            message: message.map(|text| printable(text.as_bytes(), MAX_MESSAGE)),
            ..Self::default()
        }
    }

    /// The error of a call to `target` that was refused like this.
    pub fn into_error(self, target: &Target) -> CallError {
        CallError::Refused {
            fault: self.fault(target),
            code: self.code,
        }
    }

    /// What it says of the call to `target`.
    pub fn fault(&self, target: &Target) -> Fault {
        let Target {
            name,
            keys,
            permission,
        } = target;
        let said = self.said();
        let reason = |what: &str| format!("{name} {what}: {said}");
        let failure = |what: &str| {
            let failure = Failure::new(reason(what));
            match self.pause {
                Some(pause) => failure.retry_after(pause),
                None => failure,
            }
        };
        let code = self.code.as_deref().unwrap_or_default();
        Fault::Passing(match (code, self.status) {
            ("ResourceNotFoundException" | "NoSuchBucket", _) => {
                ExportError::misconfigured(reason(&format!("does not exist; check {keys}")))
            }
            (
                "ValidationException"
                | "InvalidArgumentException"
                | "InvalidParameterException"
                | "InvalidParameterValueException"
                | "InvalidRequestException"
                | "SerializationException"
                | "RequestEntityTooLargeException"
                | "EntityTooLarge"
                | "KeyTooLongError"
                | "MetadataTooLarge",
                _,
            )
            | ("", 413) => return Fault::Content(reason("calls the request invalid")),
            ("KMSDisabledException" | "KMSInvalidStateException" | "KMSNotFoundException", _) => {
                ExportError::misconfigured(reason("cannot use its encryption key"))
            }
            (
                "LimitExceededException"
                | "KMSThrottlingException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ServiceUnavailable"
                | "ServiceUnavailableException"
                | "SlowDown"
                | "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "TooManyRequestsException",
                _,
            )
            | ("", 429 | 503) => ExportError::Throttled(failure("asks for less")),
            (
                "AccessDenied"
                | "AccessDeniedException"
                | "AllAccessDisabled"
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "IncompleteSignatureException"
                | "InvalidAccessKeyId"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "InvalidToken"
                | "KMSAccessDeniedException"
                | "KMSOptInRequired"
                | "MissingAuthenticationToken"
                | "MissingAuthenticationTokenException"
                | "NotAuthorized"
                | "OptInRequired"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch"
                | "UnauthorizedException"
                | "UnrecognizedClientException",
                _,
            )
            | ("", 401 | 403 | 407) => ExportError::denied(reason(&format!(
                "refuses this device; check its credentials, its clock and the permission {permission}"
            ))),
            // Another operation is under way, or the body came too slowly.
            (
                "ConflictingOperationException"
                | "OperationAborted"
                | "OperationAbortedException"
                | "RequestTimeout"
                | "InternalFailure"
                | "InternalFailureException"
                | "InternalServerException",
                _,
            )
            | (_, 500..) => ExportError::Unavailable(failure("cannot serve now")),
            ("", 300..=308 | 404 | 405) => ExportError::misconfigured(reason(
                "is not what answers; check `endpoint` and `region`",
            )),
            ("", _) => ExportError::Unavailable(failure("cannot serve now")),
            _ => ExportError::misconfigured(reason("refuses the request")),
        })
    }

    fn said(&self) -> String {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) => format!("HTTP status {} without an AWS error code", self.status),
        }
    }
}

/// A code without what services put around it: `namespace#Code:http://address`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

/// The text of the first element of this name. The errors of S3 are flat and without attributes.
fn element(xml: &[u8], name: &str) -> Option<String> {
    let xml = str::from_utf8(xml).ok()?;
    let (_, behind) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = behind.split_once(&format!("</{name}>"))?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;
