//! `millstream init`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failed, output};
use crate::config;

/// Write a configuration file that explains every setting
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print it instead
    #[arg(long)]
    stdout: bool,
}

impl Init {
    pub(super) fn run(&self, file: Option<&Path>) -> Result<(), Failed> {
        if self.stdout {
            output::bytes(config::SAMPLE.as_bytes());
            return Ok(());
        }
        let path = file.map_or_else(|| PathBuf::from(config::DEFAULT_FILE), Path::to_path_buf);
        let mut options = OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let written = options
            .open(&path)
            .and_then(|mut file| file.write_all(config::SAMPLE.as_bytes()));
        match written {
            Ok(()) => {
                output::line(format!(
                    "wrote {}; now edit it, and `millstream run`",
                    path.display()
                ));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failed::Other(
                format!("{} is there already; --force replaces it", path.display()),
            )),
            Err(error) => Err(Failed::Other(format!(
                "cannot write {}: {error}",
                path.display()
            ))),
        }
    }
}
