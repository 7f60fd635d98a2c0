//! The answers that an export needs, as far as it needs them.
//!
//! Layouts: Kafka's protocol guide, "The Messages". Each is read in the versions of
//! [`versions`](super::versions), up to the last one before fields became compact.

use super::reader::Reader;
use super::{Malformed, Versions};

/// Which versions of each kind of request a broker takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ApiVersions {
    pub(crate) error: i16,
    pub(crate) ranges: Vec<(i16, Versions)>,
}

impl ApiVersions {
    /// Version 0, which every broker answers.
    pub(crate) fn read(answer: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        Ok(Self {
            error: reader.int16()?,
            ranges: reader.list(|reader| {
                let key = reader.int16()?;
                let (least, most) = (reader.int16()?, reader.int16()?);
                Ok((key, Versions { least, most }))
            })?,
        })
    }
}

/// The brokers of a cluster, and the partitions of the one topic that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Metadata {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) topics: Vec<Topic>,
}

/// A broker, and where it wants to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) error: i16,
    pub(crate) name: String,
    pub(crate) partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// The broker that leads it; below 0 if none does.
    pub(crate) leader: i32,
}

impl Metadata {
    /// Versions 4 to 8.
    pub(crate) fn read(answer: &[u8], version: i16) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        let _throttle_time = reader.int32()?;
        let brokers = reader.list(|reader| {
            let (id, host, port) = (reader.int32()?, reader.string()?, reader.int32()?);
            let _rack = reader.nullable_string()?;
            let host = host.to_owned();
            Ok(Broker { id, host, port })
        })?;
        let _cluster = reader.nullable_string()?;
        let _controller = reader.int32()?;
        let topics = reader.list(|reader| {
            let (error, name) = (reader.int16()?, reader.string()?.to_owned());
            let _internal = reader.int8()?;
            let partitions = reader.list(|reader| Partition::read(reader, version))?;
            if version >= 8 {
                let _operations = reader.int32()?;
            }
            Ok(Topic {
                error,
                name,
                partitions,
            })
        })?;
        if version >= 8 {
            let _operations = reader.int32()?;
        }
        Ok(Self { brokers, topics })
    }
}

impl Partition {
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        // The error says no more than the leader: without one, or with one that is elsewhere.
        let _error = reader.int16()?;
        let (index, leader) = (reader.int32()?, reader.int32()?);
        if version >= 7 {
            let _leader_epoch = reader.int32()?;
        }
        let _replicas = reader.list(Reader::int32)?;
        let _in_sync = reader.list(Reader::int32)?;
        if version >= 5 {
            let _offline = reader.list(Reader::int32)?;
        }
        Ok(Self { index, leader })
    }
}

/// What became of the batches of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Produced {
    pub(crate) topics: Vec<(String, Vec<ProducedPartition>)>,
    /// How long the broker wants to have peace, in milliseconds.
    pub(crate) throttle_time: i32,
}

/// What became of the batch of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducedPartition {
    pub(crate) index: i32,
    pub(crate) error: i16,
    /// The places in the batch of the records that are at fault, and why; empty where the broker does
    /// not say.
    pub(crate) at_fault: Vec<(i32, Option<String>)>,
    pub(crate) message: Option<String>,
}

impl Produced {
    /// Versions 3 to 8.
    pub(crate) fn read(answer: &[u8], version: i16) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        let topics = reader.list(|reader| {
            let name = reader.string()?.to_owned();
            let partitions = reader.list(|reader| ProducedPartition::read(reader, version))?;
            Ok((name, partitions))
        })?;
        let throttle_time = reader.int32()?;
        Ok(Self {
            topics,
            throttle_time,
        })
    }
}

impl ProducedPartition {
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        let (index, error) = (reader.int32()?, reader.int16()?);
        let _base_offset = reader.int64()?;
        let _log_append_time = reader.int64()?;
        if version >= 5 {
            let _log_start_offset = reader.int64()?;
        }
        let (mut at_fault, mut message) = (Vec::new(), None);
        if version >= 8 {
            at_fault = reader.list(|reader| {
                let place = reader.int32()?;
                Ok((place, reader.nullable_string()?.map(str::to_owned)))
            })?;
            message = reader.nullable_string()?.map(str::to_owned);
        }
        Ok(Self {
            index,
            error,
            at_fault,
            message,
        })
    }
}

/// The answer to the choice of a SASL mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaslHandshake {
    pub(crate) error: i16,
    /// What the broker knows.
    pub(crate) mechanisms: Vec<String>,
}

impl SaslHandshake {
    /// Version 1.
    pub(crate) fn read(answer: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        Ok(Self {
            error: reader.int16()?,
            mechanisms: reader.list(|reader| reader.string().map(str::to_owned))?,
        })
    }
}

/// The answer to one message of a SASL mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaslAuthenticate {
    pub(crate) error: i16,
    pub(crate) message: Option<String>,
    pub(crate) bytes: Vec<u8>,
    /// After which time the broker ends the connection, in milliseconds; 0 for never.
    pub(crate) session_lifetime: i64,
}

impl SaslAuthenticate {
    /// Versions 0 and 1.
    pub(crate) fn read(answer: &[u8], version: i16) -> Result<Self, Malformed> {
        let mut reader = Reader::new(answer);
        Ok(Self {
            error: reader.int16()?,
            message: reader.nullable_string()?.map(str::to_owned),
            bytes: reader.bytes()?.to_vec(),
            session_lifetime: if version >= 1 { reader.int64()? } else { 0 },
        })
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
