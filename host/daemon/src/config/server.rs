//! `[server]`. What a key means is written in `sample.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::units::{Size, Span};

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) allow_remote: bool,
    pub(crate) port_file: Option<PathBuf>,
    pub(crate) authentication: Authentication,
    pub(crate) clients: PathBuf,
    pub(crate) max_connections: usize,
    pub(crate) max_frame: Size,
    pub(crate) frame_time: Span,
    pub(crate) max_in_flight: Size,
    pub(crate) max_in_flight_total: Size,
    pub(crate) max_waiting_reads: usize,
}

/// Whether clients have to show who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Authentication {
    #[default]
    Off,
    Tokens,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            allow_remote: false,
            port_file: None,
            authentication: Authentication::Off,
            clients: "clients.toml".into(),
            max_connections: 1024,
            max_frame: Size::mebibytes(16),
            frame_time: Span::seconds(30),
            max_in_flight: Size::mebibytes(32),
            max_in_flight_total: Size::mebibytes(48),
            max_waiting_reads: 4096,
        }
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.listen.ip().is_loopback() && !self.allow_remote {
            let why = match self.authentication {
                Authentication::Off => "clients are not authenticated",
                Authentication::Tokens => {
                    "nothing is encrypted: whoever sees the network sees messages and tokens"
                }
            };
            return Err(format!(
                "server.listen = \"{}\" would let other machines in, and {why}; listen on \
                 127.0.0.1, or set server.allow-remote = true",
                self.listen
            ));
        }
        if !(1..=100_000).contains(&self.max_connections) {
            return Err("server.max-connections must lie between 1 and 100000".into());
        }
        if !(1024..=1 << 30).contains(&self.max_frame.0) {
            return Err("server.max-frame must lie between 1 KiB and 1 GiB".into());
        }
        if !(self.max_frame..=self.max_in_flight_total).contains(&self.max_in_flight) {
            return Err(
                "server.max-in-flight must be at least server.max-frame, so that a frame of this \
                 length passes, and at most server.max-in-flight-total"
                    .into(),
            );
        }
        if !(Span::seconds(1)..=Span::seconds(3600)).contains(&self.frame_time) {
            return Err("server.frame-time must lie between 1s and 1h".into());
        }
        if !(1..=1_000_000).contains(&self.max_waiting_reads) {
            return Err("server.max-waiting-reads must lie between 1 and 1000000".into());
        }
        Ok(())
    }
}
