//! `millstream client`

use clap::{Args, Subcommand};
use millstream_protocol::Name;
use serde_json::{Map, Value, json};

use super::{Failed, output};
use crate::access::{ClientsFile, EditProblem, NamePattern, Right, Rights, Token};
use crate::config::{Authentication, Config};

/// Clients that may connect, where server.authentication is "tokens".
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(super) enum ClientCommand {
    /// Add a client and print its token, once
    Add(Add),
    /// Names of all clients, and what they may do
    List {
        /// Print JSON, one line a client
        #[arg(long)]
        json: bool,
    },
    /// Remove a client; its connections end within two seconds
    Remove {
        /// The client
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Give a client another token and print it, once; the old one is worth nothing any more
    Rotate {
        /// The client
        #[arg(value_parser = name)]
        name: Name,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const AFTER_HELP: &str = "\
A client is a program with a token. In millstream.toml:
  [server]
  authentication = \"tokens\"

Then, for a program that creates its streams and appends to them:
  millstream client add line-4 --create 'line-4*' --append 'line-4*'

The program gets the token in its environment, where every Stream Manager SDK looks for it:
  AWS_CONTAINER_AUTHORIZATION_TOKEN=mlst_… python3 line4.py

Clients are kept in the file that server.clients names. A running host takes up changes of it, by
these commands or by hand, within two seconds.";

/// Who is added, and what it may do. A pattern is a stream's name; * stands for any characters
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("rights").required(true).multiple(true))]
pub(super) struct Add {
    /// The client's name, for logs and for these commands
    #[arg(value_parser = name)]
    name: Name,
    /// Streams that it may create; may be given several times
    #[arg(long, value_name = "PATTERN", group = "rights")]
    create: Vec<NamePattern>,
    /// Streams that it may append to
    #[arg(long, value_name = "PATTERN", group = "rights")]
    append: Vec<NamePattern>,
    /// Streams that it may read
    #[arg(long, value_name = "PATTERN", group = "rights")]
    read: Vec<NamePattern>,
    /// Streams that it may change and delete
    #[arg(long, value_name = "PATTERN", group = "rights")]
    administer: Vec<NamePattern>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<Name, String> {
    text.parse()
        .map_err(|error: millstream_protocol::ProtocolError| error.to_string())
}

impl From<EditProblem> for Failed {
    fn from(problem: EditProblem) -> Self {
        match problem {
            EditProblem::File(problem) => Self::Configuration(problem),
            EditProblem::Refused(reason) => Self::Other(reason),
        }
    }
}

impl ClientCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let file = ClientsFile::of(config);
        match self {
            Self::Add(add) => {
                let rights = Rights {
                    create: add.create.clone(),
                    append: add.append.clone(),
                    read: add.read.clone(),
                    administer: add.administer.clone(),
                };
                let token = file.add(&add.name, &rights)?;
                show(&add.name, &token, add.json);
                if config.server.authentication == Authentication::Off {
                    output::complain(
                        "tokens are not asked for yet: set server.authentication = \"tokens\" and \
                         start the host again",
                    );
                }
            }
            Self::List { json } => list(&file, *json)?,
            Self::Remove { name } => file.remove(name)?,
            Self::Rotate { name, json } => {
                let token = file.rotate(name)?;
                show(name, &token, *json);
            }
        }
        Ok(())
    }
}

/// Prints a token on a line of its own, for scripts, and what to do with it, for people.
fn show(name: &Name, token: &Token, as_json: bool) {
    if as_json {
        output::json(&json!({ "name": name.as_str(), "token": token.reveal() }));
        return;
    }
    output::complain(&format!(
        "this is the token of {name}; it is not shown again. Give it to the program as \
         AWS_CONTAINER_AUTHORIZATION_TOKEN:"
    ));
    output::line(token.reveal());
}

fn list(file: &ClientsFile, as_json: bool) -> Result<(), Failed> {
    for client in file.load()? {
        let patterns = |right: Right| client.rights.on(right).iter().map(ToString::to_string);
        if as_json {
            let mut line = Map::from_iter([("name".to_owned(), json!(client.name.as_str()))]);
            for right in Right::ALL {
                let patterns: Vec<_> = patterns(right).collect();
                line.insert(right.key().to_owned(), json!(patterns));
            }
            output::json(&Value::Object(line));
            continue;
        }
        output::line(client.name.as_str());
        for right in Right::ALL {
            let patterns: Vec<_> = patterns(right).collect();
            if !patterns.is_empty() {
                output::line(format!("  {:<11} {}", right.key(), patterns.join(", ")));
            }
        }
    }
    Ok(())
}
