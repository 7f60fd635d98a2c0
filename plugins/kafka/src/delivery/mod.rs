//! From the host's batch to batches of records for partitions, and from the answers to what was not
//! delivered.
//!
//! The rules:
//!
//! * Each record has its partition by its key; those without one go together to one partition that has a
//!   leader, with each batch to the next.
//! * In a round every partition gets one batch of records, and every broker one request with those that
//!   it leads; all requests are sent before the first answer is read.
//! * A partition that fails gets nothing more in this call, so its records keep their order; what waits
//!   for it is to be retried. The other partitions go on, and what they took is not sent again.
//! * A batch of records that is too large, or in which something is invalid without the broker saying
//!   what, is halved until the record at fault stands alone.
//! * A record that is too large is rejected. One that is invalid is rejected if Kafka had taken any other
//!   record of this export before; else the topic is more likely to ask for something that the
//!   configuration does not give, such as a key, and rejecting would lose data: it comes once more.
//! * No round starts late in a call's time, so that the host does not end the instance in the middle.

mod lane;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::records::Compression;
use millstream_plugin::{ExportError, Failure, Message, Undelivered};

use crate::cluster::{BrokerId, Cluster, Delivery as Request, Layout};
use crate::config::Settings;
use crate::partitioner;
use crate::protocol::Produced;
use crate::record::{self, BATCH_BYTES, Outgoing, Records};
use crate::verdict::Verdict;
use lane::Lane;

/// How far into a call a further round may start.
const LAST_START: Duration = Duration::from_secs(15);
/// When a call ends at the latest: within the 60 s that the host gives it.
const CALL_TIME: Duration = Duration::from_secs(50);
/// The longest that a broker is given peace for, so that a number that makes no sense stops nothing.
const LONGEST_PEACE: Duration = Duration::from_secs(60);

/// Delivers the batches of one export.
#[derive(Debug)]
pub(crate) struct Deliveries<C> {
    cluster: C,
    topic: String,
    records: Records,
    compression: Compression,
    max_batch_bytes: u64,
    /// Counts batches, so that records without a key go round.
    turn: usize,
    /// Kafka has taken a record, so the configuration is right.
    proven: bool,
    /// Until when a broker asked for peace.
    peace: Option<Instant>,
}

/// What became of a call so far.
#[derive(Debug, Default)]
struct Outcome {
    delivered: bool,
    rejected: Vec<Undelivered>,
    /// Records that come once more, and why.
    failed: Vec<(usize, ExportError)>,
}

