//! `cargo xtask test`

use anyhow::Result;
use clap::Args;

use crate::process::{run, say, step};
use crate::{build, languages, node, peers, python, workspace};

/// Format, lints and every test
#[derive(Args)]
pub(crate) struct Test {
    /// Only tests whose names contain this; leaves out format and lints
    filter: Option<String>,
}

impl Test {
    pub(crate) fn run(&self) -> Result<()> {
        if self.filter.is_none() {
            step("format");
            run(build::cargo().args(["fmt", "--all", "--check"]))?;
        }
        python::install()?;
        python::install_older()?;
        node::install()?;
        peers::install()?;
        build::host()?;
        build::guests()?;
        languages::build()?;
        step("tests");
        let mut test = build::cargo();
        test.args(["test", "--release", "--no-fail-fast"])
            .args(build::TOGETHER)
            .env("MILLSTREAM_TARGET", workspace::target());
        if let Some(filter) = &self.filter {
            test.arg(filter);
        }
        run(&mut test)?;
        if self.filter.is_none() {
            languages::test()?;
            step("lints");
            // Everything in one go: what lints need of libraries is made for them alone, so nothing is
            // shared with the builds, and a second selection would make it twice.
            let mut clippy = build::cargo();
            clippy.args(["clippy", "--release", "--workspace", "--all-targets"]);
            run(clippy.args(["--", "--deny", "warnings"]))?;
            build::lint_guests()?;
        }
        say("\neverything passed");
        Ok(())
    }
}
