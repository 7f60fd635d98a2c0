//! What becomes of each message of a batch. No input and output here: answers in, decisions out.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use millstream_runtime::{Disposition, ExportFailure, Exported, Message, Undelivered};

/// A message on which the plugin crashes when it is alone is tried this often, then rejected.
const LONE_CRASHES: u32 = 3;

/// A batch on its way: the groups of messages that still have to be delivered, in order.
#[derive(Debug)]
pub(crate) struct Settling {
    groups: VecDeque<Vec<Message>>,
    /// The number behind the batch.
    end: u64,
    /// Crashes in a row of the first group, while it is a single message.
    lone_crashes: u32,
}

/// A message that can never be delivered, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) message: Message,
    pub(crate) reason: String,
}

impl Rejected {
    pub(crate) fn number(&self) -> u64 {
        self.message.sequence_number
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} was rejected: {}", self.number(), self.reason)
    }
}

/// What one call has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) delivered_messages: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) rejected: Vec<Rejected>,
    /// Why not everything was delivered, in words for the operator; none if all was.
    pub(crate) error: Option<String>,
    /// How far work is that goes on with the next call; none if there is no such work.
    pub(crate) in_progress: Option<String>,
    /// Whether to wait before the next call, and how long at least.
    pub(crate) pause: Option<Option<Duration>>,
}

