//! The cluster: which broker leads which partition, and connections to those that are needed.
//!
//! What is known of the cluster is asked for when it is needed, kept for [`LAYOUT_TIME`], and forgotten as
//! soon as an answer or a connection says that it is no longer right.

mod broker;
mod layout;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_plugin::ExportError;

use crate::address::Address;
use crate::config::Settings;
use crate::protocol::{Metadata, Produce, Produced, Request};
use broker::{Asked, Broker, Passwords};
#[cfg(test)]
pub(crate) use layout::Partition;
pub(crate) use layout::{BrokerId, Layout};

/// How long a layout is believed without a reason to doubt it (`metadata.max.age.ms` of the Java client):
/// partitions may be added.
const LAYOUT_TIME: Duration = Duration::from_secs(300);

/// Batches for partitions that one broker leads.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) leader: BrokerId,
    /// By partition.
    pub(crate) batches: Vec<(i32, Bytes)>,
}

/// What an export needs of a cluster.
pub(crate) trait Cluster {
    /// The partitions of the topic: at least one.
    fn layout(&mut self, deadline: Instant) -> Result<Layout, ExportError>;

    /// The layout is not right any more.
    fn forget_layout(&mut self);

    /// Sends batches to several brokers at once; an answer for each, in their order.
    fn produce(
        &mut self,
        deliveries: Vec<Delivery>,
        deadline: Instant,
    ) -> Vec<Result<Produced, ExportError>>;
}

/// A cluster of brokers over the network.
#[derive(Debug)]
pub(crate) struct Brokers {
    settings: Settings,
    passwords: Passwords,
    open: BTreeMap<Address, Broker>,
    layout: Option<(Layout, Instant)>,
    /// Where brokers were when the cluster was last asked: they may answer where those of the
    /// configuration are gone.
    seen: BTreeMap<BrokerId, Address>,
}

impl Brokers {
    pub(crate) fn new(settings: Settings, passwords: Passwords) -> Self {
        Self {
            settings,
            passwords,
            open: BTreeMap::new(),
            layout: None,
            seen: BTreeMap::new(),
        }
    }

    /// An open connection to the broker at an address.
    fn at(&mut self, address: &Address, deadline: Instant) -> Result<&mut Broker, ExportError> {
        if self
            .open
            .get(address)
            .is_some_and(|broker| !broker.is_fresh())
        {
            self.open.remove(address);
        }
        match self.open.entry(address.clone()) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(place) => {
                let broker = Broker::connect(address, &self.settings, self.passwords, deadline)?;
                Ok(place.insert(broker))
            }
        }
    }

    /// Asks one broker for the layout.
    fn ask(&mut self, address: &Address, deadline: Instant) -> Result<Metadata, ExportError> {
        let topic = self.settings.topic.clone();
        let asked = self.at(address, deadline).and_then(|broker| {
            let (answer, version) = broker.call(Request::Metadata { topic }, deadline)?;
            Metadata::read(&answer, version).map_err(|why| broker.malformed(why))
        });
        if asked.is_err() {
            self.open.remove(address);
        }
        asked
    }

    /// Sends batches to one broker.
    fn send(
        &mut self,
        delivery: Delivery,
        deadline: Instant,
    ) -> Result<(Address, Asked), ExportError> {
        let Some(address) = self.seen.get(&delivery.leader).cloned() else {
            return Err(ExportError::unavailable(format!(
                "The cluster does not say where broker {} is.",
                delivery.leader
            )));
        };
        // A broker that gives up on its replicas says so before it counts as silent.
        let patience = self.settings.answer_time / 3 * 2;
        let request = Request::Produce(Produce {
            topic: self.settings.topic.clone(),
            timeout: i32::try_from(patience.as_millis()).unwrap_or(i32::MAX),
            batches: delivery.batches,
        });
        let asked = self.at(&address, deadline)?.send(request, deadline)?;
        Ok((address, asked))
    }

    fn receive(&mut self, address: &Address, asked: Asked) -> Result<Produced, ExportError> {
        let broker = self.open.get_mut(address).ok_or_else(|| {
            ExportError::unavailable(format!("The connection to {address} is gone."))
        })?;
        let version = asked.version;
        let answer = broker.receive(asked)?;
        Produced::read(&answer, version).map_err(|why| broker.malformed(why))
    }

    /// Where the layout may be asked for: open connections first, then what is configured, then what
    /// was seen.
    fn candidates(&self) -> Vec<Address> {
        let mut candidates: Vec<Address> = Vec::new();
        let all = self.open.keys().chain(&self.settings.brokers);
        for address in all.chain(self.seen.values()) {
            if !candidates.contains(address) {
                candidates.push(address.clone());
            }
        }
        candidates
    }
}

impl Cluster for Brokers {
    fn layout(&mut self, deadline: Instant) -> Result<Layout, ExportError> {
        if let Some((layout, since)) = &self.layout
            && since.elapsed() < LAYOUT_TIME
        {
            return Ok(layout.clone());
        }
        let mut failure = None;
        for address in self.candidates() {
            if failure.is_some() && Instant::now() >= deadline {
                break;
            }
            match self.ask(&address, deadline) {
                Ok(metadata) => {
                    let (layout, seen) = layout::read(&metadata, &self.settings.topic)?;
                    self.seen = seen;
                    let needed = &self.seen;
                    self.open
                        .retain(|address, _| needed.values().any(|seen| seen == address));
                    self.layout = Some((layout.clone(), Instant::now()));
                    return Ok(layout);
                }
                // What an operator has to do is worth more than that a further broker is down.
                Err(error) => match (&failure, &error) {
                    (Some(_), ExportError::Unavailable(_)) => {}
                    (Some(ExportError::Denied(_) | ExportError::Misconfigured(_)), _) => {}
                    _ => failure = Some(error),
                },
            }
        }
        Err(failure.unwrap_or_else(|| ExportError::unavailable("No broker is known.")))
    }

    fn forget_layout(&mut self) {
        self.layout = None;
    }

    fn produce(
        &mut self,
        deliveries: Vec<Delivery>,
        deadline: Instant,
    ) -> Vec<Result<Produced, ExportError>> {
        let leaders: Vec<BrokerId> = deliveries.iter().map(|delivery| delivery.leader).collect();
        let asked: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| self.send(delivery, deadline))
            .collect();
        let answers = asked.into_iter().zip(leaders).map(|(asked, leader)| {
            let answer = asked.and_then(|(address, asked)| self.receive(&address, asked));
            if answer.is_err() {
                // What is still on this connection belongs to a request that nobody waits for.
                if let Some(address) = self.seen.get(&leader) {
                    self.open.remove(address);
                }
                self.layout = None;
            }
            answer
        });
        answers.collect()
    }
}

#[cfg(test)]
mod tests;
