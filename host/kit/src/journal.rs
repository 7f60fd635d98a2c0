//! Writes down what the checks find.

use std::future::Future;
use std::time::{Duration, Instant};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The component does what the contract says.
    Holds,
    /// It does not.
    DoesNotHold,
    /// The check has no meaning for this component, or not before another one holds.
    NotApplicable,
}

/// One check, done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, the same for all components, such as `one-message`.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen, in a sentence; where it does not hold, with what the author can do.
    pub sentence: String,
    /// How long it took.
    pub took: Duration,
}

/// What happens while a component is tried out.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A check of this name begins.
    Begins(&'a str),
    /// It goes on, and is this far.
    Progress(&'a str),
    /// It is done.
    Done(&'a Check),
}

/// All checks, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What each found.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == verdict).count()
    }

    /// Whether nothing was found that does not hold.
    pub fn holds(&self) -> bool {
        self.count(Verdict::DoesNotHold) == 0
    }
}

/// Why a check does not hold; the text says so in a sentence.
#[derive(Debug)]
pub(crate) enum Otherwise {
    DoesNotHold(String),
    NotApplicable(String),
}

/// What a check found: what holds and what follows from it, or why it does not.
pub(crate) type Finding<T = ()> = Result<(String, T), Otherwise>;

/// The check holds, and nothing further follows from it.
pub(crate) fn holds(sentence: impl Into<String>) -> Finding {
    Ok((sentence.into(), ()))
}

/// The check does not hold.
pub(crate) fn fails<T>(sentence: impl Into<String>) -> Finding<T> {
    Err(Otherwise::DoesNotHold(sentence.into()))
}

/// The check has no meaning here.
pub(crate) fn not_applicable<T>(sentence: impl Into<String>) -> Finding<T> {
    Err(Otherwise::NotApplicable(sentence.into()))
}

/// The checks so far.
pub(crate) struct Journal<'a> {
    observer: &'a dyn Fn(Event<'_>),
    checks: Vec<Check>,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(observer: &'a dyn Fn(Event<'_>)) -> Self {
        let checks = Vec::new();
        Self { observer, checks }
    }

    /// Whoever wants to know how far a check is.
    pub(crate) fn observer(&self) -> &'a dyn Fn(Event<'_>) {
        self.observer
    }

    /// Does a check and writes down what it found. Returns what follows from it, if it holds.
    pub(crate) async fn check<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Finding<T>>,
    ) -> Option<T> {
        (self.observer)(Event::Begins(name));
        let started = Instant::now();
        let (verdict, sentence, value) = match work.await {
            Ok((sentence, value)) => (Verdict::Holds, sentence, Some(value)),
            Err(Otherwise::DoesNotHold(sentence)) => (Verdict::DoesNotHold, sentence, None),
            Err(Otherwise::NotApplicable(sentence)) => (Verdict::NotApplicable, sentence, None),
        };
        self.write(name, verdict, sentence, started.elapsed());
        value
    }

    /// Writes down that checks were left out, and why.
    pub(crate) fn leave_out(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            self.write(name, Verdict::NotApplicable, why.into(), Duration::ZERO);
        }
    }

    fn write(&mut self, name: &'static str, verdict: Verdict, sentence: String, took: Duration) {
        let check = Check {
            name,
            verdict,
            sentence,
            took,
        };
        (self.observer)(Event::Done(&check));
        self.checks.push(check);
    }

    pub(crate) fn into_report(self) -> Report {
        Report {
            checks: self.checks,
        }
    }
}
