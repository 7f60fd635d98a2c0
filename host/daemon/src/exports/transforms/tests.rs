use std::collections::VecDeque;
use std::sync::Mutex;

use millstream_runtime::TransformOutput;

use super::*;

/// What a payload becomes: parts at `,`; nothing for `-`; a rejection for `!`; and a payload that begins
/// with `+` joins what is before it.
struct Words {
    most: u32,
}

impl Transform for Words {
    fn transform<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Transformed, ExportFailure>> {
        let mut transformed = Transformed::default();
        let mut outputs: Vec<TransformOutput> = Vec::new();
        for (index, message) in batch.iter().enumerate() {
            match message.payload.as_ref() {
                b"-" => {}
                b"!" => transformed.rejected.push((index, "It is wrong.".into())),
                [b'+', ..] => {
                    let before = outputs.last_mut().unwrap();
                    before.sources.push(index);
                    before.payload = [&before.payload[..], &message.payload[..]].concat().into();
                }
                whole => {
                    outputs.extend(
                        whole
                            .split(|byte| *byte == b',')
                            .map(|part| TransformOutput {
                                sources: vec![index],
                                payload: Bytes::copy_from_slice(part),
                            }),
                    )
                }
            }
        }
        transformed.outputs = outputs;
        Box::pin(std::future::ready(Ok(transformed)))
    }

    fn most_outputs(&self) -> u32 {
        self.most
    }

    fn rest(&mut self) {}
}

type Answer = Result<Exported, ExportFailure>;
/// The numbers and texts of the messages of a call.
type Handed = Vec<(u64, String)>;

/// Answers as it is told, then that all is delivered, and notes what it was handed.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Handed>>>,
}

impl Destination for Scripted {
    fn export<'a>(&'a mut self, batch: &'a [Message]) -> BoxFuture<'a, Answer> {
        let text = |message: &Message| String::from_utf8(message.payload.to_vec()).unwrap();
        let handed = batch
            .iter()
            .map(|it| (it.sequence_number, text(it)))
            .collect();
        self.seen.lock().unwrap().push(handed);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(std::future::ready(
            answer.unwrap_or_else(|| Ok(Exported::default())),
        ))
    }

    fn cancel<'a>(
        &'a mut self,
        _messages: &'a [Canceled],
        _reason: CancelReason,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn rest(&mut self) {}

