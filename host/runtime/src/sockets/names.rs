//! What granted names stand for.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use crate::name_lookup;

/// How long an address counts after it was seen last. Longer than what most names may be cached for, so
/// that a connection is not refused because the name server has gone on.
const LIFETIME: Duration = Duration::from_secs(300);
/// The host looks a name up at most this often.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest time of a lookup.
const LOOKUP_TIME: Duration = Duration::from_secs(5);
/// Addresses kept for one name; the oldest go first.
const MAX_ADDRESSES: usize = 64;

/// The addresses that one instance has seen behind each name. Only granted names are ever learnt, so the
/// configuration bounds how many there are.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Each with the time it was seen last, the latest behind.
    addresses: Vec<(IpAddr, Instant)>,
    looked_up: Option<Instant>,
}

impl Names {
    /// Remembers that a name stands for these addresses.
    pub(super) fn learn(&self, name: &str, found: &[IpAddr], now: Instant) {
        self.with(name, |known| {
            for address in found.iter().map(IpAddr::to_canonical) {
                known.addresses.retain(|(seen, _)| *seen != address);
                known.addresses.push((address, now));
            }
            let surplus = known.addresses.len().saturating_sub(MAX_ADDRESSES);
            known.addresses.drain(..surplus);
        });
    }

    /// Whether a name was seen to stand for an address not long ago.
    pub(super) fn stands_for(&self, name: &str, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        self.with(name, |known| {
            known
                .addresses
                .iter()
                .any(|(seen, at)| *seen == address && now.saturating_duration_since(*at) < LIFETIME)
        })
    }

    /// Whether the host may look a name up now; if so, not again at once.
    pub(super) fn is_due(&self, name: &str, now: Instant) -> bool {
        self.with(name, |known| {
            let due = known
                .looked_up
                .is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
            if due {
                known.looked_up = Some(now);
            }
            due
        })
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(names.entry(name.to_owned()).or_default())
    }
}

/// Asks the system's resolver, beginning at once.
pub(super) fn look_up(name: &str) -> AbortOnDropJoinHandle<io::Result<Vec<IpAddr>>> {
    let lookup = name_lookup::look_up(name.to_owned());
    spawn(async move { tokio::time::timeout(LOOKUP_TIME, lookup).await? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_counts_for_a_while_after_it_was_seen() {
        let (names, now) = (Names::default(), Instant::now());
        names.learn("a", &[address(1)], now);
        assert!(names.stands_for("a", address(1), now));
        assert!(!names.stands_for("a", address(2), now));
        assert!(!names.stands_for("b", address(1), now));
        assert!(!names.stands_for("a", address(1), now + LIFETIME));
        names.learn("a", &[address(1)], now + LIFETIME / 2);
        assert!(names.stands_for("a", address(1), now + LIFETIME));
    }

    #[test]
    fn a_name_with_ever_new_addresses_keeps_the_latest() {
        let (names, now) = (Names::default(), Instant::now());
        for last in 0..=u8::MAX {
            names.learn("a", &[address(last)], now);
        }
        assert!(names.stands_for("a", address(255), now));
        assert!(!names.stands_for("a", address(0), now));
        assert_eq!(
            names.with("a", |known| known.addresses.len()),
            MAX_ADDRESSES
        );
    }

    #[test]
    fn a_name_is_not_looked_up_again_at_once() {
        let (names, now) = (Names::default(), Instant::now());
        assert!(names.is_due("a", now));
        assert!(!names.is_due("a", now));
        assert!(names.is_due("b", now));
        assert!(names.is_due("a", now + PAUSE));
    }
}
