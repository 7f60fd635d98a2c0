//! Requests and answers as bytes, without input and output.
//!
//! Requests, their headers and batches of records are written by `kafka-protocol`. Answers are read here
//! (`answer`, `reader`): that crate takes memory for as many entries as an answer announces, so an answer
//! that is garbled would end the component, and the host would hold the message against it that was on
//! its way. Of the versions of a message the ones before the compact encoding are used, which every
//! broker from 1.0 to 4.x takes.

mod answer;
mod reader;

use std::fmt;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, MetadataRequest, ProduceRequest, RequestHeader,
    SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes, encode_request_header_into_buffer};

pub(crate) use answer::{
    ApiVersions, Metadata, Produced, ProducedPartition, SaslAuthenticate, SaslHandshake,
};
#[cfg(test)]
pub(crate) use answer::{Broker, Partition, Topic};

/// A range of versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) least: i16,
    pub(crate) most: i16,
}

impl Versions {
    /// The latest version that both sides know.
    pub(crate) fn latest_of_both(self, other: Self) -> Option<i16> {
        let latest = self.most.min(other.most);
        (latest >= self.least.max(other.least)).then_some(latest)
    }
}

/// The versions of each kind of request that this plugin knows.
pub(crate) mod versions {
    use super::Versions;

    /// From 4 on a client may say that it does not want to create topics.
    pub(crate) const METADATA: Versions = Versions { least: 4, most: 8 };
    /// From 3 on records have headers; from 8 on the answer names those at fault.
    pub(crate) const PRODUCE: Versions = Versions { least: 3, most: 8 };
    /// From 1 on the answer says how long the session lasts.
    pub(crate) const SASL_AUTHENTICATE: Versions = Versions { least: 0, most: 1 };
    /// From 1 on the mechanism's messages are requests as well.
    pub(crate) const SASL_HANDSHAKE: Versions = Versions { least: 1, most: 1 };
}

/// An answer that is none in Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends before its last field.
    Short,
    /// A text in it is not UTF-8.
    NoText,
    /// It is longer than any answer to such a request.
    Long,
    /// It answers another request.
    Astray,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it ends too early",
            Self::NoText => "a text in it is none",
            Self::Long => "it is too long",
            Self::Astray => "it belongs to no request",
        })
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    ApiVersions,
    Metadata { topic: String },
    Produce(Produce),
    SaslHandshake { mechanism: &'static str },
    SaslAuthenticate { bytes: Vec<u8> },
}

/// Batches of records for partitions that one broker leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Produce {
    pub(crate) topic: String,
    /// How long the leader may wait for its replicas, in milliseconds.
    pub(crate) timeout: i32,
    pub(crate) batches: Vec<(i32, Bytes)>,
}

impl Request {
    /// Its kind.
    pub(crate) fn key(&self) -> ApiKey {
        match self {
            Self::ApiVersions => ApiKey::ApiVersions,
            Self::Metadata { .. } => ApiKey::Metadata,
            Self::Produce(_) => ApiKey::Produce,
            Self::SaslHandshake { .. } => ApiKey::SaslHandshake,
            Self::SaslAuthenticate { .. } => ApiKey::SaslAuthenticate,
        }
    }

    /// The versions that this plugin knows; of `ApiVersions` the one that every broker takes.
    pub(crate) fn versions(&self) -> Versions {
        match self {
            Self::ApiVersions => Versions { least: 0, most: 0 },
            Self::Metadata { .. } => versions::METADATA,
            Self::Produce(_) => versions::PRODUCE,
            Self::SaslHandshake { .. } => versions::SASL_HANDSHAKE,
            Self::SaslAuthenticate { .. } => versions::SASL_AUTHENTICATE,
        }
    }

    /// The request as it goes over the line, with its length in front.
    ///
    /// # Errors
    ///
    /// It is too large for its own length, or has a text that is.
    pub(crate) fn encode(
        self,
        version: i16,
        correlation: i32,
        client_id: &str,
    ) -> Result<Bytes, String> {
        let header = RequestHeader::default()
            .with_request_api_key(self.key() as i16)
            .with_request_api_version(version)
            .with_correlation_id(correlation)
            .with_client_id(Some(client_id.to_owned().into()));
        let mut frame = BytesMut::zeroed(LENGTH_BYTES);
        encode_request_header_into_buffer(&mut frame, &header)
            .map_err(|error| error.to_string())?;
        self.encode_body(&mut frame, version)?;
        let length =
            i32::try_from(frame.len() - LENGTH_BYTES).map_err(|error| error.to_string())?;
        if let Some(place) = frame.first_chunk_mut::<LENGTH_BYTES>() {
            *place = length.to_be_bytes();
        }
        Ok(frame.freeze())
    }

    fn encode_body(self, frame: &mut BytesMut, version: i16) -> Result<(), String> {
        let encoded = match self {
            Self::ApiVersions => ApiVersionsRequest::default().encode(frame, version),
            Self::Metadata { topic } => MetadataRequest::default()
                .with_topics(Some(vec![
                    MetadataRequestTopic::default().with_name(Some(topic_name(topic))),
                ]))
                .with_allow_auto_topic_creation(false)
                .encode(frame, version),
            Self::Produce(produce) => {
                frame.reserve(produce.batches.iter().map(|(_, batch)| batch.len()).sum());
                let partitions = produce.batches.into_iter().map(|(index, batch)| {
                    PartitionProduceData::default()
                        .with_index(index)
                        .with_records(Some(batch))
                });
                ProduceRequest::default()
                    .with_acks(ALL_IN_SYNC_REPLICAS)
                    .with_timeout_ms(produce.timeout)
                    .with_topic_data(vec![
                        TopicProduceData::default()
                            .with_name(topic_name(produce.topic))
                            .with_partition_data(partitions.collect()),
                    ])
                    .encode(frame, version)
            }
            Self::SaslHandshake { mechanism } => SaslHandshakeRequest::default()
                .with_mechanism(StrBytes::from_static_str(mechanism))
                .encode(frame, version),
            Self::SaslAuthenticate { bytes } => SaslAuthenticateRequest::default()
                .with_auth_bytes(bytes.into())
                .encode(frame, version),
        };
        encoded.map_err(|error| error.to_string())
    }
}

/// The length in front of requests and answers.
pub(crate) const LENGTH_BYTES: usize = 4;
/// The number by which an answer says to which request it belongs.
pub(crate) const CORRELATION_BYTES: usize = 4;
/// `acks` of a request that is answered when no acknowledged record can get lost with its leader.
const ALL_IN_SYNC_REPLICAS: i16 = -1;

fn topic_name(topic: String) -> TopicName {
    TopicName(StrBytes::from_string(topic))
}
