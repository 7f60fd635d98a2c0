//! What a stream is: its size, its life, and its exports (sections 3 and 4).
//!
//! A [`MessageStreamDefinition`] arrives with create and update requests and goes out with
//! describe. Decoding fills in the defaults of the specification and checks every rule, so that a
//! definition in hand is a valid one; the bounds are in the types. On the wire the exports are five
//! lists of five kinds of records that share most of their fields. Here they are one list of
//! [`Export`]s that differ in their [`Destination`] only.
//!
//! A definition also stands for itself: [`MessageStreamDefinition::to_cbor`] and
//! [`MessageStreamDefinition::from_cbor`] keep it on disk in the form it has on the wire.

mod export;
mod read;
mod stream;
mod write;

pub use export::{
    BatchIntervalMillis, BatchSize, Destination, Export, ExportDefinition, ExportFormat,
    ExportKind, MultipartThreshold, Priority, StatusConfig, StatusLevel,
};
pub use stream::{
    MaxSize, MessageStreamDefinition, Persistence, SegmentSize, StrategyOnFull, TimeToLiveMillis,
};

#[cfg(test)]
mod tests;
