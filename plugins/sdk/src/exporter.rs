//! The trait that an exporter implements, and the macro that puts it into a component.
//!
//! The contract has three functions and one instance; Rust wants a value that `open` makes and
//! `export` uses. [`Slot`] is the place where that value lives between two calls.

use std::cell::RefCell;
use std::thread::LocalKey;

use serde::de::DeserializeOwned;

use crate::{
    CancelReason, Canceled, ConfigError, Description, ExportContext, ExportError, Message,
    Undelivered, config,
};

/// A destination for the messages of one export.
///
/// The host makes one instance for each export and never calls it twice at a time. It may end an
/// instance at any moment: keep nothing in memory that would be missed.
pub trait Exporter: Sized {
    /// The configuration, as it stands in the host's file. Derive `Deserialize` for it with
    /// `#[serde(deny_unknown_fields)]`: a misspelt key is then an error that proposes the right one.
    type Config: DeserializeOwned;

    /// Who the exporter is, what it takes and what it asks for. Called without any grant and before
    /// [`open`](Self::open).
    fn describe() -> Description;

    /// Takes the configuration and makes the value that exports. It need not reach the destination.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work, with the field that is wrong.
    fn open(context: ExportContext, config: Self::Config) -> Result<Self, ConfigError>;

    /// Delivers a batch, in order. Returns the messages that were *not* delivered; none means that the
    /// destination has acknowledged them all.
    ///
    /// # Errors
    ///
    /// Nothing of the batch was delivered, though it may be later. If a part was delivered, return
    /// the rest as [`Undelivered`] instead, so that the part is not sent again.
    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError>;
}

/// What an exporter does about messages that it will not be handed, or not again: it cleans up what it
/// has begun and tells those who wait. Named in [`export_canceling!`] beside [`export_exporter!`].
pub trait Canceling: Exporter {
    /// Takes note of messages in order of their numbers, some hundred at most. It has ten seconds. What it
    /// [remembers](crate::work) is kept as after a batch.
    ///
    /// # Errors
    ///
    /// A sentence for the log; the messages are gone all the same.
    fn cancel(&mut self, messages: Vec<Canceled>, reason: CancelReason) -> Result<(), String>;
}

/// Holds the open exporter of a component between two calls of the host.
#[doc(hidden)]
#[derive(Debug)]
pub struct Slot<E>(RefCell<Option<E>>);

/// Where the exporter of a component lives; [`export_exporter!`] implements it.
#[doc(hidden)]
pub trait InComponent: Exporter + 'static {
    /// The slot of the component's only thread.
    fn slot() -> &'static LocalKey<Slot<Self>>;
}

impl<E: Exporter> Slot<E> {
    /// A slot with nothing in it.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Opens the exporter with a configuration in JSON. A second call replaces the first one's value.
    ///
    /// # Errors
    ///
    /// The configuration does not fit, or the exporter refuses it.
    pub fn open(&self, context: ExportContext, config: &str) -> Result<(), ConfigError> {
        let exporter = E::open(context, config::parse(config)?)?;
        self.0.replace(Some(exporter));
        Ok(())
    }

    /// Hands a batch to the exporter.
    ///
    /// # Errors
    ///
    /// What the exporter answers; unavailable if it was never opened.
    pub fn export(&self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        match self.0.borrow_mut().as_mut() {
            Some(exporter) => exporter.export(batch),
            None => Err(ExportError::unavailable(
                "The host called `export` before `open` succeeded; it has to open the exporter first.",
            )),
        }
    }
}

impl<E: Canceling> Slot<E> {
    /// Tells the exporter of messages that are not exported.
    ///
    /// # Errors
    ///
    /// The exporter's sentence; or it was never opened.
    pub fn cancel(&self, messages: Vec<Canceled>, reason: CancelReason) -> Result<(), String> {
        match self.0.borrow_mut().as_mut() {
            Some(exporter) => exporter.cancel(messages, reason),
            None => Err("The host called `cancel` before `open` succeeded.".to_owned()),
        }
    }
}

