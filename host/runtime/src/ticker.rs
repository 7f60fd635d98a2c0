//! The clock that makes guest code yield.
//!
//! Guest code compares a counter with a deadline at every loop and call, and yields to the async
//! executor when the counter has moved. A thread of its own moves the counter, because a timer of
//! the executor would starve exactly when every worker is inside a guest. The thread sleeps while
//! no guest code runs: a host whose guests wait does not wake the processor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

use crate::error::RuntimeError;

/// How long guest code runs before it yields.
const TICK: Duration = Duration::from_millis(10);

/// Moves an engine's epoch while guest code runs; see [`Ticker::attend`].
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Guest futures that a worker is polling right now.
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, RuntimeError> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let thread = thread::Builder::new()
            .name("guest-ticker".into())
            .spawn({
                let (shared, engine) = (Arc::clone(&shared), engine.clone());
                move || shared.tick(&engine)
            })
            .map_err(|error| RuntimeError::Engine {
                reason: format!("its timer thread could not be started: {error}"),
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Wraps a future that runs guest code, so that the epoch moves whenever it is polled.
    pub(crate) fn attend<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        Attended {
            ticker: self,
            future: Box::pin(future),
        }
    }

    fn enter(&self) -> Running<'_> {
        // Sequentially consistent, together with `tick`: either this sees that the thread is parked,
        // or the thread sees that a guest runs.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        while !self.ended.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) == 0 {
                self.parked.store(true, Ordering::SeqCst);
                if self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.parked.store(false, Ordering::SeqCst);
            } else {
                thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing to report, and it ends within a tick.
            let _ = thread.join();
        }
    }
}

/// Counts one poll of guest code for as long as it lives, a panic included.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Attended<'a, F> {
    ticker: &'a Ticker,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Attended<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _running = self.ticker.enter();
        self.future.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_thread_sleeps_while_no_guest_runs() {
        let ticker = Ticker::start(&crate::engine::new().unwrap()).unwrap();
        // A guest that waits in the host does not run.
        let waiting = ticker.attend(std::future::pending::<()>());
        let parked = async {
            while !ticker.shared.parked.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = waiting => {}
            () = parked => {}
        }
        assert_eq!(ticker.shared.running.load(Ordering::SeqCst), 0);
    }
}
