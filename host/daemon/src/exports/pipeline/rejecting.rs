//! What becomes of messages that can never be delivered.

use millstream_streams::Error;

use super::super::settle::Rejected;
use super::{Between, LOOK_AGAIN, Pipeline, Stopped};

impl Pipeline {
    /// The one place where a message is rejected, whoever rejects it. It comes just before the cursor
    /// passes the message: a dead letter is there before the export goes on without it, and a message
    /// that comes again after a restart, because one before it waits, leaves one letter all the same.
    ///
    /// Where the dead-letter stream takes nothing, the export waits for it, and shows why.
    pub(super) async fn reject_below(
        &mut self,
        lowest: u64,
        between: &mut Between,
    ) -> Result<(), Stopped> {
        let is_due = |rejected: &mut Rejected| rejected.number() < lowest;
        let mut due: Vec<_> = between.rejected.extract_if(.., is_due).collect();
        due.sort_by_key(Rejected::number);
        let (shown, mut backoff, mut has_waited) = (self.progress.shown(), self.backoff(), false);
        let (letters, mut written) = (self.letters.clone(), 0);
        while let (Some(letters), Some(rest @ [_, ..])) = (&letters, due.get(written..)) {
            let now = self.shared.time.now();
            match letters.append_some(rest, now).await {
                Ok(count) => {
                    self.progress.meter.dead_letters_written(count as u64);
                    written += count;
                }
                Err(Error::Closing) => return Err(Stopped),
                Err(error) => {
                    self.progress.fail(letters.refusal(&error), now);
                    has_waited = true;
                    between.slot = None;
                    self.pause(backoff.pause(None).min(LOOK_AGAIN)).await?;
                }
            }
        }
        if has_waited {
            self.progress.show_again(shown);
        }
        self.progress.note_rejected(&due);
        Ok(())
    }
}
