//! The plugins that the wire and Greengrass' own variables speak of.
//!
//! An SDK declares an export to S3, not to a plugin called `s3`, and Greengrass' variables set the pace of
//! Kinesis. Here is which file in the plugins folder that means. The host knows no other destination by name,
//! and of these no more than the wire's keys and those variables say.

/// `HTTPConfig`.
pub(crate) const HTTP: &str = "http";
/// `IoTAnalyticsConfig`.
pub(crate) const IOT_ANALYTICS: &str = "iot-analytics";
/// `KinesisConfig`, and the pace of its calls.
pub(crate) const KINESIS: &str = "kinesis";
/// `IoTSiteWiseConfig`.
pub(crate) const SITEWISE: &str = "sitewise";
/// `S3ExportTaskExecutorConfig`, the least part of its uploads, and the folders that it may read.
pub(crate) const S3: &str = "s3";
