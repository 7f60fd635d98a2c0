//! The checks of producers: commands that make messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::{ProducerEnd, ProducerSettings, RuntimeError, StdoutTo, StreamPattern};
use tokio::sync::watch;

use crate::journal::{Event, Finding, Journal, fails, holds, not_applicable};
use crate::stage::Stage;
use crate::words::{count, quoted, time};

/// The longest line of the standard output, in bytes: what a host takes unless it is told otherwise.
const LONGEST_LINE: usize = 1 << 20;
/// The stream that takes the lines of the standard output.
const LINES: &str = "standard output";
/// How long a producer may take to end after it was asked to: what a host gives it.
const GRACE: Duration = Duration::from_secs(10);

/// How a run went.
struct Run {
    /// The end, if it came before the producer was asked.
    early: Option<Result<ProducerEnd, RuntimeError>>,
    ran_for: Duration,
    /// The end after it was asked, and how long that took; none if it did not end in time.
    late: Option<(Result<ProducerEnd, RuntimeError>, Duration)>,
}

/// Runs the producer once and looks at what it did.
pub(crate) async fn run(stage: &Stage, journal: &mut Journal<'_>) {
    let observer = journal.observer();
    let observed = async {
        let run = observe(stage, observer).await;
        start(&run).map(|(sentence, ())| (sentence, run))
    };
    let Some(run) = journal.check("start", observed).await else {
        journal.leave_out(&["messages", "end"], "It did not run.");
        return;
    };
    journal
        .check("messages", async { messages(stage, &run) })
        .await;
    journal.check("end", async { end(&run) }).await;
}

async fn observe(stage: &Stage, observer: &dyn Fn(Event<'_>)) -> Run {
    let component = &stage.component;
    let mut args = vec![component.name().to_owned()];
    args.extend(stage.options.args.iter().cloned());
    let mut grants = stage.grants();
    grants.append.push(StreamPattern::new("*"));
    grants.read.push(StreamPattern::new("*"));
    let settings = ProducerSettings {
        label: format!("{} (kit)", component.name()),
        args,
        env: Vec::new(),
        grants,
        limits: stage.options.limits,
        streams: Arc::clone(&stage.streams) as _,
        stdout: StdoutTo::Stream(LINES.into()),
        longest_line: LONGEST_LINE,
        stop_timeout: GRACE,
    };
    let (stop, stopped) = watch::channel(false);
    let started = Instant::now();
    let running = component.run(settings, stopped);
    tokio::pin!(running);
    let until = tokio::time::sleep(stage.options.run_for);
    tokio::pin!(until);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let early = loop {
        tokio::select! {
            end = &mut running => break Some(end),
            () = &mut until => break None,
            _ = second.tick() => {
                let appended: u64 = stage.streams.names().iter().map(|name| stage.streams.appended(name)).sum();
                observer(Event::Progress(&count(appended, "message")));
            }
        }
    };
    let ran_for = started.elapsed();
    let late = match early {
        Some(_) => None,
        None => {
            let asked = Instant::now();
            stop.send_replace(true);
            let end = tokio::time::timeout(2 * GRACE, running).await;
            end.ok().map(|end| (end, asked.elapsed()))
        }
    };
    Run {
        early,
        ran_for,
        late,
    }
}

fn start(run: &Run) -> Finding {
    let after = time(run.ran_for);
    match &run.early {
        None => holds(format!("It runs; after {after} it is asked to end.")),
        Some(Ok(ProducerEnd::Finished | ProducerEnd::Ended)) => {
            holds(format!("It ran, and ended well by itself after {after}."))
        }
        Some(Ok(ProducerEnd::Failed { code })) => fails(format!(
            "It ended by itself after {after} with the exit code {code}. Its lines on standard error \
             are shown with --log-level info; arguments are given behind `--`."
        )),
        Some(Err(error)) => fails(error.to_string()),
    }
}

fn messages(stage: &Stage, run: &Run) -> Finding {
    let names = stage.streams.names();
    let counted = names.iter().map(|name| {
        let number = stage.streams.appended(name);
        let last = stage.streams.last(name);
        let last = last.map_or_else(String::new, |last| {
            format!(", the last {}", quoted(&String::from_utf8_lossy(&last)))
        });
        match name.as_str() {
            LINES => format!("{} on its standard output{last}", count(number, "line")),
            name => format!("{} to the stream `{name}`{last}", count(number, "message")),
        }
    });
    let counted: Vec<_> = counted.collect();
    if counted.is_empty() {
        return fails(format!(
            "In {} it wrote no line and appended nothing. Give it what it needs as arguments behind `--`, \
             or more time with --run-for.",
            time(run.ran_for)
        ));
    }
    holds(format!("In {}: {}.", time(run.ran_for), counted.join("; ")))
}

fn end(run: &Run) -> Finding {
    match &run.late {
        _ if run.early.is_some() => not_applicable("It ended before it was asked to."),
        Some((Ok(ProducerEnd::Finished), took)) => holds(format!(
            "Asked to end, it ended well within {}.",
            time(*took)
        )),
        Some((Ok(ProducerEnd::Failed { code }), took)) => fails(format!(
            "Asked to end, it ended after {} with the exit code {code}, which a host takes for a failure. \
             When `append` answers `unavailable`, end with success.",
            time(*took)
        )),
        Some((Err(error), _)) => fails(format!("Asked to end, it failed: {error}")),
        Some((Ok(ProducerEnd::Ended), took)) if *took < GRACE => not_applicable(
            "It imports neither `stop` nor `streams`, so it cannot learn that the host shuts down and is cut \
             off.",
        ),
        Some((Ok(ProducerEnd::Ended), _)) | None => fails(format!(
            "It did not end within {} after it was asked to, and was cut off. Wait with `stop`, or look at \
             the result of each `append`: a host that shuts down answers `unavailable`.",
            time(GRACE)
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::testing::{Loaded, failed, producer};

    #[tokio::test]
    async fn the_lines_of_a_producer_are_counted_until_it_ends() {
        let report = Loaded::new(producer("")).await.report().await;
        assert!(report.holds(), "{report:?}");
        let messages = &report.checks[1];
        assert!(
            messages.sentence.contains("lines on its standard output"),
            "{messages:?}"
        );
        assert_eq!(report.checks[2].verdict, Verdict::NotApplicable);
    }

    #[tokio::test]
    async fn a_producer_that_crashes_does_not_start() {
        let report = Loaded::new(producer("(unreachable)")).await.report().await;
        assert!(
            matches!(failed(&report).as_slice(), [("start", says)] if says.contains("unreachable"))
        );
    }
}
