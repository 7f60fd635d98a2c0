//! What most producers need: a `main` with [`Arguments`], and [`append`], which waits while a stream is
//! full.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::time::Duration;
//! use millstream_plugin::{producer, stop};
//! use millstream_plugin::producer::{Arguments, End};
//!
//! fn main() -> ExitCode {
//!     producer::main(&["--stream", "--interval"], run)
//! }
//!
//! fn run(arguments: &Arguments) -> Result<(), End> {
//!     let stream = arguments.required("--stream")?;
//!     let interval = arguments.time("--interval", Duration::from_secs(1))?;
//!     loop {
//!         producer::append(stream, &[b"tick".to_vec()])?;
//!         producer::pause(interval)?;
//!     }
//! }
//! ```

mod arguments;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

pub use arguments::Arguments;

use crate::streams::{self, StreamError};
use crate::{log, stop};

/// The first pause before a full stream is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a producer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The host wants it to.
    Stopped,
    /// It cannot work; a sentence for operators.
    Failed(String),
    /// Its arguments are wrong; a sentence for operators.
    Wrong(String),
}

/// Runs a producer that knows these arguments, each of which has a value behind it. Sentences go to the
/// standard error, which is the host's log.
pub fn main(known: &[&str], run: impl FnOnce(&Arguments) -> Result<(), End>) -> ExitCode {
    let arguments = Arguments::parse(known, std::env::args().skip(1));
    match arguments.and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Stopped) => {
            log::info("ending: the host stops");
            ExitCode::SUCCESS
        }
        Err(End::Failed(sentence)) => fail(1, &sentence),
        Err(End::Wrong(sentence)) => fail(2, &sentence),
    }
}

fn fail(code: u8, sentence: &str) -> ExitCode {
    // Where the standard error is closed nobody can be told.
    let _ = writeln!(std::io::stderr(), "{sentence}");
    ExitCode::from(code)
}

/// Waits, unless the host wants this producer to end.
///
/// # Errors
///
/// [`End::Stopped`].
pub fn pause(pause: Duration) -> Result<(), End> {
    match stop::wait(pause) {
        true => Err(End::Stopped),
        false => Ok(()),
    }
}

/// Appends messages in order. While the stream is full it is tried again with growing pauses, for as long as
/// it takes. A message that the stream can never take is left out with a warning.
///
/// # Errors
///
/// [`End::Stopped`] if the host wants this producer to end; what is not appended by then never is. Or
/// [`End::Failed`].
pub fn append(stream: &str, payloads: &[Vec<u8>]) -> Result<(), End> {
    let mut append = |payloads: &[Vec<u8>]| streams::append(stream, payloads);
    append_with(stream, payloads, &mut append, &mut pause)
}

fn append_with(
    stream: &str,
    payloads: &[Vec<u8>],
    append: &mut impl FnMut(&[Vec<u8>]) -> Result<u64, StreamError>,
    wait: &mut impl FnMut(Duration) -> Result<(), End>,
) -> Result<(), End> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match append(payloads) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let reason = format!("Stream `{stream}`: {}", streams::explain(&error));
        match error {
            StreamError::Full | StreamError::Unavailable(_) => {}
            // One message of several can be at fault: find it.
            StreamError::Invalid(_) if payloads.len() > 1 => {
                return payloads
                    .chunks(1)
                    .try_for_each(|one| append_with(stream, one, append, wait));
            }
            StreamError::Invalid(_) => {
                log::warn(&format!("{reason} The message is left out."));
                return Ok(());
            }
            _ => return Err(End::Failed(reason)),
        }
        // A host that stops answers `unavailable` too: then there is nothing to complain of.
        wait(pause)?;
        if pause == FIRST_PAUSE {
            log::warn(&format!(
                "{reason} Trying again until it takes the messages."
            ));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(answers: &[Result<u64, StreamError>]) -> (Result<(), End>, Vec<u128>) {
        let mut answers = answers.iter().cloned();
        let mut pauses = Vec::new();
        let end = append_with(
            "s",
            &[b"x".to_vec()],
            &mut |_| answers.next().unwrap_or(Ok(0)),
            &mut |pause| {
                pauses.push(pause.as_millis());
                match pauses.len() < 9 {
                    true => Ok(()),
                    false => Err(End::Stopped),
                }
            },
        );
        (end, pauses)
    }

    #[test]
    fn a_full_stream_is_tried_again_with_growing_pauses() {
        let full = || Err(StreamError::Full);
        let (end, pauses) = run(&[full(), full(), full(), Ok(7)]);
        assert_eq!((end, pauses), (Ok(()), vec![100, 200, 400]));
        let (end, pauses) = run(&std::array::from_fn::<_, 100, _>(|_| full()));
        assert_eq!(end, Err(End::Stopped));
        assert_eq!(pauses[5..], [3200, 5000, 5000, 5000]);
    }

    #[test]
    fn what_no_time_mends_ends_it_with_a_sentence() {
        let (end, pauses) = run(&[Err(StreamError::NotFound)]);
        let Err(End::Failed(sentence)) = end else {
            panic!("{end:?}")
        };
        assert_eq!(sentence, "Stream `s`: There is no stream of this name.");
        assert!(pauses.is_empty());
    }

    #[test]
    fn a_message_that_can_never_fit_costs_only_itself() {
        let mut appended = Vec::new();
        let payloads = ["one", "far too large", "two"].map(|text| text.as_bytes().to_vec());
        let end = append_with(
            "s",
            &payloads,
            &mut |payloads| {
                if payloads.iter().any(|payload| payload.len() > 3) {
                    return Err(StreamError::Invalid("too large".to_owned()));
                }
                appended.extend_from_slice(payloads);
                Ok(0)
            },
            &mut |_| Ok(()),
        );
        assert_eq!(end, Ok(()));
        assert_eq!(appended, [b"one", b"two"]);
    }
}
