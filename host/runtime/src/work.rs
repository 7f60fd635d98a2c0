//! What an exporter remembers from call to call, and what it says of work in progress (`wit/work.wit`).

use std::sync::Arc;

use crate::contract::millstream::plugin::work;
use crate::guest::MAX_TEXT;
use crate::log::clean;

/// The most bytes that one export may remember (`wit/work.wit`).
const MAX_REMEMBERED: u32 = 16 << 10;

/// What an export remembers; none if nothing.
pub(crate) type Remembered = Option<Arc<[u8]>>;

/// The work of one call.
#[derive(Debug, Default)]
pub(crate) struct Work {
    remembered: Remembered,
    in_progress: Option<String>,
}

impl Work {
    /// A call begins, with what earlier ones have left.
    pub(crate) fn begin(&mut self, remembered: Remembered) {
        *self = Self {
            remembered,
            in_progress: None,
        };
    }

    /// What the call leaves to those that follow.
    pub(crate) fn remembered(&self) -> Remembered {
        self.remembered.clone()
    }

    /// What the call has said of its progress.
    pub(crate) fn take_progress(&mut self) -> Option<String> {
        self.in_progress.take()
    }
}

impl work::Host for Work {
    fn recall(&mut self) -> Option<Vec<u8>> {
        self.remembered.as_ref().map(|bytes| bytes.to_vec())
    }

    fn remember(&mut self, bytes: Option<Vec<u8>>) -> Result<(), work::WorkError> {
        if bytes
            .as_ref()
            .is_some_and(|it| it.len() as u64 > MAX_REMEMBERED.into())
        {
            return Err(work::WorkError::TooLarge(MAX_REMEMBERED));
        }
        self.remembered = bytes.map(Arc::from);
        Ok(())
    }

    fn in_progress(&mut self, text: String) {
        self.in_progress = Some(clean(&text, MAX_TEXT));
    }
}

#[cfg(test)]
mod tests {
    use super::work::Host;
    use super::*;

    #[test]
    fn what_is_remembered_is_there_until_it_is_forgotten_and_has_a_bound() {
        let mut work = Work::default();
        assert_eq!(work.recall(), None);
        work.remember(Some(vec![1, 2])).unwrap();
        assert_eq!(work.recall(), Some(vec![1, 2]));
        let most = vec![7; MAX_REMEMBERED as usize];
        work.remember(Some(most.clone())).unwrap();
        assert!(
            work.remember(Some(vec![0; MAX_REMEMBERED as usize + 1]))
                .is_err()
        );
        assert_eq!(work.recall(), Some(most));
        work.remember(None).unwrap();
        assert_eq!(work.remembered(), None);
    }

    #[test]
    fn progress_is_of_one_call_and_fits_a_line() {
        let mut work = Work::default();
        work.in_progress("a\nb".into());
        work.remember(Some(vec![1])).unwrap();
        let said = work.take_progress().unwrap();
        assert!(!said.contains('\n'), "{said}");
        let remembered = work.remembered();
        work.begin(remembered);
        assert_eq!(work.take_progress(), None);
        assert_eq!(work.recall(), Some(vec![1]));
    }
}
