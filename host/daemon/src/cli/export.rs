//! `millstream export`

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::status::print_export;
use super::{Failed, output};
use crate::config::Config;
use crate::exports::dead_letters::{DeadLetter, Payload};
use crate::exports::requeue::{Order, Report, Which};
use crate::http::exports::{DEAD_LETTERS, Found, Look, REQUEUE};
use crate::http::socket;

/// Exports of a running host, and the messages they rejected.
///
/// A message that its destination can never take is rejected. An export with a dead-letter stream
/// (`dead-letters` in the configuration) keeps it there, with the reason. When the destination is
/// mended, `requeue` sends chosen ones again.
///
/// These commands speak with the host on the data folder of the configuration; only its own user can.
#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// All exports: what they have delivered, what waits, where rejected messages go, and why they
    /// fail if they do
    List {
        /// Print JSON, one line an export
        #[arg(long)]
        json: bool,
    },
    /// What an export has rejected, out of its dead-letter stream, oldest first
    #[command(after_help = AFTER_DEAD_LETTERS)]
    DeadLetters {
        #[command(flatten)]
        named: Named,
        /// Leave out messages with lower numbers
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
        /// The most letters
        #[arg(long, default_value_t = 100)]
        max: u64,
        /// Print JSON, one line a letter, with the whole payload
        #[arg(long)]
        json: bool,
    },
    /// Send chosen dead letters of an export again, to its destination and to no other
    #[command(after_help = AFTER_REQUEUE)]
    Requeue(Requeue),
}

const AFTER_DEAD_LETTERS: &str = "\
Numbers are those that the messages have in STREAM. After a crash of the host one may be
there twice.

  millstream export dead-letters telemetry to-server
  millstream export dead-letters telemetry to-server --json | jq -r .reason | sort | uniq -c";

const AFTER_REQUEUE: &str = "\
Numbers are those that the messages have in STREAM, as `millstream export dead-letters`
shows them. The destination gets each message as it was: with its number, its time and its
payload. Other exports of STREAM do not get it again, and meanwhile the export goes on with
what comes.

Each message is reported: delivered; rejected again (it stays where it is, and is not
written a second time); or not delivered, after four tries in vain, which ends the command.
Ctrl-C ends it behind the call that is under way.

Letters stay in the dead-letter stream until its retention takes them, and nothing notes
which were sent again: --all sends all of them each time. So choose by number; the last line
says with which --from the next time can begin.

  millstream export requeue telemetry to-server --all --dry-run
  millstream export requeue telemetry to-server --number 13 --number 17
  millstream export requeue telemetry to-server --from 1200 --to 1299

Exit codes: 0 all were delivered, 1 some were not, 4 no host answers.";

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The stream
    stream: String,
    /// The export's identifier
    export: String,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["all", "number", "from"]))]
pub(super) struct Requeue {
    #[command(flatten)]
    named: Named,
    /// Every letter of the export
    #[arg(long)]
    all: bool,
    /// The message with this number; may be given again and again
    #[arg(long, value_name = "NUMBER")]
    number: Vec<u64>,
    /// Messages with this number or a higher one
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// Messages with this number or a lower one
    #[arg(long, value_name = "NUMBER", requires = "from")]
    to: Option<u64>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, one line a message
    #[arg(long)]
    json: bool,
}

/// Characters that are shown of a payload.
const SHOWN: usize = 100;
/// Characters that are shown of a reason.
const REASON: usize = 1000;

impl ExportCommand {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::List { json } => list(*json, config).await,
            Self::DeadLetters {
                named,
                from,
                max,
                json,
            } => {
                let look = Look {
                    stream: named.stream.clone(),
                    export: named.export.clone(),
                    from: *from,
                    max: *max,
                };
                dead_letters(&look, *json, config).await
            }
            Self::Requeue(requeue) => requeue.run(config).await,
        }
    }
}

async fn list(as_json: bool, config: &Config) -> Result<(), Failed> {
    let status = socket::ask(&config.path(&config.storage.folder)).await?;
    for stream in &status.streams {
        for export in &stream.exports {
            if as_json {
                let mut line = serde_json::to_value(export).unwrap_or_default();
                line["stream"] = json!(stream.name);
                output::json(&line);
            } else {
                print_export(&stream.name, export);
            }
        }
    }
    Ok(())
}