impl Settling {
    /// Begins with a batch that reaches up to `end`, exclusively. Messages that the batch leaves out
    /// are settled already.
    pub(crate) fn new(batch: Vec<Message>, end: u64) -> Self {
        let groups = if batch.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([batch])
        };
        Self {
            groups,
            end,
            lone_crashes: 0,
        }
    }

    /// What to hand to the plugin next; none when everything is settled.
    pub(crate) fn current(&self) -> Option<&[Message]> {
        self.groups.front().map(Vec::as_slice)
    }

    /// Whether what is current is all that is left.
    pub(crate) fn is_last(&self) -> bool {
        self.groups.len() <= 1
    }

    /// Everything that still has to be delivered, in order.
    pub(crate) fn left(&self) -> impl Iterator<Item = &Message> {
        self.groups.iter().flatten()
    }

    /// Everything below this number is settled.
    pub(crate) fn lowest_unsettled(&self) -> u64 {
        self.groups
            .iter()
            .filter_map(|group| group.first())
            .map(|message| message.sequence_number)
            .min()
            .unwrap_or(self.end)
    }

    /// Takes the plugin's answer to the current group.
    pub(crate) fn settle(&mut self, answer: Result<Exported, ExportFailure>) -> Settled {
        let Some(group) = self.groups.pop_front() else {
            return Settled::default();
        };
        let crashed = matches!(
            answer,
            Err(ExportFailure::Trapped { .. }
                | ExportFailure::OutOfMemory { .. }
                | ExportFailure::TransformCrashed(_))
        );
        if !(crashed && group.len() == 1) {
            self.lone_crashes = 0;
        }
        match answer {
            Ok(exported) => self.partly(group, exported),
            Err(failure) if crashed => self.crashed(group, &failure),
            Err(failure) => self.failed(group, &failure),
        }
    }

    /// Takes the messages out of the current group that lie below a number: retention took them.
    pub(crate) fn expire(&mut self, head: u64) -> Vec<Message> {
        let Some(group) = self.groups.front_mut() else {
            return Vec::new();
        };
        let gone = group
            .extract_if(.., |message| message.sequence_number < head)
            .collect();
        if group.is_empty() {
            self.groups.pop_front();
        }
        gone
    }

    /// Delivered and rejected messages are done; the others go again, alone.
    fn partly(&mut self, group: Vec<Message>, exported: Exported) -> Settled {
        let mut settled = Settled::default();
        let mut again = Vec::new();
        let mut undelivered = exported.undelivered.into_iter().peekable();
        for (index, message) in group.into_iter().enumerate() {
            match undelivered.next_if(|undelivered| undelivered.index == index) {
                None => {
                    settled.delivered_messages += 1;
                    settled.delivered_bytes += message.payload.len() as u64;
                }
                Some(Undelivered {
                    disposition: Disposition::Reject,
                    reason,
                    ..
                }) => {
                    settled.rejected.push(Rejected { message, reason });
                }
                Some(Undelivered {
                    disposition: Disposition::Retry,
                    reason,
                    ..
                }) => {
                    if exported.in_progress.is_none() {
                        settled.error.get_or_insert(reason);
                    }
                    again.push(message);
                }
            }
        }
        if let Some(first) = settled.rejected.first() {
            settled.error.get_or_insert_with(|| first.to_string());
        }
        if !again.is_empty() {
            settled.in_progress = exported.in_progress;
            settled.pause = settled.in_progress.is_none().then_some(None);
            self.groups.push_front(again);
        }
        settled
    }

    /// Somewhere in the group is what crashes the plugin: halve it until that message is alone.
    fn crashed(&mut self, mut group: Vec<Message>, failure: &ExportFailure) -> Settled {
        let mut settled = Settled {
            error: Some(failure.to_string()),
            ..Settled::default()
        };
        if group.len() > 1 {
            let second = group.split_off(group.len() / 2);
            self.groups.push_front(second);
            self.groups.push_front(group);
            return settled;
        }
        self.lone_crashes += 1;
        if self.lone_crashes < LONE_CRASHES {
            settled.pause = Some(None);
            self.groups.push_front(group);
            return settled;
        }
        self.lone_crashes = 0;
        let reason = format!("the plugin crashed on it {LONE_CRASHES} times: {failure}");
        settled.rejected = group
            .into_iter()
            .map(|message| Rejected {
                message,
                reason: reason.clone(),
            })
            .collect();
        settled
    }

    /// Nothing was delivered, and nothing is wrong with the messages: all of it goes again.
    fn failed(&mut self, group: Vec<Message>, failure: &ExportFailure) -> Settled {
        self.groups.push_front(group);
        let at_least = match failure {
            ExportFailure::Unavailable { retry_after, .. }
            | ExportFailure::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        };
        Settled {
            error: Some(failure.to_string()),
            pause: Some(at_least),
            ..Settled::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(numbers: std::ops::Range<u64>) -> Settling {
        let end = numbers.end;
        let message = |sequence_number| Message {
            sequence_number,
            ingest_time: 0,
            payload: vec![0; 10].into(),
        };
        Settling::new(numbers.map(message).collect(), end)
    }

    fn numbers(settling: &Settling) -> Vec<u64> {
        let current = settling.current().unwrap_or_default();
        current
            .iter()
            .map(|message| message.sequence_number)
            .collect()
    }

    fn undelivered(index: usize, disposition: Disposition) -> Undelivered {
        Undelivered {
            index,
            disposition,
            reason: format!("reason {index}"),
        }
    }

    fn all_but(undelivered: Vec<Undelivered>) -> Result<Exported, ExportFailure> {
        Ok(Exported {
            undelivered,
            in_progress: None,
        })
    }

    fn trap() -> Result<Exported, ExportFailure> {
        Err(ExportFailure::Trapped {
            reason: "unreachable".into(),
        })
    }

    #[test]
    fn only_what_is_to_be_retried_goes_again() {
        let mut settling = batch(5..10);
        let settled = settling.settle(all_but(vec![
            undelivered(1, Disposition::Retry),
            undelivered(2, Disposition::Reject),
            undelivered(4, Disposition::Retry),
        ]));
        assert_eq!(
            (settled.delivered_messages, settled.delivered_bytes),
            (2, 20)
        );
        let [rejected] = &settled.rejected[..] else {
            panic!("{:?}", settled.rejected);
        };
        assert_eq!(
            (rejected.number(), rejected.reason.as_str()),
            (7, "reason 2")
        );
        assert_eq!(rejected.message.payload.len(), 10);
        assert_eq!(settled.pause, Some(None));
        assert_eq!(numbers(&settling), [6, 9]);
        assert_eq!(settling.lowest_unsettled(), 6);
        let settled = settling.settle(all_but(Vec::new()));
        assert_eq!((settled.delivered_messages, settled.pause), (2, None));
        assert_eq!(settling.current(), None);
        assert_eq!(settling.lowest_unsettled(), 10);
    }

    #[test]
    fn work_in_progress_goes_on_at_once_with_what_is_left_and_is_no_error() {
        let mut settling = batch(0..3);
        let settled = settling.settle(Ok(Exported {
            undelivered: vec![
                undelivered(1, Disposition::Retry),
                undelivered(2, Disposition::Retry),
            ],
            in_progress: Some("1 of 3".into()),
        }));
        assert_eq!((settled.pause, settled.error), (None, None));
        assert_eq!(settled.in_progress.as_deref(), Some("1 of 3"));
        assert_eq!(numbers(&settling), [1, 2]);
        // Done is done, whatever is said of progress.
        let settled = settling.settle(Ok(Exported {
            undelivered: Vec::new(),
            in_progress: Some("3 of 3".into()),
        }));
        assert_eq!(settled.in_progress, None);
        assert_eq!(settling.current(), None);
    }

    #[test]
    fn what_retention_took_leaves_the_group() {
        let mut settling = batch(4..7);
        assert!(settling.expire(4).is_empty());
        assert_eq!(settling.expire(6).len(), 2);
        assert_eq!(numbers(&settling), [6]);
        assert_eq!(settling.expire(9).len(), 1);
        assert_eq!(settling.current(), None);
        assert_eq!(settling.lowest_unsettled(), 7);
    }

    #[test]
    fn a_failed_batch_goes_again_as_it_was_after_the_pause_that_was_asked_for() {
        let mut settling = batch(0..3);
        let after = Some(Duration::from_secs(7));
        let failure = ExportFailure::Throttled {
            reason: "slow down".into(),
            retry_after: after,
        };
        let settled = settling.settle(Err(failure));
        assert_eq!(settled.pause, Some(after));
        assert_eq!(settled.delivered_messages, 0);
        assert_eq!(numbers(&settling), [0, 1, 2]);
    }

    #[test]
    fn the_message_that_crashes_the_plugin_is_found_and_rejected_alone() {
        let mut settling = batch(0..8);
        let poison = 5;
        let (mut delivered, mut rejected, mut calls) = (0, Vec::new(), 0);
        while settling.current().is_some() {
            let lowest = settling.lowest_unsettled();
            let answer = if numbers(&settling).contains(&poison) {
                trap()
            } else {
                all_but(Vec::new())
            };
            let settled = settling.settle(answer);
            assert!(
                settling.lowest_unsettled() >= lowest,
                "the cursor never goes back"
            );
            delivered += settled.delivered_messages;
            rejected.extend(settled.rejected.iter().map(Rejected::number));
            calls += 1;
            assert!(calls < 20);
        }
        assert_eq!((delivered, rejected), (7, vec![poison]));
    }

    #[test]
    fn a_crash_that_passes_rejects_nothing() {
        let mut settling = batch(0..1);
        assert!(settling.settle(trap()).rejected.is_empty());
        assert!(settling.settle(trap()).rejected.is_empty());
        assert_eq!(settling.settle(all_but(Vec::new())).delivered_messages, 1);
        assert!(settling.current().is_none());
    }
}
