//! A producer that subscribes to topics of an MQTT broker, and appends each message. See `README.md`.

mod session;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use millstream_plugin::log;
use millstream_plugin::producer::{self, Arguments, End};
use millstream_plugin::tcp::Server;

use session::{Over, Session};

const KNOWN: [&str; 8] = [
    "--stream",
    "--broker",
    "--topic",
    "--client-id",
    "--user",
    "--password",
    "--keep-alive",
    "--form",
];
/// The first pause before a lost connection is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// A session that lasted this long was well, and pauses begin anew.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What is appended of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Payload,
    Json,
}

#[derive(Debug)]
struct Options {
    stream: String,
    broker: Server,
    topics: Vec<String>,
    client_id: String,
    user: Option<String>,
    /// The name of a secret.
    password: Option<String>,
    /// In seconds.
    keep_alive: u16,
    form: Form,
}

fn main() -> ExitCode {
    producer::main(&KNOWN, |arguments| {
        let options = Options::of(arguments)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let over = match Session::open(&options) {
                Ok(session) => session.run(),
                Err(over) => over,
            };
            match over {
                Over::End(end) => return Err(end),
                Over::Lost(reason) => log::warn(&reason),
            }
            if began.elapsed() >= WELL_AFTER {
                pause = FIRST_PAUSE;
            }
            producer::pause(pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    })
}

impl Options {
    fn of(arguments: &Arguments) -> Result<Self, End> {
        let wrong = |reason| End::Wrong(format!("`--broker`: {reason}."));
        let broker = arguments.required("--broker")?;
        let schemes = [("mqtt", false, 1883), ("mqtts", true, 8883)];
        let keep_alive = arguments.number("--keep-alive", 60, 5..=3600)?;
        let topics: Vec<_> = arguments.all("--topic").map(str::to_owned).collect();
        if topics.is_empty() {
            return Err(End::Wrong(
                "`--topic` is missing; give one or more.".to_owned(),
            ));
        }
        Ok(Self {
            stream: arguments.required("--stream")?.to_owned(),
            broker: Server::parse(broker, &schemes).map_err(wrong)?,
            topics,
            client_id: arguments.required("--client-id")?.to_owned(),
            user: arguments.text("--user")?.map(str::to_owned),
            password: arguments.text("--password")?.map(str::to_owned),
            keep_alive: u16::try_from(keep_alive).unwrap_or(u16::MAX),
            form: match arguments.text("--form")?.unwrap_or("payload") {
                "payload" => Form::Payload,
                "json" => Form::Json,
                other => {
                    let sentence = format!("`--form {other}` is neither `payload` nor `json`.");
                    return Err(End::Wrong(sentence));
                }
            },
        })
    }
}
