//! `cargo xtask fuzz`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{output, run, step};
use crate::{build, workspace};

/// The crate of the targets; its front file says what they are.
const CRATE: &str = "tests/fuzz";

/// The longest input worth keeping, in bytes; longer ones rarely say more.
const LONGEST_SEED: u64 = 384;

/// Look for bytes on which the protocol breaks a promise
#[derive(Args)]
pub(crate) struct Fuzz {
    /// One target; without it all of them, one after the other
    target: Option<String>,
    /// How long to run each target
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// Afterwards make what was found the seeds of the target, which the tests check too
    #[arg(long)]
    keep: bool,
}

impl Fuzz {
    pub(crate) fn run(&self) -> Result<()> {
        let listed = output(fuzz("list").args(["--fuzz-dir", CRATE]))
            .context("cargo-fuzz is missing; install it with `cargo install cargo-fuzz`")?;
        let targets: Vec<_> = listed.lines().collect();
        let chosen = match &self.target {
            None => targets,
            Some(target) if targets.contains(&target.as_str()) => vec![target.as_str()],
            Some(target) => bail!("there is no target {target}, only {}", targets.join(", ")),
        };
        for target in chosen {
            step(format!("fuzzing {target}"));
            lay_out_seeds(target)?;
            let mut fuzzer = fuzz("run");
            fuzzer.args(["--fuzz-dir", CRATE, target, "--"]);
            fuzzer.arg(format!("-max_total_time={}", self.minutes * 60));
            fuzzer.args(["-timeout=10", "-max_len=16384"]);
            run(fuzzer.arg(format!("-dict={CRATE}/dictionary.txt")))?;
            if self.keep {
                keep_seeds(target)?;
            }
        }
        Ok(())
    }
}

/// A command of cargo-fuzz. It needs options of the compiler that only a nightly one has by itself.
fn fuzz(command: &str) -> Command {
    let mut cargo = build::cargo();
    cargo.args(["fuzz", command]).env("RUSTC_BOOTSTRAP", "1");
    cargo
}

/// Where the fuzzer keeps the inputs of a target.
fn corpus(target: &str) -> PathBuf {
    workspace::root().join(CRATE).join("corpus").join(target)
}

/// The inputs that are checked in: one in hexadecimal digits on each line.
fn seeds(target: &str) -> PathBuf {
    let name = format!("{target}.hex");
    workspace::root().join(CRATE).join("seeds").join(name)
}

/// Gives the fuzzer the seeds as it wants them, each in a file.
fn lay_out_seeds(target: &str) -> Result<()> {
    let seeds = seeds(target);
    let corpus = corpus(target);
    fs::create_dir_all(&corpus)?;
    let lines = fs::read_to_string(&seeds)
        .with_context(|| format!("cannot read the seeds {}", seeds.display()))?;
    for (number, line) in lines.lines().enumerate() {
        let digits = line.as_bytes().chunks(2).map(str::from_utf8);
        let input = digits.map(|pair| Ok(u8::from_str_radix(pair?, 16)?));
        let input: Result<Vec<u8>> = input.collect();
        let input = input.with_context(|| format!("{}:{}", seeds.display(), number + 1))?;
        fs::write(corpus.join(format!("seed-{number}")), input)?;
    }
    Ok(())
}

/// Reduces the inputs of a target to one for each branch of the code, and makes them its seeds.
fn keep_seeds(target: &str) -> Result<()> {
    let mut minimise = fuzz("cmin");
    minimise.args(["--fuzz-dir", CRATE, target, "--", "-use_counters=0"]);
    run(&mut minimise)?;
    let mut inputs = inputs(&corpus(target))?;
    inputs.sort_by_cached_key(|input| (input.len(), input.clone()));
    let mut lines = String::new();
    for input in inputs {
        lines.extend(input.iter().map(|byte| format!("{byte:02x}")));
        lines.push('\n');
    }
    fs::write(seeds(target), lines)?;
    Ok(())
}

/// The contents of the files in a folder, but for long ones and an empty one.
fn inputs(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if (1..=LONGEST_SEED).contains(&file.metadata()?.len()) {
            inputs.push(fs::read(file.path())?);
        }
    }
    Ok(inputs)
}
