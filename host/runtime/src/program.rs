//! What the host calls of a component. It is in memory while somebody works with it, and with it the
//! native code, which is most of what an exporter takes that has nothing to do.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;
use wasmtime::component::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::contract::{ExporterPluginIndices, canceling, transform};
use crate::error::RuntimeError;
use crate::state::State;

/// The interface of exporters that want to know of canceled messages.
const CANCELING: &str = "millstream:plugin/canceling";

/// What a component is called by, of each kind.
pub(crate) enum Program {
    Exporter {
        program: Resident<ExporterProgram>,
        /// Whether it wants to be told of canceled messages.
        cancels: bool,
    },
    Producer(Resident<CommandPre<State>>),
    Transform(Resident<TransformProgram>),
    /// It has to answer at any moment, so it stays.
    Webhook(ProxyPre<State>),
}

/// An exporter, ready to be instantiated.
pub(crate) struct ExporterProgram {
    pub(crate) linked: InstancePre<State>,
    pub(crate) exporter: ExporterPluginIndices,
    /// None if it does not care what becomes of messages that it is not handed.
    pub(crate) canceling: Option<canceling::GuestIndices>,
}

/// A transform, ready to be instantiated.
pub(crate) struct TransformProgram {
    pub(crate) linked: InstancePre<State>,
    pub(crate) transformer: transform::TransformPluginIndices,
}

/// What finds the functions that the host calls in a component.
pub(crate) trait Entry: Sized {
    /// Finds them. The component's name and its `interface` are for errors.
    fn find(
        linked: InstancePre<State>,
        component: &str,
        interface: &str,
    ) -> Result<Self, RuntimeError>;
}

impl Entry for ExporterProgram {
    fn find(
        linked: InstancePre<State>,
        component: &str,
        interface: &str,
    ) -> Result<Self, RuntimeError> {
        let is_canceling = |export: &str| export.split('@').next() == Some(CANCELING);
        let canceling = linked
            .component()
            .component_type()
            .exports(linked.engine())
            .any(|(export, _)| is_canceling(export))
            .then(|| canceling::GuestIndices::new(&linked))
            .transpose()
            .map_err(|error| misshapen(component, CANCELING, &error))?;
        Ok(Self {
            exporter: ExporterPluginIndices::new(&linked)
                .map_err(|error| misshapen(component, interface, &error))?,
            linked,
            canceling,
        })
    }
}

impl Entry for TransformProgram {
    fn find(
        linked: InstancePre<State>,
        component: &str,
        interface: &str,
    ) -> Result<Self, RuntimeError> {
        Ok(Self {
            transformer: transform::TransformPluginIndices::new(&linked)
                .map_err(|error| misshapen(component, interface, &error))?,
            linked,
        })
    }
}

impl Entry for CommandPre<State> {
    fn find(
        linked: InstancePre<State>,
        component: &str,
        interface: &str,
    ) -> Result<Self, RuntimeError> {
        Self::new(linked).map_err(|error| misshapen(component, interface, &error))
    }
}

impl Entry for ProxyPre<State> {
    fn find(
        linked: InstancePre<State>,
        component: &str,
        interface: &str,
    ) -> Result<Self, RuntimeError> {
        Self::new(linked).map_err(|error| misshapen(component, interface, &error))
    }
}

fn misshapen(component: &str, interface: &str, error: &wasmtime::Error) -> RuntimeError {
    RuntimeError::ContractShape {
        component: component.into(),
        interface: interface.into(),
        reason: format!("{error:#}"),
    }
}

/// A value that is in memory while somebody has it, and is loaded again for the next one.
pub(crate) struct Resident<T> {
    kept: Mutex<Kept<T>>,
}

enum Kept<T> {
    /// It was loaded for those to come.
    Ready(Arc<T>),
    /// Those who work with it have it; with the last of them it goes.
    Lent(Weak<T>),
}

impl<T> Resident<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            kept: Mutex::new(Kept::Ready(Arc::new(value))),
        }
    }

    /// The value, for as long as the caller keeps it. Two that need it at once load it once.
    pub(crate) async fn lend<F>(&self, load: impl FnOnce() -> F) -> Result<Arc<T>, RuntimeError>
    where
        F: Future<Output = Result<T, RuntimeError>>,
    {
        let mut kept = self.kept.lock().await;
        let value = kept.get(load).await?;
        *kept = Kept::Lent(Arc::downgrade(&value));
        Ok(value)
    }

    /// The same for a look at it: what was loaded for those to come stays ready for them.
    pub(crate) async fn look<F>(&self, load: impl FnOnce() -> F) -> Result<Arc<T>, RuntimeError>
    where
        F: Future<Output = Result<T, RuntimeError>>,
    {
        self.kept.lock().await.get(load).await
    }
}

impl<T> Kept<T> {
    async fn get<F>(&mut self, load: impl FnOnce() -> F) -> Result<Arc<T>, RuntimeError>
    where
        F: Future<Output = Result<T, RuntimeError>>,
    {
        let present = match self {
            Self::Ready(value) => Some(Arc::clone(value)),
            Self::Lent(value) => value.upgrade(),
        };
        match present {
            Some(value) => Ok(value),
            None => {
                let value = Arc::new(load().await?);
                *self = Self::Lent(Arc::downgrade(&value));
                Ok(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_value_goes_with_the_last_who_has_it_and_is_loaded_once_for_all_who_want_it() {
        let loads = Cell::new(0);
        let load = || async {
            tokio::task::yield_now().await;
            loads.set(loads.get() + 1);
            Ok(loads.get())
        };
        let resident = Resident::new(0);
        assert_eq!(*resident.look(load).await.unwrap(), 0);
        let first = resident.lend(load).await.unwrap();
        let second = resident.lend(load).await.unwrap();
        drop(first);
        assert_eq!((*second, loads.get()), (0, 0));
        drop(second);
        let (a, b) = tokio::join!(resident.lend(load), resident.look(load));
        assert_eq!((*a.unwrap(), *b.unwrap(), loads.get()), (1, 1, 1));
        // Nobody has it, so a look does not keep it either.
        assert_eq!(*resident.look(load).await.unwrap(), 2);
        assert_eq!(*resident.look(load).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_load_that_fails_is_tried_again_by_the_next() {
        let resident = Resident::new(0);
        drop(resident.lend(async || Ok(1)).await.unwrap());
        let fails = async || {
            Err(RuntimeError::Internal {
                reason: "a reason".into(),
            })
        };
        resident.lend(fails).await.unwrap_err();
        assert_eq!(*resident.lend(async || Ok(2)).await.unwrap(), 2);
    }
}
