//! An instance of a component under limits, whatever its world: it is made and opened, called, kept warm for
//! the next call, and given up after a fault or when it has grown too much.
//!
//! What differs between worlds is a [`World`]: which functions an instance has, and how it is opened and
//! asked who it is.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::Store;
use wasmtime::component::{Instance as Whole, InstancePre};

use crate::component::{Component, ComponentKind};
use crate::error::RuntimeError;
use crate::grants::Grants;
use crate::guest::{MAX_TEXT, bounded, bounded_by, fault};
use crate::http::Traffic;
use crate::limits::Limits;
use crate::log::{PluginLog, clean};
use crate::program::{Entry, Program, Resident};
use crate::sandbox::{MAX_RESOURCES, Sandbox};
use crate::state::State;
use crate::streams::StreamAccess;
use crate::work::Remembered;

/// An instance that holds more resources than this after a call is made anew: guests' libraries leave
/// some behind (a request with time limits of its own leaves one), and one that runs out of them
/// crashes in the middle of a call.
const RECYCLE_RESOURCES: usize = MAX_RESOURCES / 2;

/// A world whose components work for one export of one stream: what there is to know of it to keep an
/// instance.
pub(crate) trait World: Entry {
    /// What its components are for.
    const KIND: ComponentKind;
    /// The functions of an instance.
    type Bindings;
    /// Who a component of it is.
    type Description;

    /// The program of a component, if it is one of this world.
    fn of(program: &Program) -> Option<&Resident<Self>>;

    /// What instances are made of.
    fn linked(&self) -> &InstancePre<State>;

    /// Finds the functions of an instance.
    fn load(&self, store: &mut Store<State>, whole: &Whole) -> wasmtime::Result<Self::Bindings>;

    /// Asks an instance who it is; the inner error says what breaks the contract.
    fn describe(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Description, String>>> + Send;

    /// Opens an instance.
    fn open(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
        opening: &Opening,
    ) -> impl Future<Output = wasmtime::Result<Result<(), Refused>>> + Send;
}

/// What an instance is opened with.
pub(crate) struct Opening {
    pub(crate) stream_name: String,
    pub(crate) export_identifier: String,
    /// A JSON object.
    pub(crate) config: String,
}

/// Why an instance refuses its configuration, in its own words.
pub(crate) struct Refused {
    pub(crate) field: Option<String>,
    pub(crate) message: String,
}

/// What surrounds the instances that work for one export.
pub(crate) struct Surroundings {
    /// Their name in the log.
    pub(crate) label: String,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    /// None for one that is asked who it is.
    pub(crate) streams: Option<Arc<dyn StreamAccess>>,
}

impl Surroundings {
    /// They are stopped by dropping them, so nothing is ever sent through the sender.
    fn sandbox(self, component: &Component) -> (watch::Sender<bool>, Sandbox) {
        let (stop_sender, stop) = watch::channel(false);
        let sandbox = Sandbox::new(
            component,
            PluginLog::new(self.label),
            Arc::new(self.grants),
            self.limits,
            self.streams,
            stop,
        );
        (stop_sender, sandbox)
    }
}

/// An instance, between two calls or in one.
pub(crate) struct Instance<W: World> {
    pub(crate) store: Store<State>,
    /// All of it, for functions beside those of the world.
    pub(crate) whole: Whole,
    pub(crate) bindings: W::Bindings,
}

/// Asks a component who it is, in an instance of its own without any grant.
///
/// # Errors
///
/// `WrongKind`, `Description`, and the errors of a call: `Trapped`, `TimedOut`, `OutOfMemory`.
pub(crate) async fn describe<W: World>(
    component: &Component,
    limits: Limits,
) -> Result<W::Description, RuntimeError> {
    let program = component.look::<W>().await?;
    let surroundings = Surroundings {
        label: component.name().to_owned(),
        grants: Grants::default(),
        limits,
        streams: None,
    };
    let (_stop, sandbox) = surroundings.sandbox(component);
    let runtime = component.runtime();
    let mut store = sandbox.store(runtime, None).await?;
    let answer = bounded(runtime, &sandbox, async {
        let (_, bindings) = instantiate(&*program, &mut store).await?;
        W::describe(&bindings, &mut store).await
    });
    answer
        .await?
        .map_err(|error| fault(&mut store, component.name(), &error))?
        .map_err(|problem| RuntimeError::Description {
            component: component.name().to_owned(),
            problem,
        })
}

async fn instantiate<W: World>(
    program: &W,
    store: &mut Store<State>,
) -> wasmtime::Result<(Whole, W::Bindings)> {
    let whole = program.linked().instantiate_async(&mut *store).await?;
    let bindings = program.load(store, &whole)?;
    Ok((whole, bindings))
}

/// The warm instance of one export. A call is three steps: [`Self::enter`], [`Self::within`] and
/// [`Self::leave`]; whoever stops between them has given the instance up, and the next call makes a new one.
pub(crate) struct Warm<W: World> {
    component: Component,
    /// None at rest.
    program: Option<Arc<W>>,
    sandbox: Sandbox,
    opening: Opening,
    remembered: Remembered,
    instance: Option<Instance<W>>,
    _stop: watch::Sender<bool>,
}

impl<W: World> Warm<W> {
    /// Makes the first instance and opens it.
    pub(crate) async fn open(
        component: Component,
        surroundings: Surroundings,
        opening: Opening,
        remembered: Remembered,
    ) -> Result<Self, RuntimeError> {
        let (stop_sender, sandbox) = surroundings.sandbox(&component);
        let mut warm = Self {
            component,
            program: None,
            sandbox,
            opening,
            remembered,
            instance: None,
            _stop: stop_sender,
        };
        warm.instance = Some(warm.start().await?);
        Ok(warm)
    }

    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    /// None at rest.
    pub(crate) fn program(&self) -> Option<&Arc<W>> {
        self.program.as_ref()
    }

