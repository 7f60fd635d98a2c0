//! What a behaviour stands on: a host, a client, and names that nobody else uses.

use std::sync::{Arc, OnceLock};

use millstream_tests::{Host, plugins};
use tempfile::TempDir;

use crate::clients::{Checks, Connecting, Drivers, Kind, Raw, Refusal, Sdk, Session};
use crate::wire::Wire;

/// What all behaviours share.
pub(crate) struct Suite {
    host: OnceLock<Host>,
    python: Arc<Drivers>,
    greengrass_python: Arc<Drivers>,
    node: Arc<Drivers>,
}

impl Default for Suite {
    fn default() -> Self {
        Self {
            host: OnceLock::new(),
            python: Drivers::new(Kind::Python),
            greengrass_python: Drivers::new(Kind::GreengrassPython),
            node: Drivers::new(Kind::Node),
        }
    }
}

impl Suite {
    fn connect_sdk(&self, kind: Kind, how: &Connecting) -> Result<Sdk, Refusal> {
        match kind {
            Kind::Python => self.python.connect(how),
            Kind::GreengrassPython => self.greengrass_python.connect(how),
            Kind::Node => self.node.connect(how),
            Kind::Raw => panic!("the raw client is no SDK"),
        }
    }
}

/// A host whose exports to plugins write into a folder, and do so at once.
fn exporting_host(more: &str) -> Host {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let config = format!(
        "{more}\n[exports]\nlinger = \"10ms\"\nretry-first = \"10ms\"\nretry-longest = \
         \"50ms\"\n[plugin.file.grants]\nfolders = [{{ path = \"out\", as = \"/out\", write = true \
         }}]\n"
    );
    Host::start_in(folder, &plugins(), &config, &[])
}

/// The place of one behaviour with one client.
pub(crate) struct Stage<'s> {
    suite: &'s Suite,
    behaviour: &'static str,
    kind: Kind,
}

impl<'s> Stage<'s> {
    pub(crate) fn new(suite: &'s Suite, behaviour: &'static str, kind: Kind) -> Self {
        Self {
            suite,
            behaviour,
            kind,
        }
    }

    /// A name for a stream that no other behaviour and no other client uses.
    pub(crate) fn name(&self, which: &str) -> String {
        format!("{}-{}-{which}", self.behaviour, self.kind.name())
    }

    /// The host that behaviours share.
    pub(crate) fn host(&self) -> &'s Host {
        self.suite.host.get_or_init(|| exporting_host(""))
    }

    /// A host of one's own, with what `config` adds to the usual.
    pub(crate) fn own_host(&self, config: &str) -> Host {
        exporting_host(config)
    }

    /// The client, connected to the shared host.
    pub(crate) fn client(&self) -> Session {
        self.client_of(self.host())
    }

    /// The client, connected to a host of one's own.
    pub(crate) fn client_of(&self, host: &Host) -> Session {
        self.connect(host, Checks::On)
    }

    /// The client, connected to the shared host, and sending what it would refuse to send.
    pub(crate) fn unchecked_client(&self) -> Session {
        self.connect(self.host(), Checks::Off)
    }

    fn connect(&self, host: &Host, checks: Checks) -> Session {
        self.try_connect(&Connecting {
            port: host.port(),
            checks,
            token: None,
        })
        .unwrap()
    }

    /// Lets the client connect.
    ///
    /// # Errors
    ///
    /// What the client makes of a host that refuses.
    pub(crate) fn try_connect(&self, how: &Connecting) -> Result<Session, Refusal> {
        match self.kind {
            Kind::Raw => Raw::connect(how).map(Session::new),
            kind => self.suite.connect_sdk(kind, how).map(Session::new),
        }
    }

    /// A connection to the shared host, after the handshake.
    pub(crate) fn wire(&self) -> Wire {
        Wire::connect(self.host().port())
    }

    /// A connection to the shared host, on which nothing was said yet.
    pub(crate) fn open_wire(&self) -> Wire {
        Wire::open(self.host().port())
    }
}
