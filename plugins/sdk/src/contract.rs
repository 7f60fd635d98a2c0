//! The types of the contract, generated from `wit/`, and the constructors that make them pleasant.
//!
//! The custom section that makes a component an exporter is part of the export macro, not of this
//! crate: a producer links this crate too, and what it does not import is dropped by the linker.

use std::time::Duration;

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "exporter-plugin",
        pub_export_macro: true,
        default_bindings_module: "millstream_plugin::internals::bindings",
        additional_derives: [PartialEq],
    });
}

/// The world of exporters that want to be told of messages that are not exported.
#[doc(hidden)]
pub mod canceling_bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "canceling-plugin",
        pub_export_macro: true,
        default_bindings_module: "millstream_plugin::internals::canceling_bindings",
        additional_derives: [PartialEq],
    });
}

/// The world of transforms.
#[doc(hidden)]
pub mod transform_bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "transform-plugin",
        pub_export_macro: true,
        default_bindings_module: "millstream_plugin::internals::transform_bindings",
        additional_derives: [PartialEq],
        with: {
            "millstream:plugin/types@0.1.0": crate::contract::bindings::millstream::plugin::types,
            "millstream:plugin/log@0.1.0": crate::contract::bindings::millstream::plugin::log,
            "millstream:plugin/secrets@0.1.0": crate::contract::bindings::millstream::plugin::secrets,
            "millstream:plugin/streams@0.1.0": crate::contract::bindings::millstream::plugin::streams,
        },
    });
}

/// What producers have and exporters do not.
pub(crate) mod producer_bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "producer-plugin",
        with: {
            "millstream:plugin/log@0.1.0": super::bindings::millstream::plugin::log,
            "millstream:plugin/secrets@0.1.0": super::bindings::millstream::plugin::secrets,
            "millstream:plugin/streams@0.1.0": super::bindings::millstream::plugin::streams,
            "millstream:plugin/types@0.1.0": super::bindings::millstream::plugin::types,
        },
    });
}

pub use bindings::exports::millstream::plugin::exporter::{
    ConfigError, Description, Disposition, ExportContext, ExportError, Failure, Limits,
    Undelivered, Wants,
};
pub use bindings::millstream::plugin::types::Message;
pub use canceling_bindings::exports::millstream::plugin::canceling::{
    Canceled, Reason as CancelReason,
};

impl Undelivered {
    /// The message at `index` of the batch may succeed later: the host hands it over again.
    pub fn retry(index: usize, reason: impl Into<String>) -> Self {
        Self::new(index, Disposition::Retry, reason)
    }

    /// The message at `index` of the batch can never be delivered: the host counts it as rejected.
    pub fn reject(index: usize, reason: impl Into<String>) -> Self {
        Self::new(index, Disposition::Reject, reason)
    }

    fn new(index: usize, disposition: Disposition, reason: impl Into<String>) -> Self {
        Self {
            // A batch has at most 2^32 - 1 messages (`limits.max-messages`).
            index: u32::try_from(index).unwrap_or(u32::MAX),
            disposition,
            reason: reason.into(),
        }
    }
}

impl ExportError {
    /// The destination cannot be reached or does not answer.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(Failure::new(reason))
    }

    /// The destination asks for less.
    pub fn throttled(reason: impl Into<String>) -> Self {
        Self::Throttled(Failure::new(reason))
    }

    /// The destination refuses this device: a matter of credentials or permissions.
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::Denied(reason.into())
    }

    /// The destination does not know what the configuration names.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured(reason.into())
    }

    /// Why the batch failed, in one sentence.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unavailable(failure) | Self::Throttled(failure) => &failure.reason,
            Self::Denied(reason) | Self::Misconfigured(reason) => reason,
        }
    }
}

impl Failure {
    /// A failure whose destination named no pause.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retry_after_ms: None,
        }
    }

    /// The same failure, not to be tried again before `pause` has passed.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Self {
            retry_after_ms: Some(milliseconds),
            ..self
        }
    }
}

impl ConfigError {
    /// The field at `path`, such as `rotation.maxBytes`, is wrong; `message` says in one sentence what
    /// would be right.
    pub fn field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(path.into()),
            message: message.into(),
        }
    }

    /// The configuration as a whole is wrong.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            field: None,
            message: message.into(),
        }
    }
}

impl Default for Wants {
    /// Nothing.
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            aws_services: Vec::new(),
            folders: Vec::new(),
            streams: Vec::new(),
        }
    }
}
