//! The command line. One file a command.

mod check;
mod client;
mod export;
mod init;
mod new;
mod output;
mod plugin;
mod producer;
mod run;
mod status;
mod stream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use millstream_runtime::{CompileCommand, Runtime, RuntimeOptions};

use crate::client::ClientError;
use crate::config::{Config, ConfigProblem, LogFormat, LogLevel};
use crate::http::socket::HostError;
use crate::logging;

/// Millstream keeps what programs on a device append in durable streams, and carries it through
/// WebAssembly plugins to wherever it shall go.
///
/// Programs connect with the official AWS IoT Greengrass Stream Manager SDKs, unchanged. A plugin is
/// a file in a folder.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "\
Begin with:
  millstream init          write millstream.toml, which explains every setting
  millstream check         see whether everything it names is there
  millstream run           serve on 127.0.0.1:8088
  millstream status        see how a running host fares

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 wrong configuration, 4 no host answers.";

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The configuration file [default: millstream.toml, if it is there]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much to log, over what the configuration says
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// How to log, over what the configuration says
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host: streams, exports, producers and the server
    Run,
    /// Write a configuration file that explains every setting
    Init(init::Init),
    /// Look at everything the configuration names, and say what is wrong
    Check,
    /// Show where a running host listens, what its streams hold, and how their exports fare
    Status(status::StatusCommand),
    /// Work with the streams of a running host
    #[command(subcommand)]
    Stream(stream::StreamCommand),
    /// See how exports fare, and send again what they rejected
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// See how producers fare
    #[command(subcommand)]
    Producer(producer::ProducerCommand),
    /// Look at plugins, add them, and build and test those of one's own
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Write a small project that becomes a plugin
    New(new::New),
    /// Say which clients may connect, and what they may do
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Compile a component to native code; the host starts this for itself
    #[command(hide = true)]
    Compile { input: PathBuf, output: PathBuf },
}

/// Why a command failed, with the exit code that scripts see.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Anything without a code of its own.
    Other(String),
    Configuration(ConfigProblem),
    NoHost(String),
}

impl From<HostError> for Failed {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Refused(reason) => Self::Other(reason),
            HostError::NoHost { .. } | HostError::NoAnswer { .. } => {
                Self::NoHost(error.to_string())
            }
        }
    }
}

impl From<ConfigProblem> for Failed {
    fn from(problem: ConfigProblem) -> Self {
        Self::Configuration(problem)
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(failure) => Self::Other(failure.message),
            ClientError::NoToken { .. } | ClientError::WrongToken { .. } => {
                Self::Other(error.to_string())
            }
            ClientError::Unreachable { .. }
            | ClientError::Foreign { .. }
            | ClientError::Closed { .. } => Self::NoHost(error.to_string()),
        }
    }
}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// Runs the program that was asked for.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        // The compiler must not carry a runtime and threads along.
        Command::Compile { input, output } => millstream_runtime::compile_file(input, output)
            .map_err(|error| error.to_string().into()),
        command => start(command, &cli.common),
    };
    let (code, sentence) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Other(reason)) => (1, reason),
        Err(Failed::Configuration(problem)) => (3, problem.to_string()),
        Err(Failed::NoHost(reason)) => (4, reason),
    };
    output::complain(&sentence);
    ExitCode::from(code)
}

fn start(command: &Command, common: &Common) -> Result<(), Failed> {
    match command {
        Command::Init(init) => return init.run(common.config.as_deref()),
        Command::New(new) => return new.run(),
        _ => {}
    }
    let config = Config::load(common.config.as_deref())?;
    let quiet = if matches!(command, Command::Run) {
        config.log.level
    } else {
        LogLevel::Error
    };
    logging::start(
        common.log_level.unwrap_or(quiet),
        common.log_format.unwrap_or(config.log.format),
    );
    // Few threads are enough: what blocks has threads of its own, and guests yield.
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Run => run::run(config).await,
            Command::Check => check::check(config).await,
            Command::Status(status) => status.run(&config).await,
            Command::Stream(stream) => stream.run(&config).await,
            Command::Export(export) => export.run(&config).await,
            Command::Producer(producer) => producer.run(&config).await,
            Command::Plugin(plugin) => plugin.run(&config, common.config.as_deref()).await,
            Command::Client(client) => client.run(&config),
            Command::Init(_) | Command::New(_) | Command::Compile { .. } => Ok(()),
        }
    });
    // A blocking read that is still under way must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The runtime for components, with its cache in the data folder.
fn components(config: &Config) -> Result<Runtime, String> {
    let cache = match &config.plugins.cache {
        Some(folder) => config.path(folder),
        None => {
            let data = config.path(&config.storage.folder);
            create_folder(&data)?;
            data.join("native-code")
        }
    };
    components_in(config, cache)
}

/// The same for commands that need no host. Where there is no data folder none is made: authors work in
/// folders of their own, and the cache is then where caches of this user are.
fn components_for_authors(config: &Config) -> Result<Runtime, String> {
    let is_host = config.path(&config.storage.folder).is_dir();
    let of_user = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    match of_user {
        Some(caches) if !is_host && config.plugins.cache.is_none() => {
            let ours = caches.join("millstream");
            std::fs::create_dir_all(&ours).map_err(|error| {
                format!(
                    "the folder {} cannot be made: {error}; set XDG_CACHE_HOME to one that can",
                    ours.display()
                )
            })?;
            components_in(config, ours.join("native-code"))
        }
        _ => components(config),
    }
}

fn components_in(config: &Config, cache_dir: PathBuf) -> Result<Runtime, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("cannot find this program's own file: {error}"))?;
    Runtime::new(RuntimeOptions {
        cache_dir,
        compiler: CompileCommand {
            program,
            args: vec!["compile".into()],
        },
        aws: config.aws.options(&config.base),
        bandwidth: config.exports.max_bandwidth.map(|rate| rate.0),
        secrets: config.secrets(),
    })
    .map_err(|error| error.to_string())
}

fn create_folder(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| {
        format!(
            "the folder {} cannot be made: {error}; change storage.folder or its permissions",
            folder.display()
        )
    })
}
