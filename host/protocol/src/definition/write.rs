//! Definitions to the wire: always complete, with all five lists of exports (section 3).

use super::{
    Destination, Export, ExportDefinition, ExportKind, MessageStreamDefinition, StatusConfig,
};
use crate::cbor::Writer;

impl MessageStreamDefinition {
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("name").text(self.name.as_str());
            map.key("maxSize").uint(self.max_size.get());
            map.key("streamSegmentSize")
                .uint(self.stream_segment_size.get());
            if let Some(millis) = self.time_to_live_millis {
                map.key("timeToLiveMillis").uint(millis.get());
            }
            map.key("strategyOnFull")
                .uint(self.strategy_on_full.code().into());
            map.key("persistence").uint(self.persistence.code().into());
            map.key("flushOnWrite").boolean(self.flush_on_write);
            self.exports.write(map.key("exportDefinition"));
        });
    }
}

impl ExportDefinition {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            for kind in ExportKind::ALL {
                let exports: Vec<_> = self.of_kind(kind).collect();
                map.key(kind.key())
                    .list(exports, |writer, export| export.write(writer));
            }
        });
    }
}

impl Export {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("identifier").text(self.identifier.as_str());
            match &self.destination {
                Destination::Http { uri, format } => {
                    map.key("uri").text(uri);
                    map.key("exportFormat").uint(format.code().into());
                }
                Destination::IotAnalytics {
                    channel,
                    message_id_prefix,
                } => {
                    map.key("iotChannel").text(channel);
                    if let Some(prefix) = message_id_prefix {
                        map.key("iotMsgIdPrefix").text(prefix);
                    }
                }
                Destination::Kinesis { stream_name } => {
                    map.key("kinesisStreamName").text(stream_name);
                }
                Destination::IotSitewise => {}
                Destination::S3TaskExecutor {
                    multipart_threshold,
                    status,
                } => {
                    map.key("sizeThresholdForMultipartUploadBytes")
                        .uint(multipart_threshold.get());
                    if let Some(status) = status {
                        status.write(map.key("statusConfig"));
                    }
                }
            }
            if self.kind() != ExportKind::S3TaskExecutor {
                map.key("batchSize").uint(self.batch_size.get());
                if let Some(millis) = self.batch_interval_millis {
                    map.key("batchIntervalMillis").uint(millis.get());
                }
                if let Some(start) = self.start_sequence_number {
                    map.key("startSequenceNumber").uint(start.get());
                }
            }
            map.key("priority").uint(self.priority.get());
            map.key("disabled").boolean(self.disabled);
        });
    }
}

impl StatusConfig {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("statusLevel").uint(self.level.code().into());
            if let Some(stream) = &self.stream_name {
                map.key("statusStreamName").text(stream.as_str());
            }
        });
    }
}
