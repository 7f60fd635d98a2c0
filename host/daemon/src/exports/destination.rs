//! Where batches go: a plugin, or what a test puts in its place.

use std::sync::Arc;
use std::time::Duration;

use millstream_runtime::{
    BatchLimits, BoxFuture, CancelReason, Canceled, ExportFailure, Exported, Exporter,
    ExporterSettings, Message, Traffic,
};
use millstream_streams::Store;
use tokio::sync::watch;

use super::ExportSettings;
use super::transforms::{FollowedTransform, Transform, TransformedDestination};
use crate::config::TransformStep;
use crate::plugins::{Plugins, Standing, VersionId};
use crate::stream_access::StoreAccess;

/// Opens destinations.
pub(super) trait Destinations: Send + Sync {
    /// Opens the destination of one export of one stream, with what it remembers.
    ///
    /// The error is a sentence for the operator.
    fn open<'a>(
        &'a self,
        stream: &'a str,
        identifier: &'a str,
        settings: &'a ExportSettings,
        remembered: Option<Arc<[u8]>>,
    ) -> BoxFuture<'a, Result<Opened, String>>;

    /// How a plugin stands, from now on: which version [`Self::open`] would open, or why none.
    fn follow(&self, plugin: &str) -> watch::Receiver<Standing>;

    /// The same for each transform that the messages of an export go through.
    fn follow_transforms(&self, settings: &ExportSettings) -> Vec<watch::Receiver<Standing>>;

    /// Whether a plugin wants to be told of messages that are not exported.
    ///
    /// The error is a sentence for the operator.
    fn cancels<'a>(&'a self, plugin: &'a str) -> BoxFuture<'a, Result<bool, String>>;
}

/// An open destination.
pub(super) struct Opened {
    pub(super) destination: Box<dyn Destination>,
    /// The version of the plugin that it is.
    pub(super) id: VersionId,
    /// The largest batch it takes.
    pub(super) limits: BatchLimits,
    /// The least time between two calls.
    pub(super) call_interval: Duration,
    /// Whether it wants to be told of messages that are not exported.
    pub(super) cancels: bool,
}

/// Takes batches.
pub(super) trait Destination: Send {
    /// Delivers a batch and returns what was not delivered; see [`Exporter::export`].
    fn export<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Exported, ExportFailure>>;

    /// Tells of messages that are not exported; see [`Exporter::cancel`].
    fn cancel<'a>(
        &'a mut self,
        messages: &'a [Canceled],
        reason: CancelReason,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Gives back the memory that it needs only while it works.
    fn rest(&mut self);

    /// What it remembers after the last call.
    fn remembered(&self) -> Option<&Arc<[u8]>>;

    /// What it has sent and received since it was opened.
    fn traffic(&self) -> Traffic;
}

/// The plugins of the folder, with the streams that they may be granted.
pub(super) struct PluginDestinations {
    pub(super) plugins: Arc<Plugins>,
    pub(super) store: Store,
}

impl PluginDestinations {
    /// The transforms of an export: its own, or those of all exports to its plugin.
    fn steps<'a>(&'a self, settings: &'a ExportSettings) -> &'a [TransformStep] {
        match settings.transforms.as_slice() {
            [] => self.plugins.transforms(&settings.plugin),
            own => own,
        }
    }

    /// Opens the transforms of an export.
    async fn transforms(
        &self,
        stream: &str,
        identifier: &str,
        settings: &ExportSettings,
    ) -> Result<Vec<Box<dyn Transform>>, String> {
        let steps = self.steps(settings);
        let mut opened: Vec<Box<dyn Transform>> = Vec::with_capacity(steps.len());
        for step in steps {
            let (plugins, streams) = (&self.plugins, StoreAccess::shared(&self.store));
            let followed = FollowedTransform::open(plugins, step, (stream, identifier), streams);
            opened.push(Box::new(followed.await?));
        }
        Ok(opened)
    }
}

impl Destinations for PluginDestinations {
    fn open<'a>(
        &'a self,
        stream: &'a str,
        identifier: &'a str,
        settings: &'a ExportSettings,
        remembered: Option<Arc<[u8]>>,
    ) -> BoxFuture<'a, Result<Opened, String>> {
        Box::pin(async move {
            let (plugins, plugin) = (&self.plugins, &settings.plugin);
            let loaded = plugins.current(plugin).await?;
            let Some(description) = loaded.described.exporter() else {
                return Err(format!(
                    "the plugin \"{plugin}\" is {} and cannot be used as an exporter; name one, or put one \
                     into its place",
                    loaded.component.kind().with_article()
                ));
            };
            plugins.report_missing_grants(plugin, description);
            let exporter = loaded
                .component
                .open(ExporterSettings {
                    label: format!("{plugin} ({stream}/{identifier})"),
                    stream_name: stream.to_owned(),
                    export_identifier: identifier.to_owned(),
                    config: plugins.config(plugin, &settings.config, description),
                    grants: plugins.grants(plugin),
                    limits: plugins.limits(),
                    streams: StoreAccess::shared(&self.store),
                    remembered,
                })
                .await
                .map_err(|error| error.to_string())?;
            let mut opened = Opened {
                destination: Box::new(exporter),
                limits: description.limits,
                call_interval: plugins.call_interval(plugin, description),
                cancels: loaded.component.cancels(),
                id: loaded.id.clone(),
            };
            let transforms = self.transforms(stream, identifier, settings).await?;
            if !transforms.is_empty() {
                let behind =
                    TransformedDestination::new(transforms, opened.destination, opened.limits);
                opened.limits = behind.batch_limits();
                opened.destination = Box::new(behind);
            }
            Ok(opened)
        })
    }

    fn follow(&self, plugin: &str) -> watch::Receiver<Standing> {
        self.plugins.follow(plugin)
    }

    fn follow_transforms(&self, settings: &ExportSettings) -> Vec<watch::Receiver<Standing>> {
        let steps = self.steps(settings).iter();
        steps
            .map(|step| self.plugins.follow(&step.plugin))
            .collect()
    }

    fn cancels<'a>(&'a self, plugin: &'a str) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move {
            let loaded = self.plugins.current(plugin).await?;
            Ok(loaded.component.cancels())
        })
    }
}

impl Destination for Exporter {
    fn export<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Exported, ExportFailure>> {
        Box::pin(Self::export(self, batch))
    }

    fn cancel<'a>(
        &'a mut self,
        messages: &'a [Canceled],
        reason: CancelReason,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(Self::cancel(self, messages, reason))
    }

    fn rest(&mut self) {
        Self::rest(self);
    }

    fn remembered(&self) -> Option<&Arc<[u8]>> {
        Self::remembered(self)
    }

    fn traffic(&self) -> Traffic {
        Self::traffic(self)
    }
}
