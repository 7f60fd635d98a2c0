//! Messages that are not exported, told to those plugins that want to know (`wit/canceling.wit`).
//!
//! What such a plugin has begun, only it can clean up, and only it knows who waits for the outcome. It
//! gets to know when retention takes a message before its turn, also in the middle of its work, and when
//! stream or export are deleted: then it is opened once more for that. Nothing here holds anything up
//! for long, and nothing that goes wrong keeps a message or a stream from going.

use std::time::Duration;

use millstream_runtime::{CancelReason, Canceled};
use millstream_streams::{Error, Message, ReadOptions, SequenceNumber, Store, StreamInfo};

use super::destination::Destination;
use super::pipeline::Shared;
use super::{ExportSettings, memory};

/// Messages that are told of at a time (`wit/canceling.wit`).
const PAGE: usize = 200;
/// Bytes of messages that are read at a time.
const PAGE_BYTES: u64 = 1 << 20;
/// Messages that are told of in all (`wit/canceling.wit`).
const MOST: u64 = 10_000;
/// The time for all exports of a stream that goes: a client waits for the answer.
const TIME: Duration = Duration::from_secs(20);

/// Tells the plugins of the chosen exports, as they were, of every message that they have not settled.
/// What cannot be told is logged.
pub(super) async fn tell_of_deletion(
    shared: &Shared,
    info: &StreamInfo,
    chosen: impl Fn(&str) -> bool,
    reason: CancelReason,
) {
    let stream = info.definition.name.as_str();
    let all = async {
        for (export, (identifier, cursor)) in info.definition.exports.iter().zip(&info.cursors) {
            let settings = ExportSettings::from_stored(&export.settings);
            let (true, Some(settings)) = (chosen(identifier), settings) else {
                continue;
            };
            if cursor.next >= info.position.tail {
                continue;
            }
            let work = cursor.work.as_deref();
            let remembered = work.and_then(|text| memory::read(&settings.plugin, text));
            let told = async {
                if !shared.destinations.cancels(&settings.plugin).await? {
                    return Ok(());
                }
                let opened = shared
                    .destinations
                    .open(stream, identifier, &settings, remembered);
                let mut destination = opened.await?.destination;
                tell_rest(
                    &shared.store,
                    destination.as_mut(),
                    stream,
                    cursor.next,
                    reason,
                )
                .await
            };
            if let Err(error) = told.await {
                tracing::warn!(
                    stream,
                    export = identifier,
                    plugin = settings.plugin,
                    error,
                    "the plugin was not told of messages that will not be exported"
                );
            }
        }
    };
    if tokio::time::timeout(TIME, all).await.is_err() {
        tracing::warn!(
            stream,
            "the plugins were not told of all messages that will not be exported: it took too long"
        );
    }
}

/// Tells of every message from `first` to the end of the stream.
async fn tell_rest(
    store: &Store,
    destination: &mut dyn Destination,
    stream: &str,
    first: SequenceNumber,
    reason: CancelReason,
) -> Result<(), String> {
    let mut next = first;
    let mut told = 0;
    while told < MOST {
        let page = ReadOptions {
            start: next,
            min: 1,
            max: PAGE as u64,
            max_bytes: PAGE_BYTES,
            wait: Duration::ZERO,
        };
        let messages: Vec<Message> = match store.read(stream, page).await {
            Ok(messages) => messages,
            Err(Error::NotEnoughMessages | Error::BeyondEnd) => break,
            // Messages that cannot be read are lost, and counted as such elsewhere.
            Err(Error::Damaged { last, .. }) => {
                next = last + 1;
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let Some(last) = messages.last() else { break };
        next = last.sequence_number + 1;
        told += messages.len() as u64;
        let canceled: Vec<Canceled> = messages
            .into_iter()
            .map(|message| Canceled {
                sequence_number: message.sequence_number.get(),
                payload: Some(message.payload),
            })
            .collect();
        destination.cancel(&canceled, reason).await?;
    }
    Ok(())
}

/// Tells of messages that retention took: those that the plugin had in hand, and the numbers of those
/// that it never saw.
pub(super) async fn tell_of_expiry(
    destination: &mut dyn Destination,
    stream: &str,
    export: &str,
    in_hand: Vec<Canceled>,
    unseen: std::ops::Range<u64>,
) {
    let gone = |sequence_number| Canceled {
        sequence_number,
        payload: None,
    };
    let unseen = unseen.start..unseen.end.min(unseen.start.saturating_add(MOST));
    let mut all = in_hand.into_iter().chain(unseen.map(gone)).peekable();
    while all.peek().is_some() {
        let page: Vec<Canceled> = all.by_ref().take(PAGE).collect();
        if let Err(error) = destination.cancel(&page, CancelReason::Expired).await {
            tracing::warn!(
                stream,
                export,
                error,
                "the plugin was not told of messages that retention took"
            );
            return;
        }
    }
}
