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

mod connections;
mod export;
mod flushed;
mod footprint;
mod host;
mod nats;
mod protocol;
mod report;
mod sink;

use std::path::PathBuf;

use clap::Parser;

/// Prints one JSON object a row.
#[derive(Parser)]
struct Cli {
    /// A minute's run
    #[arg(long)]
    quick: bool,
    /// The program
    #[arg(long)]
    millstream: PathBuf,
    /// The folder of the components
    #[arg(long)]
    plugins: PathBuf,
}

fn main() {
    let cli = Cli::parse();
    let setup = host::Setup {
        millstream: cli.millstream,
        plugins: cli.plugins,
    };
    protocol::run(&setup, cli.quick);
    connections::run(&setup, cli.quick);
    export::run(&setup, cli.quick);
    footprint::run(&setup, cli.quick);
}
