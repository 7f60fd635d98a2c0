//! Which broker leads which partition of the topic.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use millstream_plugin::ExportError;

use crate::address::Address;
use crate::protocol::Metadata;
use crate::verdict;

/// The number of a broker in its cluster.
pub(crate) type BrokerId = i32;

/// The partitions of the topic, in order of their numbers: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// The broker that leads it; none while there is none, or none that can be found.
    pub(crate) leader: Option<BrokerId>,
}

/// What an answer says of the topic, and of where the brokers are.
///
/// # Errors
///
/// The topic is not there, cannot be described by this device, or the answer leaves it out.
pub(super) fn read(
    metadata: &Metadata,
    topic: &str,
) -> Result<(Layout, BTreeMap<BrokerId, Address>), ExportError> {
    let target = format!("The topic `{topic}`");
    let found = metadata.topics.iter().find(|found| found.name == topic);
    let found = found.ok_or_else(|| {
        ExportError::unavailable(format!("{target} is missing in the answer of the cluster."))
    })?;
    if found.error == ResponseError::UnknownTopicOrPartition.code() {
        return Err(ExportError::misconfigured(format!(
            "{target} does not exist; create it, or change `topic`."
        )));
    }
    // A leader that is missing is the matter of a partition.
    if found.error != ResponseError::LeaderNotAvailable.code()
        && let Some(error) = verdict::failure(found.error, &target)
    {
        return Err(error);
    }
    let seen: BTreeMap<BrokerId, Address> = metadata
        .brokers
        .iter()
        .filter_map(|broker| {
            let host = broker.host.clone();
            let port = u16::try_from(broker.port).ok()?;
            Some((broker.id, Address { host, port }))
        })
        .collect();
    let mut partitions: Vec<Partition> = found
        .partitions
        .iter()
        .map(|partition| Partition {
            index: partition.index,
            leader: Some(partition.leader).filter(|leader| seen.contains_key(leader)),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    if partitions.is_empty() {
        return Err(ExportError::unavailable(format!(
            "{target} has no partition yet."
        )));
    }
    Ok((Layout { partitions }, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{self, Topic};

    fn metadata(error: i16, leaders: &[i32]) -> Metadata {
        Metadata {
            brokers: vec![protocol::Broker {
                id: 1,
                host: "192.0.2.1".to_owned(),
                port: 9092,
            }],
            topics: vec![Topic {
                error,
                name: "t".to_owned(),
                // Brokers answer them in any order.
                partitions: leaders
                    .iter()
                    .enumerate()
                    .rev()
                    .map(|(index, leader)| protocol::Partition {
                        index: i32::try_from(index).unwrap(),
                        leader: *leader,
                    })
                    .collect(),
            }],
        }
    }

    #[test]
    fn partitions_are_in_order_and_know_their_leader() {
        let (layout, seen) = read(&metadata(0, &[1, -1, 7]), "t").unwrap();
        let leaders: Vec<_> = layout
            .partitions
            .iter()
            .map(|partition| (partition.index, partition.leader))
            .collect();
        assert_eq!(leaders, [(0, Some(1)), (1, None), (2, None)]);
        assert_eq!(seen[&1].to_string(), "192.0.2.1:9092");
    }

    #[test]
    fn a_topic_that_is_not_there_is_for_the_operator() {
        let unknown = metadata(ResponseError::UnknownTopicOrPartition.code(), &[]);
        let error = read(&unknown, "t").unwrap_err();
        assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
        let denied = metadata(ResponseError::TopicAuthorizationFailed.code(), &[]);
        let error = read(&denied, "t").unwrap_err();
        assert!(matches!(error, ExportError::Denied(_)), "{error:?}");
    }

    #[test]
    fn a_topic_on_its_way_is_waited_for() {
        let electing = metadata(ResponseError::LeaderNotAvailable.code(), &[]);
        for (metadata, topic) in [
            (electing, "t"),
            (metadata(0, &[]), "t"),
            (metadata(0, &[1]), "u"),
        ] {
            let error = read(&metadata, topic).unwrap_err();
            assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
        }
    }
}
