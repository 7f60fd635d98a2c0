//! Names to addresses, without those that a grant does not mean.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::address::Reach;
use crate::name_lookup::SystemResolver;

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// The system's resolver found nothing.
    #[error("the name `{name}` cannot be resolved: {source}")]
    Lookup { name: String, source: io::Error },
    /// It found only addresses that are refused.
    #[error("the name `{name}` stands for {address}, which its grant does not cover")]
    Prohibited { name: String, address: IpAddr },
}

/// A resolver, usually the system's, and a filter behind it. Nothing is remembered: each connection goes to
/// addresses that have just passed the filter.
#[derive(Debug, Clone)]
pub(super) struct Resolver<S = SystemResolver> {
    system: S,
    reach: Reach,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            system: SystemResolver,
            reach,
        }
    }
}

impl<S> Service<Name> for Resolver<S>
where
    S: Service<Name, Error = io::Error>,
    S::Response: Iterator<Item = SocketAddr>,
    S::Future: Send + 'static,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        let text = name.as_str().to_owned();
        let lookup = self.system.call(name);
        Box::pin(async move {
            match lookup.await {
                Ok(found) => filter(reach, text, found),
                Err(source) => Err(ResolveError::Lookup { name: text, source }),
            }
        })
    }
}

fn filter(
    reach: Reach,
    name: String,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<vec::IntoIter<SocketAddr>, ResolveError> {
    let (allowed, refused): (Vec<_>, Vec<_>) =
        found.partition(|address| reach.allows(address.ip()));
    match (allowed.is_empty(), refused.first()) {
        (true, Some(address)) => Err(ResolveError::Prohibited {
            name,
            address: address.ip(),
        }),
        (true, None) => {
            let source = io::Error::other("it has no address");
            Err(ResolveError::Lookup { name, source })
        }
        (false, _) => Ok(allowed.into_iter()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as it is told.
    struct NameServer<F>(F);

    impl<F, A> Service<Name> for NameServer<F>
    where
        F: FnMut() -> io::Result<A>,
    {
        type Response = A;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<A>>;

        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _name: Name) -> Self::Future {
            std::future::ready((self.0)())
        }
    }

    fn found(reach: Reach, addresses: &[&str]) -> Result<Vec<SocketAddr>, ResolveError> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        filter(reach, "n".into(), addresses).map(Iterator::collect)
    }

    #[test]
    fn refused_addresses_are_left_out() {
        let left = found(Reach::Public, &["10.0.0.1:0", "1.1.1.1:0"]).unwrap();
        assert_eq!(left, ["1.1.1.1:0".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_judged_anew_each_time() {
        let answers = [
            "1.1.1.1:0",
            "127.0.0.1:0",
            "[::ffff:10.0.0.1]:0",
            "1.1.1.2:0",
        ];
        let mut answers = answers.into_iter();
        let name_server = NameServer(move || {
            let answer: SocketAddr = answers.next().unwrap().parse().unwrap();
            Ok(std::iter::once(answer))
        });
        let mut resolver = Resolver {
            system: name_server,
            reach: Reach::Public,
        };
        let mut passed = Vec::new();
        for _ in 0..4 {
            let found = resolver.call("rebinding.example".parse().unwrap()).await;
            passed.push(found.is_ok());
        }
        assert_eq!(passed, [true, false, false, true]);
    }

    #[test]
    fn a_name_of_refused_addresses_alone_is_refused() {
        let error = found(Reach::Public, &["127.0.0.1:0"]).unwrap_err();
        assert!(matches!(error, ResolveError::Prohibited { .. }));
        assert!(matches!(
            found(Reach::Public, &[]),
            Err(ResolveError::Lookup { .. })
        ));
    }
}
