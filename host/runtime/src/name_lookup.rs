//! Questions to the system's resolver, a few at a time.
//!
//! The system's call (`getaddrinfo`) cannot be called off: it keeps its thread until the name server answers or it
//! gives up. The threads for what blocks are few, and reads of streams need them too. So lookups take one
//! of a few places, and a place is free when the call has returned, whatever became of who asked.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower_service::Service;

/// The most lookups at once, in the whole process. Those of the AWS SDK for its own credentials do not count: no
/// component names what they ask for.
const AT_ONCE: usize = 4;

/// Asks what a name stands for.
///
/// # Errors
///
/// What the system says.
pub(crate) async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    let found = resolve(name).await?;
    Ok(found.map(|address| address.ip()).collect())
}

/// With the interface that an address of one link belongs to.
async fn resolve(name: String) -> io::Result<vec::IntoIter<SocketAddr>> {
    static PLACES: LazyLock<Places> = LazyLock::new(Places::new);
    PLACES
        .run(move || (name.as_str(), 0).to_socket_addrs())
        .await
}

/// The same for clients of HTTP.
#[derive(Debug, Clone)]
pub(crate) struct SystemResolver;

impl Service<Name> for SystemResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(resolve(name.as_str().to_owned()))
    }
}

/// Places for what cannot be called off.
struct Places(Arc<Semaphore>);

impl Places {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    async fn run<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.0).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let asked = tokio::task::spawn_blocking(move || {
            // It goes with the thread and not with who waits for it.
            let _place = place;
            ask()
        });
        asked.await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn silent_name_servers_leave_threads_to_others() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(16)
            .enable_all()
            .build()
            .unwrap();
        // The name server is silent until this is dropped.
        let (silence, silent) = mpsc::channel::<()>();
        let silent = Arc::new(std::sync::Mutex::new(silent));
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        runtime.block_on(async {
            let places = Arc::new(Places::new());
            let lookups: Vec<_> = (0..32)
                .map(|_| {
                    let (places, silent, begun) =
                        (Arc::clone(&places), Arc::clone(&silent), begun.clone());
                    tokio::spawn(async move {
                        let ask = move || {
                            begun.send(()).unwrap();
                            let _ = silent.lock().unwrap().recv();
                            Ok(())
                        };
                        places.run(ask).await
                    })
                })
                .collect();
            for _ in 0..AT_ONCE {
                has_begun.recv().await.unwrap();
            }
            // Nobody waits for them any more, and they are under way all the same.
            for lookup in &lookups {
                lookup.abort();
            }
            for lookup in lookups {
                assert!(lookup.await.unwrap_err().is_cancelled());
            }
            let later = {
                let places = Arc::clone(&places);
                tokio::spawn(async move { places.run(|| Ok(())).await })
            };
            let read = tokio::task::spawn_blocking(|| "read");
            let read = tokio::time::timeout(Duration::from_secs(30), read).await;
            assert_eq!(read.unwrap().unwrap(), "read");
            assert!(!later.is_finished() && has_begun.is_empty());
            assert_eq!(places.0.available_permits(), 0);
            drop(silence);
            later.await.unwrap().unwrap();
            assert!(has_begun.is_empty(), "what was given up is not asked");
        });
    }

    #[tokio::test]
    async fn the_system_knows_this_device() {
        let found = look_up("localhost".into()).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
    }
}
