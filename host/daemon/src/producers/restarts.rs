//! When a command that has ended is started again.

use std::time::Duration;

use crate::config::Restart;
use crate::exports::Backoff;

/// A command that ran this long was well: pauses and the limit begin anew.
const WELL_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The rules, and how often they were used in a row.
#[derive(Debug)]
pub(super) struct Restarts {
    rule: Restart,
    /// None if there is none.
    limit: Option<u32>,
    backoff: Backoff,
    in_a_row: u32,
}

/// What becomes of a command that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is started again after this pause.
    Again(Duration),
    /// It is not to be started again.
    Rest,
    /// It was started again as often as the limit allows.
    GiveUp,
}

impl Restarts {
    pub(super) fn new(rule: Restart, limit: Option<u32>) -> Self {
        Self {
            rule,
            limit,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            in_a_row: 0,
        }
    }

    /// Decides about a command that failed or not after it ran for a time.
    pub(super) fn after(&mut self, failed: bool, ran: Duration) -> Next {
        let again = match self.rule {
            Restart::Always => true,
            Restart::OnFailure => failed,
            Restart::Never => false,
        };
        if !again {
            return Next::Rest;
        }
        if ran >= WELL_AFTER {
            self.backoff.reset();
            self.in_a_row = 0;
        }
        if self.limit.is_some_and(|limit| self.in_a_row >= limit) {
            return Next::GiveUp;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        Next::Again(self.backoff.pause(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn pauses(restarts: &mut Restarts, count: usize) -> Vec<Duration> {
        let pause = |_| match restarts.after(true, SHORT) {
            Next::Again(pause) => pause,
            other => panic!("{other:?}"),
        };
        (0..count).map(pause).collect()
    }

    #[test]
    fn each_rule_starts_again_what_it_says() {
        for (rule, after_success, after_failure) in [
            (Restart::Always, true, true),
            (Restart::OnFailure, false, true),
            (Restart::Never, false, false),
        ] {
            for (failed, again) in [(false, after_success), (true, after_failure)] {
                let next = Restarts::new(rule, None).after(failed, SHORT);
                assert_eq!(matches!(next, Next::Again(_)), again, "{rule:?} {failed}");
                assert!(again || next == Next::Rest);
            }
        }
    }

    #[test]
    fn pauses_grow_to_five_minutes_and_do_not_end() {
        let pauses = pauses(&mut Restarts::new(Restart::OnFailure, None), 100);
        assert!(pauses[0] <= FIRST_PAUSE);
        assert!(pauses[..9].is_sorted(), "{pauses:?}");
        assert!(pauses[9..].iter().all(|pause| *pause * 2 >= LONGEST_PAUSE));
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
    }

    #[test]
    fn the_limit_counts_starts_in_a_row_and_a_good_run_begins_anew() {
        let mut restarts = Restarts::new(Restart::Always, Some(2));
        pauses(&mut restarts, 2);
        assert_eq!(restarts.after(true, SHORT), Next::GiveUp);
        assert!(matches!(
            restarts.after(true, WELL_AFTER),
            Next::Again(pause) if pause <= FIRST_PAUSE
        ));
        pauses(&mut restarts, 1);
        assert_eq!(restarts.after(false, SHORT), Next::GiveUp);
        let mut never = Restarts::new(Restart::OnFailure, Some(0));
        assert_eq!(never.after(true, SHORT), Next::GiveUp);
    }
}
