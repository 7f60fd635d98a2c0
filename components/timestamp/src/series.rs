//! The series of messages: when each is due, and what becomes of it.

use std::time::Duration;

use millstream_plugin::streams::{self, StreamError};

use crate::clock::Clock;
use crate::options::Options;

/// How many messages that are due together go into one append.
const MAX_BATCH: u64 = 1000;
/// A series that is further behind, after a full stream or a suspended machine, does not catch up.
const MAX_BEHIND: Duration = Duration::from_secs(1);
/// The first pause before a full stream is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the series ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// As many messages were appended as were asked for.
    Complete,
    /// The host takes no more, which is how it tells a producer that it shuts down.
    HostStops(String),
    /// The stream cannot be appended to.
    Failed(String),
}

/// Messages at a fixed interval.
#[derive(Debug)]
pub(crate) struct Series {
    interval: Duration,
    /// How many there will be.
    count: u64,
    /// The number of the next one.
    next: u64,
}

impl Series {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            interval: options.interval,
            count: options.count.unwrap_or(u64::MAX),
            next: 0,
        }
    }

    /// Appends messages until the end.
    pub(crate) fn run(
        mut self,
        mut append: impl FnMut(&[Vec<u8>]) -> Result<u64, StreamError>,
        clock: &mut impl Clock,
    ) -> End {
        let mut due = clock.elapsed();
        while self.next < self.count {
            let now = clock.elapsed();
            if now < due {
                if clock.sleep(due - now) {
                    return End::HostStops("the host stops".to_owned());
                }
                continue;
            }
            if now - due > MAX_BEHIND {
                due = now;
            }
            let mut batch = Vec::new();
            while due <= now && self.next < self.count && (batch.len() as u64) < MAX_BATCH {
                batch.push(format!(r#"{{"n":{},"time":"{:.3}"}}"#, self.next, clock.time()).into());
                self.next += 1;
                due = due.saturating_add(self.interval);
            }
            if let Err(end) = append_when_free(&batch, &mut append, clock) {
                return end;
            }
        }
        End::Complete
    }
}

/// Appends a batch; waits while the stream is full.
fn append_when_free(
    batch: &[Vec<u8>],
    append: &mut impl FnMut(&[Vec<u8>]) -> Result<u64, StreamError>,
    clock: &mut impl Clock,
) -> Result<(), End> {
    let mut pause = FIRST_PAUSE;
    loop {
        match append(batch) {
            Ok(_) => return Ok(()),
            Err(StreamError::Full) => {
                if clock.sleep(pause) {
                    return Err(End::HostStops("the host stops".to_owned()));
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(StreamError::Unavailable(reason)) => return Err(End::HostStops(reason)),
            Err(error) => return Err(End::Failed(streams::explain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// A clock on which time passes by sleeping only.
    #[derive(Default)]
    struct Stopped(Duration);

    impl Clock for Stopped {
        fn time(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.0
        }

        fn elapsed(&self) -> Duration {
            self.0
        }

        fn sleep(&mut self, pause: Duration) -> bool {
            self.0 += pause;
            false
        }
    }

    fn series(interval: Duration, count: u64) -> Series {
        Series::new(&Options {
            stream: "s".to_owned(),
            interval,
            count: Some(count),
        })
    }

    #[test]
    fn messages_come_at_their_interval_and_carry_number_and_time() {
        let mut lines = Vec::new();
        let mut clock = Stopped::default();
        let end = series(Duration::from_millis(250), 3).run(
            |payloads| {
                lines.extend(
                    payloads
                        .iter()
                        .map(|line| String::from_utf8(line.clone()).unwrap()),
                );
                Ok(0)
            },
            &mut clock,
        );
        assert_eq!(end, End::Complete);
        assert_eq!(
            lines,
            [
                r#"{"n":0,"time":"1970-01-01T00:00:00.000Z"}"#,
                r#"{"n":1,"time":"1970-01-01T00:00:00.250Z"}"#,
                r#"{"n":2,"time":"1970-01-01T00:00:00.500Z"}"#,
            ]
        );
        assert_eq!(clock.0, Duration::from_millis(500));
    }

    #[test]
    fn a_full_stream_is_tried_again_with_the_same_messages_and_longer_pauses() {
        let mut tries = Vec::new();
        let mut clock = Stopped::default();
        let end = series(Duration::from_secs(1), 1).run(
            |payloads| {
                tries.push(payloads.to_vec());
                if tries.len() < 4 {
                    Err(StreamError::Full)
                } else {
                    Ok(0)
                }
            },
            &mut clock,
        );
        assert_eq!(end, End::Complete);
        assert!(tries.iter().all(|payloads| *payloads == tries[0]));
        assert_eq!(clock.0, Duration::from_millis(100 + 200 + 400));
    }

    #[test]
    fn a_series_far_behind_does_not_catch_up_and_leaves_no_number_out() {
        let mut numbers = Vec::new();
        let mut calls = 0;
        series(Duration::from_millis(10), 20).run(
            |payloads| {
                calls += 1;
                if (2..8).contains(&calls) {
                    return Err(StreamError::Full);
                }
                numbers.push(payloads.len());
                Ok(0)
            },
            &mut Stopped::default(),
        );
        assert_eq!(numbers, [1; 20]);
    }

    #[test]
    fn a_series_a_little_behind_catches_up_in_one_append() {
        let mut sizes = Vec::new();
        let mut full = true;
        series(Duration::from_millis(10), 20).run(
            |payloads| {
                if std::mem::take(&mut full) {
                    return Err(StreamError::Full);
                }
                sizes.push(payloads.len());
                Ok(0)
            },
            &mut Stopped::default(),
        );
        assert_eq!(sizes[..3], [1, 10, 1]);
    }

    #[test]
    fn a_host_that_shuts_down_ends_the_series_well() {
        let end = series(Duration::from_secs(1), 5).run(
            |_| Err(StreamError::Unavailable("shutting down".to_owned())),
            &mut Stopped::default(),
        );
        assert_eq!(end, End::HostStops("shutting down".to_owned()));
    }

    #[test]
    fn a_stream_that_is_not_there_is_a_failure() {
        for error in [StreamError::NotFound, StreamError::NotGranted] {
            let end = series(Duration::from_secs(1), 5)
                .run(|_| Err(error.clone()), &mut Stopped::default());
            assert!(matches!(end, End::Failed(_)));
        }
    }
}