impl<C: Cluster> Deliveries<C> {
    pub(crate) fn new(cluster: C, stream_name: &str, settings: &Settings) -> Self {
        Self {
            cluster,
            topic: settings.topic.clone(),
            records: Records::new(stream_name, settings.key.clone()),
            compression: settings.compression.into(),
            max_batch_bytes: settings.max_batch_bytes,
            // Instances that start together do not all begin with the same partition.
            turn: fastrand::usize(..1 << 16),
            proven: false,
            peace: None,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered or rejected.
    pub(crate) fn deliver(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let started = Instant::now();
        self.keep_peace(started)?;
        let deadline = started + CALL_TIME;
        let layout = self.cluster.layout(deadline)?;
        let leaders: BTreeMap<i32, Option<BrokerId>> = layout
            .partitions
            .iter()
            .map(|partition| (partition.index, partition.leader))
            .collect();
        let mut outcome = Outcome::default();
        let mut lanes = self.lanes(batch, &layout, &mut outcome);
        for lane in &mut lanes {
            if leaders.get(&lane.partition).copied().flatten().is_none() {
                lane.failure = Some(self.leaderless(lane.partition));
                self.cluster.forget_layout();
            }
        }
        while lanes.iter().any(Lane::is_ready) {
            if started.elapsed() >= LAST_START {
                break;
            }
            self.round(&mut lanes, &leaders, deadline, &mut outcome);
        }
        outcome.settle(&lanes)
    }

    /// Waits out what a broker has asked for, with the host.
    fn keep_peace(&mut self, now: Instant) -> Result<(), ExportError> {
        let Some(rest) = self.peace.map(|until| until.saturating_duration_since(now)) else {
            return Ok(());
        };
        if rest.is_zero() {
            self.peace = None;
            return Ok(());
        }
        let reason = "A broker asked for a pause, as its quotas have it.";
        Err(ExportError::Throttled(
            Failure::new(reason).retry_after(rest),
        ))
    }

    /// Gives each message its partition, and rejects those that are too large.
    fn lanes(&mut self, batch: Vec<Message>, layout: &Layout, outcome: &mut Outcome) -> Vec<Lane> {
        let without_key = self.next_partition(layout);
        let mut lanes: BTreeMap<i32, Lane> = BTreeMap::new();
        for (place, message) in batch.into_iter().enumerate() {
            let record = self.records.of(place, message);
            let bytes = record.bytes() + BATCH_BYTES;
            if bytes > self.max_batch_bytes {
                let reason = format!(
                    "The record needs up to {bytes} bytes in a batch, more than the {} of \
                     `maxBatchBytes`.",
                    self.max_batch_bytes
                );
                outcome.rejected.push(Undelivered::reject(place, reason));
                continue;
            }
            let partition = record
                .key()
                .and_then(|key| partitioner::of_key(key, layout.partitions.len()))
                .and_then(|place| layout.partitions.get(place))
                .map_or(without_key, |partition| partition.index);
            let lane = lanes.entry(partition);
            lane.or_insert_with(|| Lane::new(partition)).push(record);
        }
        lanes.into_values().collect()
    }

    /// Where records without a key go this time: to a partition with a leader, if there is one.
    fn next_partition(&mut self, layout: &Layout) -> i32 {
        self.turn = self.turn.wrapping_add(1);
        let with_leader = layout
            .partitions
            .iter()
            .filter(|partition| partition.leader.is_some());
        let count = with_leader.clone().count();
        let mut with_leader = with_leader.chain(&layout.partitions);
        let place = self.turn.checked_rem(count).unwrap_or_default();
        with_leader
            .nth(place)
            .map_or(0, |partition| partition.index)
    }

    /// Sends one batch to every partition that waits for one, and settles them by the answers.
    fn round(
        &mut self,
        lanes: &mut [Lane],
        leaders: &BTreeMap<i32, Option<BrokerId>>,
        deadline: Instant,
        outcome: &mut Outcome,
    ) {
        let mut requests: BTreeMap<BrokerId, Vec<(i32, Bytes)>> = BTreeMap::new();
        let mut sent: BTreeMap<BrokerId, Vec<(&mut Lane, Vec<Outgoing>)>> = BTreeMap::new();
        for lane in lanes.iter_mut().filter(|lane| lane.is_ready()) {
            let Some(leader) = leaders.get(&lane.partition).copied().flatten() else {
                continue;
            };
            let mut records = lane.take(self.max_batch_bytes);
            match record::batch(&mut records, self.compression) {
                Ok(batch) => {
                    let partition = lane.partition;
                    requests.entry(leader).or_default().push((partition, batch));
                    sent.entry(leader).or_default().push((lane, records));
                }
                Err(why) => {
                    let reason = format!("The records cannot be written as a batch: {why}.");
                    lane.failure = Some(ExportError::misconfigured(reason));
                    lane.put_back(records);
                }
            }
        }
        let requests = requests.into_iter();
        let requests = requests.map(|(leader, batches)| Request { leader, batches });
        let answers = self.cluster.produce(requests.collect(), deadline);
        // What went out together with it proves nothing about a record that was refused.
        let proven = self.proven;
        // What is left without an answer cannot be: there is one for each request.
        for (lanes, answer) in sent.into_values().zip(answers) {
            for (lane, records) in lanes {
                match &answer {
                    Ok(produced) => self.settle_batch(lane, records, produced, proven, outcome),
                    Err(error) => {
                        lane.failure = Some(error.clone());
                        lane.put_back(records);
                    }
                }
            }
            if let Ok(produced) = answer {
                self.note_peace(produced.throttle_time);
            }
        }
    }

    fn note_peace(&mut self, milliseconds: i32) {
        if let Ok(time @ 1..) = u64::try_from(milliseconds) {
            let until = Instant::now() + Duration::from_millis(time).min(LONGEST_PEACE);
            self.peace = Some(self.peace.map_or(until, |other| other.max(until)));
        }
    }

    /// Decides about the records of one batch; `proven`, as it was when the batch was sent.
    fn settle_batch(
        &mut self,
        lane: &mut Lane,
        mut records: Vec<Outgoing>,
        produced: &Produced,
        proven: bool,
        outcome: &mut Outcome,
    ) {
        let target = format!("Partition {} of the topic `{}`", lane.partition, self.topic);
        let mut partitions = produced
            .topics
            .iter()
            .filter(|(topic, _)| *topic == self.topic)
            .flat_map(|(_, partitions)| partitions);
        let Some(answer) = partitions.find(|answer| answer.index == lane.partition) else {
            let reason = format!("{target} is missing in the answer of its leader.");
            lane.failure = Some(ExportError::unavailable(reason));
            return lane.put_back(records);
        };
        match Verdict::of(answer, &target) {
            Verdict::Taken => {
                outcome.delivered = true;
                self.proven = true;
            }
            Verdict::Failed(error) => {
                lane.failure = Some(error);
                lane.put_back(records);
            }
            Verdict::Moved(error) => {
                self.cluster.forget_layout();
                lane.failure = Some(error);
                lane.put_back(records);
            }
            Verdict::TooLarge(reason) => match records.as_slice() {
                [record] => {
                    let rejected = Undelivered::reject(record.place, reason);
                    outcome.rejected.push(rejected);
                }
                _ => lane.put_back_halved(records),
            },
            Verdict::Invalid { reason, at_fault } => {
                let before = records.len();
                // From the end on, so that the places of the others stay what they are.
                let at_fault: BTreeMap<usize, String> = at_fault.into_iter().collect();
                for (place, why) in at_fault.into_iter().rev() {
                    if place < records.len() {
                        outcome.refused(records.remove(place).place, why, proven);
                    }
                }
                match records.as_slice() {
                    [record] if before == 1 => outcome.refused(record.place, reason, proven),
                    _ if records.len() == before => lane.put_back_halved(records),
                    _ => lane.put_back(records),
                }
            }
        }
    }

    fn leaderless(&self, partition: i32) -> ExportError {
        ExportError::unavailable(format!(
            "Partition {partition} of the topic `{}` has no leader now.",
            self.topic
        ))
    }
}

impl Outcome {
    /// Decides about a record that the broker calls invalid. What was refused before Kafka had taken
    /// anything may have been refused for what the topic asks, which is mended meanwhile if others are
    /// taken after it: it comes once more.
    fn refused(&mut self, place: usize, reason: String, proven: bool) {
        if proven {
            self.rejected.push(Undelivered::reject(place, reason));
        } else {
            let error = ExportError::misconfigured(reason);
            self.failed.push((place, error));
        }
    }

    /// What the host has to know of a call.
    fn settle(self, lanes: &[Lane]) -> Result<Vec<Undelivered>, ExportError> {
        let mut undelivered = self.rejected;
        let mut failures = self.failed;
        for lane in lanes {
            let failure = lane.failure.clone().unwrap_or_else(|| {
                ExportError::unavailable("The time for this batch was used up by earlier requests.")
            });
            failures.extend(lane.places().map(|place| (place, failure.clone())));
        }
        if !self.delivered
            && undelivered.is_empty()
            && let Some(error) = worst(&failures)
        {
            return Err(error);
        }
        let retried = failures.iter();
        undelivered
            .extend(retried.map(|(place, error)| Undelivered::retry(*place, error.reason())));
        undelivered.sort_by_key(|message| message.index);
        Ok(undelivered)
    }
}

/// The failure that most needs an operator.
fn worst(failures: &[(usize, ExportError)]) -> Option<ExportError> {
    let errors = failures.iter().map(|(_, error)| error);
    let worst = errors.min_by_key(|error| match error {
        ExportError::Denied(_) => 0,
        ExportError::Misconfigured(_) => 1,
        ExportError::Throttled(_) => 2,
        ExportError::Unavailable(_) => 3,
    });
    worst.cloned()
}

#[cfg(test)]
mod tests;
