//! Where batches go: a plugin, or what a test puts in its place.

use std::time::Duration;

use millstream_runtime::{
    BatchLimits, BoxFuture, ExportFailure, Exporter, ExporterSettings, Message, Traffic,
    Undelivered,
};
use millstream_streams::Store;

use super::ExportSettings;
use crate::plugins::Plugins;
use crate::stream_access::StoreAccess;

/// Opens destinations.
pub(super) trait Destinations: Send + Sync {
    /// Opens the destination of one export of one stream.
    ///
    /// The error is a sentence for the operator.
    fn open<'a>(
        &'a self,
        stream: &'a str,
        identifier: &'a str,
        settings: &'a ExportSettings,
    ) -> BoxFuture<'a, Result<Opened, String>>;
}

/// An open destination.
pub(super) struct Opened {
    pub(super) destination: Box<dyn Destination>,
    /// The largest batch it takes.
    pub(super) limits: BatchLimits,
    /// The least time between two calls.
    pub(super) call_interval: Duration,
}

/// Takes batches.
pub(super) trait Destination: Send {
    /// Delivers a batch and returns what was not delivered; see [`Exporter::export`].
    fn export<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Vec<Undelivered>, ExportFailure>>;

    /// What it has sent and received since it was opened.
    fn traffic(&self) -> Traffic;
}

/// The plugins of the folder, with the streams that they may be granted.
pub(super) struct PluginDestinations {
    pub(super) plugins: std::sync::Arc<Plugins>,
    pub(super) store: Store,
}

impl Destinations for PluginDestinations {
    fn open<'a>(
        &'a self,
        stream: &'a str,
        identifier: &'a str,
        settings: &'a ExportSettings,
    ) -> BoxFuture<'a, Result<Opened, String>> {
        Box::pin(async move {
            let (plugins, plugin) = (&self.plugins, &settings.plugin);
            let (component, description) = plugins.exporter(plugin).await?;
            plugins.report_missing_grants(plugin, &description);
            let exporter = component
                .open(ExporterSettings {
                    label: format!("{plugin} ({stream}/{identifier})"),
                    stream_name: stream.to_owned(),
                    export_identifier: identifier.to_owned(),
                    config: plugins.config(plugin, &settings.config, &description),
                    grants: plugins.grants(plugin),
                    limits: plugins.limits(),
                    streams: StoreAccess::shared(&self.store),
                })
                .await
                .map_err(|error| error.to_string())?;
            Ok(Opened {
                destination: Box::new(exporter),
                limits: description.limits,
                call_interval: plugins.call_interval(plugin, &description),
            })
        })
    }
}

impl Destination for Exporter {
    fn export<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Vec<Undelivered>, ExportFailure>> {
        Box::pin(Self::export(self, batch))
    }

    fn traffic(&self) -> Traffic {
        Self::traffic(self)
    }
}