async fn dead_letters(look: &Look, as_json: bool, config: &Config) -> Result<(), Failed> {
    let mut failed = None;
    let data = config.path(&config.storage.folder);
    socket::order(&data, DEAD_LETTERS, look, |found| match found {
        Found::Letter(letter) if as_json => {
            output::json(&serde_json::to_value(&letter).unwrap_or_default());
        }
        Found::Letter(letter) => print_letter(&letter),
        Found::Failed { error } => failed = Some(error),
    })
    .await?;
    match failed {
        None => Ok(()),
        Some(error) => Err(Failed::Other(format!("there may be more letters: {error}"))),
    }
}

fn print_letter(letter: &DeadLetter) {
    let envelope = &letter.envelope;
    output::line(format!(
        "message {}, rejected {}, dead letter {}",
        envelope.sequence_number,
        output::moment(envelope.rejected_at),
        letter.dead_letter
    ));
    output::line(format!(
        "    {}",
        output::beginning(&envelope.reason, REASON)
    ));
    output::line(match envelope.payload() {
        Some(Payload::Whole(payload)) => format!(
            "    {}: {}",
            output::size(payload.len() as u64),
            output::beginning(&String::from_utf8_lossy(&payload), SHOWN)
        ),
        Some(Payload::LeftOut(size)) => {
            format!(
                "    {}, too large for the dead-letter stream",
                output::size(size)
            )
        }
        None => "    the payload is damaged".to_owned(),
    });
}

impl Requeue {
    async fn run(&self, config: &Config) -> Result<(), Failed> {
        let which = if let Some(from) = self.from {
            Which::Range { from, to: self.to }
        } else if self.all {
            Which::All
        } else {
            Which::Numbers(self.number.iter().copied().collect())
        };
        let order = Order {
            stream: self.named.stream.clone(),
            export: self.named.export.clone(),
            which,
            dry_run: self.dry_run,
        };
        let mut last = None;
        let data = config.path(&config.storage.folder);
        let answered = socket::order(&data, REQUEUE, &order, |report: Report| {
            if self.json {
                output::json(&serde_json::to_value(&report).unwrap_or(Value::Null));
            } else {
                self.print(&report);
            }
            last = Some(report);
        });
        answered.await?;
        match last {
            Some(Report::Done {
                rejected: 0,
                not_delivered: 0,
                missing,
                given_up: None,
                ..
            }) if missing.is_empty() => Ok(()),
            Some(Report::Done { .. }) => Err(Failed::Other("not everything was delivered".into())),
            _ => Err(Failed::NoHost(
                "the host ended before it was done; what it has not reported may have been delivered"
                    .into(),
            )),
        }
    }

    fn print(&self, report: &Report) {
        let text = |text: &str| output::beginning(text, REASON);
        match report {
            Report::Chosen { sequence_number } => {
                output::line(format!("{sequence_number}  would be sent"));
            }
            Report::Delivered { sequence_number } => {
                output::line(format!("{sequence_number}  delivered"));
            }
            Report::Rejected {
                sequence_number,
                reason,
            } => output::line(format!(
                "{sequence_number}  rejected again: {}",
                text(reason)
            )),
            Report::NotDelivered {
                sequence_number,
                reason,
            } => output::line(format!(
                "{sequence_number}  not delivered: {}",
                text(reason)
            )),
            Report::Waiting {
                reason,
                pause_millis,
            } => {
                let pause = std::time::Duration::from_millis(*pause_millis);
                output::line(format!("waiting {pause:?}: {}", text(reason)));
            }
            Report::Done {
                chosen,
                delivered,
                rejected,
                not_delivered,
                missing,
                highest,
                given_up,
            } => {
                for number in missing {
                    output::line(format!("{number}  has no dead letter"));
                }
                if let Some(reason) = given_up {
                    output::line(format!("ended early: {}", text(reason)));
                }
                if self.dry_run {
                    output::line(format!("{chosen} would be sent"));
                } else {
                    output::line(format!(
                        "{delivered} delivered, {rejected} rejected again, {not_delivered} not \
                         delivered"
                    ));
                }
                let is_open_ended = self.all || (self.from.is_some() && self.to.is_none());
                if let (Some(highest), true) = (highest, is_open_ended && !self.dry_run) {
                    output::line(format!(
                        "for later ones only, say --from {} the next time",
                        highest.saturating_add(1)
                    ));
                }
            }
        }
    }
}