    fn remembered(&self) -> Option<&Arc<[u8]>> {
        None
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

const LIMITS: BatchLimits = BatchLimits {
    max_messages: 3,
    max_batch_bytes: 20,
    max_message_bytes: 10,
};

fn behind(most: &[u32], answers: Vec<Answer>) -> (TransformedDestination, Scripted) {
    let destination = Scripted {
        answers: Arc::new(Mutex::new(answers.into())),
        ..Scripted::default()
    };
    let transforms = most
        .iter()
        .map(|most| Box::new(Words { most: *most }) as Box<dyn Transform>)
        .collect();
    let transformed =
        TransformedDestination::new(transforms, Box::new(destination.clone()), LIMITS);
    (transformed, destination)
}

/// Messages from number 7 on.
fn batch(payloads: &[&'static str]) -> Vec<Message> {
    (7..)
        .zip(payloads)
        .map(|(sequence_number, payload)| Message {
            sequence_number,
            ingest_time: 0,
            payload: Bytes::from_static(payload.as_bytes()),
        })
        .collect()
}

fn undelivered(of: &[(usize, Disposition)]) -> Answer {
    Ok(Exported {
        undelivered: of
            .iter()
            .map(|(index, disposition)| Undelivered {
                index: *index,
                disposition: *disposition,
                reason: "because".into(),
            })
            .collect(),
        in_progress: None,
    })
}

/// The places and what became of them.
fn verdicts(exported: &Exported) -> Vec<(usize, Disposition)> {
    let undelivered = exported.undelivered.iter();
    undelivered.map(|it| (it.index, it.disposition)).collect()
}

fn handed(destination: &Scripted) -> Vec<Handed> {
    destination.seen.lock().unwrap().clone()
}

use Disposition::{Reject, Retry};

#[tokio::test]
async fn what_is_filtered_out_is_delivered_and_reaches_nobody() {
    let (mut behind, destination) = behind(&[1], vec![]);
    let exported = behind.export(&batch(&["-", "-"])).await.unwrap();
    assert_eq!(exported, Exported::default());
    assert!(handed(&destination).is_empty());
}

#[tokio::test]
async fn numbers_stay_where_one_becomes_one_and_are_spread_where_it_becomes_several() {
    let (mut one, seen) = behind(&[1], vec![]);
    one.export(&batch(&["a", "-", "c"])).await.unwrap();
    assert_eq!(handed(&seen), [[(7, "a".to_owned()), (9, "c".to_owned())]]);

    let (mut several, seen) = behind(&[4], vec![]);
    several.export(&batch(&["a,b", "c"])).await.unwrap();
    let expected = [(28, "a"), (29, "b"), (32, "c")];
    assert_eq!(
        handed(&seen),
        [expected.map(|(number, text)| (number, text.to_owned()))]
    );
}

#[tokio::test]
async fn the_numbers_of_two_transforms_multiply_and_none_comes_twice() {
    let (mut two, seen) = behind(&[2, 3], vec![]);
    two.export(&batch(&["a,b"])).await.unwrap();
    assert_eq!(
        handed(&seen),
        [[(42, "a".to_owned()), (45, "b".to_owned())]]
    );
}

#[tokio::test]
async fn a_piece_that_fails_brings_back_every_message_it_comes_from() {
    let answer = undelivered(&[(0, Retry)]);
    let (mut behind, _) = behind(&[1], vec![answer]);
    let exported = behind.export(&batch(&["a", "+b", "c"])).await.unwrap();
    assert_eq!(verdicts(&exported), [(0, Retry), (1, Retry)]);
}

#[tokio::test]
async fn a_message_is_not_rejected_before_the_rest_of_it_is_delivered() {
    let answer = undelivered(&[(0, Reject), (1, Retry)]);
    let (mut behind, _) = behind(&[2], vec![answer]);
    let exported = behind.export(&batch(&["a,b", "c"])).await.unwrap();
    assert_eq!(verdicts(&exported), [(0, Retry)]);
}

#[tokio::test]
async fn what_cannot_be_transformed_or_becomes_too_large_is_rejected_with_a_reason() {
    let (mut behind, destination) = behind(&[1], vec![]);
    let exported = behind
        .export(&batch(&["!", "12345678", "+9ab", "d"]))
        .await
        .unwrap();
    assert_eq!(verdicts(&exported), [(0, Reject), (1, Reject), (2, Reject)]);
    assert_eq!(exported.undelivered[0].reason, "It is wrong.");
    assert!(exported.undelivered[1].reason.contains("12 bytes"));
    assert_eq!(handed(&destination), [[(10, "d".to_owned())]]);
}

#[tokio::test]
async fn calls_stay_within_the_limits_of_the_destination() {
    let (mut behind, destination) = behind(&[8], vec![]);
    let payloads = ["a,b,c,d", "1234567890,1234567890,1"];
    behind.export(&batch(&payloads)).await.unwrap();
    let sizes: Vec<_> = handed(&destination).iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 2, 2]);
}

#[tokio::test]
async fn a_call_that_fails_after_another_keeps_what_was_delivered() {
    let failure = || ExportFailure::Denied {
        reason: "no".into(),
    };
    let (mut behind, _) = behind(&[1], vec![Ok(Exported::default()), Err(failure())]);
    let exported = behind
        .export(&batch(&["a", "b", "c", "d", "e"]))
        .await
        .unwrap();
    assert_eq!(verdicts(&exported), [(3, Retry), (4, Retry)]);
    assert!(exported.undelivered[0].reason.contains("no"));
}

#[tokio::test]
async fn a_first_call_that_fails_fails_the_batch() {
    let failure = ExportFailure::Denied {
        reason: "no".into(),
    };
    let (mut behind, _) = behind(&[1], vec![Err(failure)]);
    let failed = behind.export(&batch(&["a", "b"])).await;
    assert!(
        matches!(failed, Err(ExportFailure::Denied { .. })),
        "{failed:?}"
    );
}

#[test]
fn only_a_crash_of_a_transform_is_held_against_the_messages() {
    let component = || "t".to_owned();
    let late = RuntimeError::TimedOut {
        component: component(),
        after: std::time::Duration::from_secs(60),
    };
    let late = ExportFailure::of_transform(late);
    assert!(matches!(late, ExportFailure::TransformFailed(_)), "{late}");
    let crash = RuntimeError::Trapped {
        component: component(),
        reason: "unreachable".into(),
    };
    let crash = ExportFailure::of_transform(crash);
    assert!(
        matches!(crash, ExportFailure::TransformCrashed(_)),
        "{crash}"
    );
}

fn trap() -> Answer {
    Err(ExportFailure::Trapped {
        reason: "unreachable".into(),
    })
}

#[tokio::test]
async fn nothing_comes_between_two_steps_of_longer_work() {
    let step = Ok(Exported {
        in_progress: Some("half".into()),
        ..undelivered(&[(0, Retry), (1, Retry), (2, Retry)]).unwrap()
    });
    let (mut behind, destination) = behind(&[1], vec![step]);
    let batch = batch(&["a", "b", "c", "d", "e"]);
    let exported = behind.export(&batch).await.unwrap();
    assert_eq!(exported.in_progress.as_deref(), Some("half"));
    let all = [0, 1, 2, 3, 4].map(|place| (place, Retry));
    assert_eq!(verdicts(&exported), all);
    assert_eq!(behind.export(&batch).await.unwrap(), Exported::default());
    let handed = handed(&destination);
    assert_eq!(handed[0], handed[1]);
    assert_eq!(handed.len(), 3);
}

#[tokio::test]
async fn what_is_settled_is_not_handed_over_again_while_work_for_the_same_message_goes_on() {
    let step = |of: &[(usize, Disposition)]| {
        Ok(Exported {
            in_progress: Some("half".into()),
            ..undelivered(of).unwrap()
        })
    };
    // Each message becomes four, of which the fourth is longer work in a call of its own.
    let answers = vec![
        undelivered(&[(1, Reject)]),
        step(&[(0, Retry)]),
        step(&[(0, Retry)]),
    ];
    let (mut behind, destination) = behind(&[4], answers);
    let batch = batch(&["a,b,c,d"]);
    for _ in 0..2 {
        let exported = behind.export(&batch).await.unwrap();
        assert!(exported.in_progress.is_some());
        assert_eq!(verdicts(&exported), [(0, Retry)]);
    }
    let exported = behind.export(&batch).await.unwrap();
    assert_eq!(verdicts(&exported), [(0, Reject)]);
    let handed = handed(&destination);
    assert_eq!(handed.len(), 4);
    let fourth = [(31, "d".to_owned())];
    assert!(handed[1..].iter().all(|call| *call == fourth), "{handed:?}");
}

#[tokio::test]
async fn another_piece_with_the_number_of_a_settled_one_is_not_settled() {
    let step = Ok(Exported {
        in_progress: Some("half".into()),
        ..undelivered(&[(1, Retry)]).unwrap()
    });
    let (mut behind, destination) = behind(&[1], vec![step]);
    behind.export(&batch(&["a", "b"])).await.unwrap();
    // As a transform may have it that makes something else of a smaller batch.
    behind.export(&batch(&["c"])).await.unwrap();
    assert_eq!(handed(&destination)[1], [(7, "c".to_owned())]);
}

#[tokio::test]
async fn a_crash_that_leaves_nothing_settled_is_a_crash_of_the_batch() {
    // The first message becomes four, of which the last, in a call of its own, is what crashes.
    let (mut behind, _) = behind(&[4], vec![Ok(Exported::default()), trap()]);
    let crashed = behind.export(&batch(&["a,b,c,d", "e"])).await;
    assert!(
        matches!(crashed, Err(ExportFailure::Trapped { .. })),
        "{crashed:?}"
    );
}

#[test]
fn sources_that_multiply_are_a_crash_before_they_take_memory() {
    let payload = Bytes::from_static(b"x");
    let pieces: Vec<_> = batch(&["x"; 2000])
        .into_iter()
        .map(|message| Piece {
            sources: (0..2000).collect(),
            message,
        })
        .collect();
    let output = |sources: usize| TransformOutput {
        sources: (0..sources).collect(),
        payload: payload.clone(),
    };
    let transformed = |sources| Transformed {
        outputs: vec![output(sources)],
        rejected: Vec::new(),
    };
    let made = combine(&pieces, transformed(524), 1).unwrap();
    assert_eq!(made[0].sources.len(), 2000);
    let crash = combine(&pieces, transformed(525), 1).err().unwrap();
    assert!(
        matches!(crash, ExportFailure::TransformCrashed(_)),
        "{crash}"
    );
}
