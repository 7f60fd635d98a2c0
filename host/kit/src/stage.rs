//! The surroundings that the kit gives to a component: what it asks for, and nothing of the device.

use std::path::Path;
use std::sync::Arc;

use millstream_runtime::{
    AddressGrant, AddressTarget, Component, Description, Exporter, ExporterSettings, FolderAccess,
    FolderGrant, Grants, HostGrant, HostPattern, Limits, RuntimeError, Scheme, StreamPattern,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::KitError;
use crate::options::Options;
use crate::sink::Sink;
use crate::streams::Streams;

/// The stream whose messages an exporter gets.
const STREAM: &str = "kit";

/// A component, and what is around it.
pub(crate) struct Stage {
    pub(crate) component: Component,
    pub(crate) options: Options,
    pub(crate) sink: Sink,
    pub(crate) streams: Arc<Streams>,
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn build(component: &Component, options: Options) -> Result<Self, KitError> {
        let sink = Sink::start(options.answer.clone()).await;
        Ok(Self {
            component: component.clone(),
            options,
            sink: sink.map_err(KitError::Sink)?,
            streams: Streams::new(),
            folder: TempDir::new().map_err(KitError::Folder)?,
        })
    }

    /// The sink, and what the author grants.
    pub(crate) fn grants(&self) -> Grants {
        let address = self.sink.address();
        let mut grants = self.options.grants.clone();
        grants.hosts.push(HostGrant {
            scheme: Some(Scheme::Http),
            host: HostPattern::Address(address.ip()),
            port: Some(address.port()),
            private: true,
        });
        // For components that speak HTTP over sockets of their own.
        grants.addresses.push(AddressGrant {
            target: AddressTarget::Address(address.ip()),
            port: Some(address.port()),
        });
        grants
    }

    /// Opens an exporter: with the sink, with empty folders and streams of the names that it wants, and
    /// with signatures for the services that it wants.
    pub(crate) async fn open(
        &self,
        description: &Description,
        config: Value,
        limits: Limits,
    ) -> Result<Exporter, RuntimeError> {
        let wants = &description.wants;
        let mut grants = self.grants();
        for (place, guest) in wants.folders.iter().enumerate() {
            let host = self.folder.path().join(place.to_string());
            make(&host).map_err(|error| RuntimeError::Folder {
                component: self.component.name().into(),
                host: host.clone(),
                guest: guest.clone(),
                reason: error.to_string(),
            })?;
            grants.folders.push(FolderGrant {
                host,
                guest: guest.clone(),
                access: FolderAccess::ReadWrite,
            });
        }
        let streams = wants.streams.iter().map(StreamPattern::new);
        grants.append.extend(streams.clone());
        grants.read.extend(streams);
        grants
            .aws_services
            .extend(wants.aws_services.iter().cloned());
        self.component
            .open(ExporterSettings {
                label: format!("{} (kit)", self.component.name()),
                stream_name: STREAM.into(),
                export_identifier: "kit".into(),
                config,
                grants,
                limits,
                streams: Arc::clone(&self.streams) as _,
                remembered: None,
            })
            .await
    }
}

fn make(folder: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
