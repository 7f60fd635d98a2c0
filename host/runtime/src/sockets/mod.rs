//! Sockets of components: where they may lead, and which names may be looked up.
//!
//! Grants speak of addresses or of names; a socket knows addresses only. So a connection is let through
//! in one of two ways:
//!
//! * a grant names the very address;
//! * a granted name stands for it. What a name stands for is learnt from every lookup, those that the
//!   component makes (`lookup`) and those that the host makes here when an address is not known yet
//!   (`names`). A name server that gives other addresses each time thus does no harm.
//!
//! As with HTTP, a name may stand for addresses of the device's own network only where its grant says
//! so. Only granted names are looked up: what a component could tell a name server by asking it would
//! otherwise be a way out of the sandbox.

mod create;
mod lookup;
mod names;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use wasmtime_wasi::sockets::SocketAddrUse;

use crate::grants::{AddressGrant, Grants};
use crate::log::PluginLog;
use crate::sandbox::Sandbox;
use names::Names;

/// What one instance may do with sockets.
pub(crate) struct SocketAccess {
    section: String,
    log: Arc<PluginLog>,
    grants: Arc<Grants>,
    names: Names,
}

impl SocketAccess {
    pub(crate) fn new(sandbox: &Sandbox) -> Arc<Self> {
        Arc::new(Self {
            section: sandbox.section.clone(),
            log: Arc::clone(&sandbox.log),
            grants: Arc::clone(&sandbox.grants),
            names: Names::default(),
        })
    }

    /// Whether there is anything that a socket could do.
    fn may_make_sockets(&self) -> bool {
        let may = self.grants.makes_sockets();
        if !may {
            self.log.refuse(&format!(
                "refused to make a socket: no address is granted; to allow one, add it to \
                 `[{}] addresses`",
                self.section
            ));
        }
        may
    }

    /// Sockets connect and send outwards. They never listen, and they are bound only to where the
    /// system would put them anyway.
    pub(crate) async fn allows(
        self: Arc<Self>,
        address: SocketAddr,
        purpose: SocketAddrUse,
    ) -> bool {
        match purpose {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
                let verdict = self.judge(address).await;
                self.report(address, &verdict);
                matches!(verdict, Verdict::Allowed)
            }
            // Strangers may send as much as they like, so this says nothing.
            SocketAddrUse::UdpReceive => self.is_known(address),
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                let allowed = Grants::binds(address);
                if !allowed {
                    self.log.refuse(&format!(
                        "refused to bind a socket to {address}: components only connect and send"
                    ));
                }
                allowed
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
                self.log
                    .refuse("refused to listen: components only connect and send");
                false
            }
        }
    }

    /// Whether an address is covered as far as is known, without a lookup.
    fn is_known(&self, address: SocketAddr) -> bool {
        let now = Instant::now();
        self.grants.connects(address, |name, address| {
            self.names.stands_for(name, address, now)
        })
    }

    async fn judge(&self, address: SocketAddr) -> Verdict {
        if self.is_known(address) {
            return Verdict::Allowed;
        }
        let lookups: Vec<_> = self
            .grants
            .addresses
            .iter()
            .filter(|grant| grant.covers_port(address.port()))
            .filter_map(AddressGrant::name)
            .filter(|name| self.names.is_due(name, Instant::now()))
            .map(|name| (name, names::look_up(name)))
            .collect();
        for (name, lookup) in lookups {
            let found = lookup.await.unwrap_or_default();
            self.names.learn(name, &found, Instant::now());
        }
        if self.is_known(address) {
            return Verdict::Allowed;
        }
        let now = Instant::now();
        let private = self.grants.addresses.iter().find(|grant| {
            grant.covers_port(address.port())
                && grant
                    .name()
                    .is_some_and(|name| self.names.stands_for(name, address.ip(), now))
        });
        match private.and_then(AddressGrant::name) {
            Some(name) => Verdict::Private(name.to_owned()),
            None => Verdict::NotGranted,
        }
    }

    fn report(&self, address: SocketAddr, verdict: &Verdict) {
        let section = &self.section;
        match verdict {
            Verdict::Allowed => {}
            Verdict::NotGranted => self.log.refuse(&format!(
                "refused a connection to {address}: it is not granted; to allow it, add it, or a name \
                 that stands for it, to `[{section}] addresses = [\"{address}\"]`",
            )),
            Verdict::Private(name) => self.report_private(name, address.ip()),
        }
    }

    fn report_private(&self, name: &str, address: IpAddr) {
        self.log.refuse(&format!(
            "refused a connection to `{name}`: it stands for {address}, which its grant does not cover; \
             if that is right, move it to `[{}] private-addresses`",
            self.section,
        ));
    }

    fn refuse_lookup(&self, host: &str) {
        self.log.refuse(&format!(
            "refused to look up the name `{host}`: it is not granted; to allow it, add it with its port \
             to `[{}] addresses`",
            self.section,
        ));
    }
}

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    NotGranted,
    /// The granted name stands for an address that it may not stand for.
    Private(String),
}

#[cfg(test)]
mod tests;
