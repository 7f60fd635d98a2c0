//! Speed and memory of the whole program, as ratios against known baselines in the same run.
//!
//! Started by `cargo xtask bench`, which prints the table; this prints one JSON object a row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a benchmark ends when something is wrong, prints its result, and needs no exact floats"
)]

mod boundary;
mod connections;
mod export;
mod flushed;
mod footprint;
mod host;
mod loading;
mod nats;
mod plugins;
mod protocol;
mod replacing;
mod report;
mod resting;
mod sink;

use std::path::PathBuf;

use clap::Parser;

/// Prints one JSON object a row.
#[derive(Parser)]
struct Cli {
    /// A minute's run
    #[arg(long)]
    quick: bool,
    /// Only this part: protocol, exports or footprint
    #[arg(long)]
    only: Option<String>,
    /// Only rows whose name contains this text, in whatever case; what is measured together stays together
    #[arg(long, value_name = "TEXT")]
    row: Option<String>,
    /// The program
    #[arg(long)]
    millstream: PathBuf,
    /// The folder of the components
    #[arg(long)]
    plugins: PathBuf,
}

fn main() {
    let cli = Cli::parse();
    let only = |word: &str| cli.only.as_ref().is_none_or(|only| only == word);
    let setup = host::Setup {
        // The host runs in a folder of its own.
        millstream: std::path::absolute(cli.millstream).unwrap(),
        plugins: std::path::absolute(cli.plugins).unwrap(),
        row: cli.row.map(|text| text.to_lowercase()),
    };
    if only("protocol") {
        protocol::run(&setup, cli.quick);
        connections::run(&setup, cli.quick);
    }
    if only("exports") {
        export::run(&setup, cli.quick);
        plugins::run(&setup, cli.quick);
        boundary::run(&setup, cli.quick);
        replacing::run(&setup, cli.quick);
    }
    if only("footprint") {
        footprint::run(&setup, cli.quick);
        resting::run(&setup);
        loading::run(&setup, cli.quick);
    }
}
