//! `cargo xtask`: everything a developer does with this repository, on a machine that has Rust,
//! Python, for the tests Node.js, and nothing else.
//!
//! Each command installs what it needs: the guest target with rustup, Python and npm packages in
//! the target folder, and for the tests Debian packages of servers. Host and tests share one profile and one target folder.

mod bench;
mod build;
mod demo;
mod fuzz;
mod languages;
mod node;
mod peers;
mod process;
mod python;
mod test;
mod toolchains;
mod workspace;

use clap::{Parser, Subcommand};

/// Builds, shows, tests and measures Millstream.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the host and the components; plugins land in target/plugins
    Build,
    /// Build plugins in every language from what `millstream new` writes, into target/components
    Languages,
    /// See it work: a producer component, a stream, the file plugin; about fifteen seconds
    Demo(demo::Demo),
    /// Format, lints and every test
    Test(test::Test),
    /// Speed and memory, as ratios
    Bench(bench::Bench),
    /// Made-up bytes against the protocol; needs cargo-fuzz
    Fuzz(fuzz::Fuzz),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Build => {
            build::host()?;
            build::guests()
        }
        Command::Languages => {
            build::host()?;
            languages::build()
        }
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Bench(bench) => bench.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
    }
}
