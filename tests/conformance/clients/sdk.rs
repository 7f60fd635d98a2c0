//! The official SDKs, each in a process of its own language.
//!
//! A driver (`tests/conformance/drivers`) reads one JSON object a line and writes one for each: it
//! connects, carries out calls, and disconnects. A process is used again and again, by one behaviour
//! at a time, and with a new connection for each; one that served a failed behaviour is not.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_protocol::ResponseStatusCode as Status;
use millstream_tests::{node, python_of, repository};
use serde_json::{Value, json};

use super::raw::to_base64;
use super::{Call, Checks, Client, Connecting, Kind, Outcome, Refusal};

/// A driver that says nothing for this long is stuck. The SDKs give up after 30 s.
const SILENCE: Duration = Duration::from_secs(45);

/// The driver processes of one SDK that nobody uses at the moment.
pub(crate) struct Drivers {
    kind: Kind,
    idle: Mutex<Vec<Driver>>,
}

/// An SDK that is connected.
pub(crate) struct Sdk {
    driver: Option<Driver>,
    home: Arc<Drivers>,
}

struct Driver {
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Drivers {
    pub(crate) fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            idle: Mutex::default(),
        })
    }

    /// Lets an SDK connect.
    ///
    /// # Errors
    ///
    /// What the SDK makes of a host that refuses.
    pub(crate) fn connect(self: &Arc<Self>, how: &Connecting) -> Result<Sdk, Refusal> {
        let idle = self.idle().pop();
        let mut sdk = Sdk {
            driver: Some(idle.unwrap_or_else(|| Driver::start(self.kind))),
            home: Arc::clone(self),
        };
        let connect = json!({
            "do": "connect",
            "port": how.port,
            "checks": how.checks == Checks::On,
            "token": how.token,
        });
        outcome(sdk.tell(&connect))?;
        Ok(sdk)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Driver>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sdk {
    fn tell(&mut self, command: &Value) -> Value {
        self.driver.as_mut().unwrap().tell(command)
    }
}

impl Client for Sdk {
    fn at_once(&mut self, calls: &[Call]) -> Vec<Outcome> {
        let calls: Vec<_> = calls.iter().map(command).collect();
        let answer = self.tell(&json!({ "do": "calls", "calls": calls }));
        let Value::Array(outcomes) = answer else {
            panic!("the driver says {answer}");
        };
        outcomes.into_iter().map(outcome).collect()
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        if let Some(mut driver) = self.driver.take()
            && !std::thread::panicking()
        {
            driver.tell(&json!({ "do": "close" }));
            self.home.idle().push(driver);
        }
    }
}

impl Driver {
    fn start(kind: Kind) -> Self {
        let scripts = repository().join("tests/conformance/drivers");
        let python = |environment: &str, module: &str| {
            let mut python = python_of(environment);
            python.arg(scripts.join("python_sdk.py")).arg(module);
            python
        };
        let mut command: Command = match kind {
            Kind::Python => python("venv", "stream_manager"),
            Kind::GreengrassPython => python("venv-greengrasssdk", "greengrasssdk.stream_manager"),
            Kind::Node => {
                let mut node = node();
                node.arg(scripts.join("node_sdk.js"));
                node
            }
            Kind::Raw => panic!("the raw client needs no driver"),
        };
        let mut process = command
            .env_remove("AWS_CONTAINER_AUTHORIZATION_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input: process.stdin.take().unwrap(),
            process,
            output,
        }
    }

    fn tell(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").expect("the driver has ended");
        self.input.flush().expect("the driver has ended");
        let line = self.output.recv_timeout(SILENCE);
        let line = line.expect("the driver answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A call as a driver takes it: the name of the method, and its arguments.
fn command(call: &Call) -> Value {
    match call {
        Call::Create(definition) => json!(["create", definition]),
        Call::Update(definition) => json!(["update", definition]),
        Call::Delete(name) => json!(["delete", name]),
        Call::List => json!(["list"]),
        Call::Describe(name) => json!(["describe", name]),
        Call::Append(name, payload) => json!(["append", name, to_base64(payload)]),
        Call::Read(name, options) => json!(["read", name, options]),
    }
}

fn outcome(mut answer: Value) -> Outcome {
    let Some(error) = answer.get("error") else {
        return Ok(answer["ok"].take());
    };
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let (class, message) = (text("class"), text("message"));
    Err(match status_of(&class) {
        Some(status) => Refusal::Host { status, message },
        None => Refusal::Client { class, message },
    })
}

/// The status that an exception stands for; all SDKs share the names (specification, 2.1).
fn status_of(class: &str) -> Option<Status> {
    Some(match class {
        "UnknownFailureException" => Status::UnknownFailure,
        "UnauthorizedException" => Status::Unauthorized,
        "InvalidRequestException" => Status::InvalidRequest,
        "RequestPayloadTooLargeException" => Status::RequestPayloadTooLarge,
        "ResourceNotFoundException" => Status::ResourceNotFound,
        "ServerTimeoutException" => Status::ServerTimeout,
        "ResponsePayloadTooLargeException" => Status::ResponsePayloadTooLarge,
        "NotEnoughMessagesException" => Status::NotEnoughMessages,
        "MessageStoreReadErrorException" => Status::MessageStoreReadError,
        "ServerOutOfMemoryException" => Status::OutOfMemoryError,
        "UpdateFailedException" => Status::UpdateFailed,
        "UpdateNotAllowedException" => Status::UpdateNotAllowed,
        "UnknownOperationException" => Status::UnknownOperation,
        _ => return None,
    })
}
