//! The trait that a transform implements, and the macro that puts it into a component.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::config;
pub use crate::contract::transform_bindings::exports::millstream::plugin::transformer::{
    ConfigError, Description, Output, Rejection, TransformContext, Transformed,
};
use crate::{ConfigError as ExporterConfigError, Message};

/// Changes messages between a stream and an exporter (`wit/transform.wit`).
///
/// A batch may come again, whole or in part, and then has to become the same: keep nothing from one
/// batch to the next.
pub trait Transform: Sized {
    /// The configuration, as it stands in the host's file; see [`Exporter::Config`](crate::Exporter).
    type Config: DeserializeOwned;

    /// Who the transform is.
    fn describe() -> Description;

    /// Takes the configuration.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work, with the field that is wrong.
    fn open(context: TransformContext, config: Self::Config) -> Result<Self, ConfigError>;

    /// Transforms a batch, in order.
    ///
    /// # Errors
    ///
    /// Nothing can be transformed now, in a sentence; the batch comes again after a pause. What is wrong
    /// with one message is a [`Rejection`] of it.
    fn transform(&mut self, batch: Vec<Message>) -> Result<Transformed, String>;
}

impl Output {
    /// One message that comes from one: that at `index` of the batch.
    pub fn of(index: usize, payload: impl Into<Vec<u8>>) -> Self {
        Self::of_all([index], payload)
    }

    /// One message that comes from several, whose places are ascending.
    pub fn of_all(indices: impl IntoIterator<Item = usize>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            sources: indices.into_iter().map(place).collect(),
            payload: payload.into(),
        }
    }
}

impl Rejection {
    /// The message at `index` of the batch can never be transformed.
    pub fn new(index: usize, reason: impl Into<String>) -> Self {
        Self {
            index: place(index),
            reason: reason.into(),
        }
    }
}

/// A batch has at most 2^32 - 1 messages.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl ConfigError {
    /// The field at `path`, such as `keep.0`, is wrong; `message` says in one sentence what would be
    /// right.
    pub fn field(path: impl Into<String>, message: impl Into<String>) -> Self {
        ExporterConfigError::field(path, message).into()
    }
}

impl From<ExporterConfigError> for ConfigError {
    fn from(error: ExporterConfigError) -> Self {
        Self {
            field: error.field,
            message: error.message,
        }
    }
}

/// Holds the open transform of a component between two calls of the host.
#[doc(hidden)]
#[derive(Debug)]
pub struct TransformSlot<T>(RefCell<Option<T>>);

impl<T: Transform> TransformSlot<T> {
    /// A slot with nothing in it.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Opens the transform with a configuration in JSON. A second call replaces the first one's value.
    ///
    /// # Errors
    ///
    /// The configuration does not fit, or the transform refuses it.
    pub fn open(&self, context: TransformContext, config: &str) -> Result<(), ConfigError> {
        let transform = T::open(context, config::parse(config)?)?;
        self.0.replace(Some(transform));
        Ok(())
    }

    /// Hands a batch to the transform.
    ///
    /// # Errors
    ///
    /// The transform's sentence; or it was never opened.
    pub fn transform(&self, batch: Vec<Message>) -> Result<Transformed, String> {
        match self.0.borrow_mut().as_mut() {
            Some(transform) => transform.transform(batch),
            None => Err("The host called `transform` before `open` succeeded.".to_owned()),
        }
    }
}

impl<T: Transform> Default for TransformSlot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the type that is named a transform component. Once in a crate, and not beside
/// [`export_exporter!`](crate::export_exporter). On other targets than WebAssembly it only checks that the
/// type is a transform.
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        const _: () = {
            const fn is_transform<T: $crate::transform::Transform>() {}
            is_transform::<$transform>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::internals::{TransformSlot, transform_bindings as bindings};
            use $crate::transform::{ConfigError, Description, TransformContext, Transformed};

            ::std::thread_local! {
                static SLOT: TransformSlot<$transform> = const { TransformSlot::new() };
            }

            struct Component;

            impl bindings::exports::millstream::plugin::transformer::Guest for Component {
                fn describe() -> Description {
                    <$transform as $crate::transform::Transform>::describe()
                }

                fn open(
                    context: TransformContext,
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), ConfigError> {
                    SLOT.with(|slot| slot.open(context, &config))
                }

                fn transform(
                    batch: ::std::vec::Vec<$crate::Message>,
                ) -> ::std::result::Result<Transformed, ::std::string::String> {
                    SLOT.with(|slot| slot.transform(batch))
                }
            }

    bindings::export!(Component with_types_in bindings);
        };
    };
}
