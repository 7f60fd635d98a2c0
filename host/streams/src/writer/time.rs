//! The writer and the clock.

use super::group::Group;
use super::{Writer, disk_id};
use crate::engine::Commit;
use crate::error::Error;
use crate::keys;

impl Writer {
    /// An empty group for what comes now, after the times of what is stored have followed the clock.
    pub(super) fn begin(&mut self) -> Group {
        let (now, step) = self.steps.look(&*self.clock);
        let group = Group::new(now);
        let Some(step) = step else {
            return group;
        };
        tracing::info!(
            seconds = step / 1000,
            "the clock was corrected; ages of messages stay as they are"
        );
        for open in self.streams.values_mut() {
            open.ledger.follow_clock(step, now);
        }
        if let Err(error) = self.usable().and_then(|()| self.store_times()) {
            self.fail(error);
        }
        group
    }

    /// Brings the times of all segments to the disk: chunks keep those of the clock as it was. The
    /// segment that still grows gets a record too, which says less than there is from the next chunk
    /// on; opening then looks at what is behind it.
    fn store_times(&self) -> Result<(), Error> {
        for open in self.streams.values() {
            let Some(id) = disk_id(open) else {
                continue;
            };
            let records = open.ledger.segments().map(|segment| {
                let record = keys::encode_segment(segment);
                (keys::segment(id, segment.base), Some(record))
            });
            self.engine.commit(Commit {
                meta: records.collect(),
                ..Commit::default()
            })?;
        }
        Ok(())
    }
}