impl<E: Exporter> Default for Slot<E> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the type that is named an exporter component: implements the contract's three functions with
/// its [`Exporter`] implementation. Once in a crate. On other targets than WebAssembly it only checks
/// that the type is an exporter.
#[macro_export]
macro_rules! export_exporter {
    ($exporter:ty) => {
        const _: () = {
            const fn is_exporter<E: $crate::Exporter>() {}
            is_exporter::<$exporter>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::internals::bindings;

            impl $crate::internals::InComponent for $exporter {
                fn slot() -> &'static ::std::thread::LocalKey<$crate::internals::Slot<Self>> {
                    ::std::thread_local! {
                        static SLOT: $crate::internals::Slot<$exporter> =
                            const { $crate::internals::Slot::new() };
                    }
                    &SLOT
                }
            }

            fn slot() -> &'static ::std::thread::LocalKey<$crate::internals::Slot<$exporter>> {
                <$exporter as $crate::internals::InComponent>::slot()
            }

            struct Component;

            impl bindings::exports::millstream::plugin::exporter::Guest for Component {
                fn describe() -> $crate::Description {
                    <$exporter as $crate::Exporter>::describe()
                }

                fn open(
                    context: $crate::ExportContext,
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), $crate::ConfigError> {
                    slot().with(|slot| slot.open(context, &config))
                }

                fn export(
                    batch: ::std::vec::Vec<$crate::Message>,
                ) -> ::std::result::Result<
                    ::std::vec::Vec<$crate::Undelivered>,
                    $crate::ExportError,
                > {
                    slot().with(|slot| slot.export(batch))
                }
            }

            bindings::export!(Component with_types_in bindings);
        };
    };
}

/// Makes the type that is named, which is exported with [`export_exporter!`] and implements
/// [`Canceling`], one that is told of messages that are not exported. Once in a crate.
#[macro_export]
macro_rules! export_canceling {
    ($exporter:ty) => {
        const _: () = {
            const fn is_canceling<E: $crate::Canceling>() {}
            is_canceling::<$exporter>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::internals::canceling_bindings as bindings;

            struct Component;

            impl bindings::exports::millstream::plugin::canceling::Guest for Component {
                fn cancel(
                    messages: ::std::vec::Vec<$crate::Canceled>,
                    reason: $crate::CancelReason,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    <$exporter as $crate::internals::InComponent>::slot()
                        .with(|slot| slot.cancel(messages, reason))
                }
            }

    bindings::export!(Component with_types_in bindings);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Wants};

    struct Picky {
        refuse: u64,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        refuse: u64,
    }

    impl Exporter for Picky {
        type Config = Config;

        fn describe() -> Description {
            Description {
                name: "picky".into(),
                version: "1.0.0".into(),
                summary: "Refuses one number.".into(),
                config_schema: "{}".into(),
                limits: Limits {
                    max_messages: 1,
                    max_batch_bytes: 1,
                    max_message_bytes: 1,
                },
                wants: Wants::default(),
            }
        }

        fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
            Ok(Self {
                refuse: config.refuse,
            })
        }

        fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
            let refused = |message: &Message| message.sequence_number == self.refuse;
            Ok(batch
                .iter()
                .enumerate()
                .filter(|(_, message)| refused(message))
                .map(|(index, _)| Undelivered::reject(index, "It is the number."))
                .collect())
        }
    }

    fn context() -> ExportContext {
        ExportContext {
            stream_name: "readings".into(),
            export_identifier: "cloud".into(),
        }
    }

    fn message(sequence_number: u64) -> Message {
        Message {
            sequence_number,
            ingest_time: 0,
            payload: b"x".to_vec(),
        }
    }

    #[test]
    fn a_batch_reaches_the_exporter_that_open_made() {
        let slot = Slot::<Picky>::new();
        slot.open(context(), r#"{"refuse": 8}"#).unwrap();
        let undelivered = slot.export(vec![message(7), message(8)]).unwrap();
        assert_eq!(undelivered, [Undelivered::reject(1, "It is the number.")]);
    }

    #[test]
    fn a_second_open_replaces_the_configuration() {
        let slot = Slot::<Picky>::new();
        slot.open(context(), r#"{"refuse": 8}"#).unwrap();
        slot.open(context(), r#"{"refuse": 7}"#).unwrap();
        assert_eq!(slot.export(vec![message(7)]).unwrap().len(), 1);
    }

    #[test]
    fn a_batch_before_open_is_an_error_and_not_a_trap() {
        let slot = Slot::<Picky>::new();
        assert!(matches!(
            slot.export(vec![message(0)]),
            Err(ExportError::Unavailable(_))
        ));
    }

    #[test]
    fn a_wrong_configuration_leaves_the_slot_as_it_was() {
        let slot = Slot::<Picky>::new();
        slot.open(context(), r#"{"refuse": 8}"#).unwrap();
        let error = slot.open(context(), r#"{"refuze": 7}"#).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("refuze"));
        assert_eq!(slot.export(vec![message(8)]).unwrap().len(), 1);
    }
}
