//! A transform of the plugins folder, which is replaced when its file is.

use std::sync::Arc;

use millstream_runtime::{
    BoxFuture, ExportFailure, Message, StreamAccess, TransformSettings, Transformed, Transformer,
};
use tokio::sync::watch;

use super::Transform;
use crate::config::TransformStep;
use crate::plugins::{Described, Offer, Plugins, Standing, VersionId};

/// One step of one export.
pub(crate) struct FollowedTransform {
    plugins: Arc<Plugins>,
    step: TransformStep,
    stream: String,
    export: String,
    streams: Arc<dyn StreamAccess>,
    standing: watch::Receiver<Standing>,
    /// The version that is open, or the last one that was passed over.
    seen: VersionId,
    transformer: Transformer,
}

impl FollowedTransform {
    /// Opens the version that is there now, and follows its file from then on.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub(crate) async fn open(
        plugins: &Arc<Plugins>,
        step: &TransformStep,
        (stream, export): (&str, &str),
        streams: Arc<dyn StreamAccess>,
    ) -> Result<Self, String> {
        let standing = plugins.follow(&step.plugin);
        let place = (stream, export);
        let (id, transformer) = open(plugins, step, place, Arc::clone(&streams)).await?;
        Ok(Self {
            plugins: Arc::clone(plugins),
            step: step.clone(),
            stream: stream.to_owned(),
            export: export.to_owned(),
            streams,
            standing,
            seen: id,
            transformer,
        })
    }

    /// Takes up another version between two batches. One that cannot be opened is passed over, and the one
    /// in use goes on; a transform that was taken away holds the export.
    async fn keep_up(&mut self) -> Result<(), ExportFailure> {
        let offer = self.standing.borrow_and_update().offer.clone();
        match offer {
            Offer::Nothing(reason) => {
                return Err(ExportFailure::Unavailable {
                    reason,
                    retry_after: None,
                });
            }
            Offer::Version(id) if id != self.seen => {
                let (place, streams) = ((&*self.stream, &*self.export), Arc::clone(&self.streams));
                match open(&self.plugins, &self.step, place, streams).await {
                    Ok((id, transformer)) => (self.seen, self.transformer) = (id, transformer),
                    Err(error) => {
                        tracing::warn!(
                            stream = self.stream,
                            export = self.export,
                            transform = self.step.plugin,
                            version = %id,
                            error,
                            "a new version of a transform cannot be opened; the one in use goes on"
                        );
                        // Not again before the file changes.
                        self.seen = id;
                    }
                }
            }
            Offer::Version(_) | Offer::Unknown => {}
        }
        Ok(())
    }
}

async fn open(
    plugins: &Arc<Plugins>,
    step: &TransformStep,
    (stream, export): (&str, &str),
    streams: Arc<dyn StreamAccess>,
) -> Result<(VersionId, Transformer), String> {
    let name = &step.plugin;
    let loaded = plugins.current(name).await?;
    let Described::Transform(description) = &loaded.described else {
        return Err(format!(
            "the plugin \"{name}\" is {} and cannot be used as a transform; name one, or put one into its place",
            loaded.component.kind().with_article()
        ));
    };
    let settings = TransformSettings {
        label: format!("{name} ({stream}/{export})"),
        stream_name: stream.to_owned(),
        export_identifier: export.to_owned(),
        config: plugins.transform_config(step),
        grants: plugins.grants(name),
        limits: plugins.limits(),
        streams,
    };
    let opened = loaded.component.open_transform(settings, description);
    let transformer = opened.await.map_err(|error| error.to_string())?;
    Ok((loaded.id.clone(), transformer))
}

impl Transform for FollowedTransform {
    fn transform<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Transformed, ExportFailure>> {
        Box::pin(async move {
            self.keep_up().await?;
            let transformed = self.transformer.transform(batch).await;
            transformed.map_err(ExportFailure::of_transform)
        })
    }

    fn most_outputs(&self) -> u32 {
        self.transformer.most_outputs()
    }

    fn rest(&mut self) {
        self.transformer.rest();
    }
}