    pub(crate) fn label(&self) -> &str {
        self.sandbox.log.label()
    }

    /// What the calls so far remember.
    pub(crate) fn remembered(&self) -> Option<&Arc<[u8]>> {
        self.remembered.as_ref()
    }

    /// What the instances have sent and received over HTTP.
    pub(crate) fn traffic(&self) -> Traffic {
        self.sandbox.traffic.snapshot()
    }

    /// The memory of the instance in bytes; none if there is no instance at this moment.
    pub(crate) fn memory(&self) -> Option<u64> {
        let instance = self.instance.as_ref()?;
        Some(instance.store.data().limiter.used())
    }

    /// The longest that a call may take.
    pub(crate) fn call_deadline(&self) -> Duration {
        self.sandbox.limits.call_deadline
    }

    /// Gives up the instance: the next call makes a new one.
    pub(crate) fn give_up(&mut self) {
        self.instance = None;
    }

    /// Gives up the instance, and the program if nobody else uses it.
    pub(crate) fn rest(&mut self) {
        self.instance = None;
        self.program = None;
    }

    /// A call begins. The instance is taken out, so that one whose call is cut short is never entered again.
    pub(crate) async fn enter(&mut self) -> Result<Instance<W>, RuntimeError> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await?,
        };
        let state = instance.store.data_mut();
        state.limiter.take_refused();
        state.work.begin(self.remembered.clone());
        Ok(instance)
    }

    /// Runs the call, which must end within `limit`.
    ///
    /// It borrows the parts of `self` that it needs and not `self` itself: instances are not `Sync`, and the
    /// future has to go between threads.
    pub(crate) fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> impl Future<Output = Result<wasmtime::Result<T>, RuntimeError>> {
        bounded_by(limit, self.component.runtime(), &self.sandbox, call)
    }

    /// A call has ended. If it returned, takes over what it leaves, and keeps the instance for the next one,
    /// unless it has grown too much.
    pub(crate) fn leave<T>(
        &mut self,
        mut instance: Instance<W>,
        answer: wasmtime::Result<T>,
    ) -> Result<T, RuntimeError> {
        let answer = answer.map_err(|error| fault(&mut instance.store, self.label(), &error))?;
        self.remembered = instance.store.data().work.remembered();
        let memory = instance.store.data().limiter.used();
        let resources = instance.store.data_mut().resources();
        if memory <= self.sandbox.limits.recycle_above && resources <= RECYCLE_RESOURCES {
            self.instance = Some(instance);
        } else {
            tracing::debug!(
                plugin = self.label(),
                memory,
                resources,
                "the instance has grown beyond its mark and is made anew"
            );
        }
        Ok(answer)
    }

    /// Instantiates the component and opens it.
    async fn start(&mut self) -> Result<Instance<W>, RuntimeError> {
        let program = match &self.program {
            Some(program) => Arc::clone(program),
            None => self.component.lend::<W>().await?,
        };
        self.program = Some(Arc::clone(&program));
        let runtime = self.component.runtime();
        let mut store = self.sandbox.store(runtime, None).await?;
        let started = bounded(runtime, &self.sandbox, async {
            let (whole, bindings) = instantiate(&*program, &mut store).await?;
            store.data_mut().work.begin(self.remembered.clone());
            let answer = W::open(&bindings, &mut store, &self.opening).await?;
            Ok((whole, bindings, answer))
        });
        match started.await? {
            Ok((whole, bindings, Ok(()))) => Ok(Instance {
                store,
                whole,
                bindings,
            }),
            Ok((_, _, Err(refused))) => Err(RuntimeError::Config {
                component: self.label().into(),
                field: refused.field.map(|field| clean(&field, MAX_TEXT)),
                message: clean(&refused.message, MAX_TEXT),
            }),
            Err(error) => Err(fault(&mut store, self.label(), &error)),
        }
    }
}

impl<W: World> fmt::Debug for Warm<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("label", &self.label())
            .finish_non_exhaustive()
    }
}
