//! Why the provider gave nothing, in sentences that name the next step.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http_body_util::LengthLimitError;
use hyper_util::client::legacy;
use rustls::{AlertDescription, CertificateError};

use super::{IotCredentials, MAX_ANSWER, answer};
use crate::clock::{self, Skew};
use crate::error::RuntimeError;
use crate::http::fault;

/// Why the credentials provider gave none.
#[derive(Debug, thiserror::Error)]
pub(super) enum IotRefusal {
    #[error(transparent)]
    Host(#[from] RuntimeError),
    #[error("the credentials provider cannot be asked with these settings: {0}")]
    Unfit(String),
    #[error(
        "the credentials provider {host} did not answer within {} seconds; check the network of \
         this device",
        .limit.as_secs_f32()
    )]
    Silent { host: String, limit: Duration },
    #[error(
        "the certificate of the credentials provider {host} is not valid now, and the clock of \
         this device says {now}; if that is wrong, set the clock, e.g. with NTP"
    )]
    NotValidNow { host: String, now: String },
    #[error(
        "the certificate of the credentials provider {host} is not trusted: {reason}; check the \
         host name, and the certificates in `ca` (Amazon Root CA 1 for AWS)"
    )]
    NotTrusted { host: String, reason: String },
    #[error(
        "the credentials provider {host} says that the certificate of this device has expired: \
         renew it"
    )]
    DeviceExpired { host: String },
    #[error(
        "the credentials provider {host} does not accept the certificate of this device \
         ({alert:?}): check that AWS IoT knows it and that it is active"
    )]
    DeviceUnknown {
        host: String,
        alert: AlertDescription,
    },
    #[error("the credentials provider {host} cannot be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error(
        "the credentials provider {host} refuses this device ({said}): check that its certificate \
         is active and attached to the thing, that its policy allows \
         iot:AssumeRoleWithCertificate for the role alias {alias}, and that the role trusts \
         credentials.iot.amazonaws.com"
    )]
    Denied {
        host: String,
        alias: String,
        said: String,
    },
    #[error(
        "the credentials provider {host} does not know the role alias {alias} ({said}): make it \
         in the region and the account of the endpoint, or correct `role-alias`"
    )]
    UnknownAlias {
        host: String,
        alias: String,
        said: String,
    },
    #[error("the credentials provider {host} gives no credentials now: {said}")]
    Failed { host: String, said: String },
    #[error("the answer of the credentials provider {host} cannot be used: {problem}")]
    Malformed { host: String, problem: String },
    #[error("{0}")]
    WrongClock(String),
}

impl IotRefusal {
    /// There is no answer.
    pub(super) fn of_connection(host: &str, error: &legacy::Error) -> Self {
        let host = host.to_owned();
        let tls = fault::causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            )) => Self::NotValidNow {
                host,
                now: clock::http_date(SystemTime::now()),
            },
            Some(rustls::Error::InvalidCertificate(problem)) => Self::NotTrusted {
                host,
                reason: problem.to_string(),
            },
            Some(rustls::Error::AlertReceived(AlertDescription::CertificateExpired)) => {
                Self::DeviceExpired { host }
            }
            Some(rustls::Error::AlertReceived(alert)) => Self::DeviceUnknown {
                host,
                alert: *alert,
            },
            _ => Self::Unreachable {
                host,
                reason: fault::chain(error),
            },
        }
    }

    /// The answer breaks off, or has no end.
    pub(super) fn of_body(host: &str, error: &(dyn StdError + 'static)) -> Self {
        let problem = match error.is::<LengthLimitError>() {
            true => format!("it has more than {MAX_ANSWER} bytes"),
            false => format!("it breaks off ({error})"),
        };
        Self::Malformed {
            host: host.to_owned(),
            problem,
        }
    }

    /// The answer is a refusal.
    pub(super) fn of_answer(
        settings: &IotCredentials,
        status: StatusCode,
        body: &[u8],
        skew: Option<Skew>,
    ) -> Self {
        let host = settings.endpoint.clone();
        let alias = settings.role_alias.clone();
        let said = match answer::message(body) {
            Some(message) => format!("{}: {message}", status.as_u16()),
            None => format!("status {}", status.as_u16()),
        };
        match (status, skew) {
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, Some(skew))
                if skew.is_too_much() =>
            {
                Self::WrongClock(format!("{} ({said})", skew.sentence(&host)))
            }
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => {
                Self::Denied { host, alias, said }
            }
            (StatusCode::NOT_FOUND, _) => Self::UnknownAlias { host, alias, said },
            _ => Self::Failed { host, said },
        }
    }

    /// The credentials have expired, or the clock is wrong.
    pub(super) fn expired(host: &str, skew: Option<Skew>) -> Self {
        match skew.filter(Skew::is_too_much) {
            Some(skew) => Self::WrongClock(skew.sentence(host)),
            None => Self::Malformed {
                host: host.to_owned(),
                problem: "its credentials have expired already".into(),
            },
        }
    }
}
