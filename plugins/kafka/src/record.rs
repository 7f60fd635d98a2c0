//! A message as a record, and records as a batch.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use millstream_plugin::Message;

use crate::key::Key;

/// The header with the stream's name.
const STREAM: StrBytes = StrBytes::from_static_str("millstream-stream");
/// The header with the message's number, in decimal digits.
const SEQUENCE_NUMBER: StrBytes = StrBytes::from_static_str("millstream-sequence-number");

/// What a batch has around its records (protocol guide, "Record Batch").
pub(crate) const BATCH_BYTES: u64 = 61;
/// More than what a record has around its key, value and headers: lengths, and places in the batch.
const RECORD_BYTES: u64 = 48;
/// The only format of batches that brokers since 4.0 take.
const MAGIC: i8 = 2;

/// A message on its way to Kafka.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// The message's place in the batch that the host handed over.
    pub(crate) place: usize,
    record: Record,
}

impl Outgoing {
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.record.key.as_deref()
    }

    /// What it needs in a batch at most, in bytes before compression.
    pub(crate) fn bytes(&self) -> u64 {
        let record = &self.record;
        let headers = record
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len));
        let parts = record.key.as_ref().map_or(0, Bytes::len)
            + record.value.as_ref().map_or(0, Bytes::len)
            + headers.sum::<usize>();
        RECORD_BYTES + parts as u64
    }
}

/// Makes records of the messages of one stream.
#[derive(Debug)]
pub(crate) struct Records {
    stream_name: Bytes,
    key: Key,
}

impl Records {
    pub(crate) fn new(stream_name: &str, key: Key) -> Self {
        Self {
            stream_name: Bytes::copy_from_slice(stream_name.as_bytes()),
            key,
        }
    }

    /// The record of a message. Its time is when the host took the message.
    pub(crate) fn of(&self, place: usize, message: Message) -> Outgoing {
        let key = self.key.of(&message.payload);
        let number = Bytes::from(message.sequence_number.to_string());
        let headers = IndexMap::from([
            (STREAM, Some(self.stream_name.clone())),
            (SEQUENCE_NUMBER, Some(number)),
        ]);
        let record = Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset: 0,
            sequence: NO_SEQUENCE,
            timestamp: i64::try_from(message.ingest_time).unwrap_or(i64::MAX),
            key,
            value: Some(message.payload.into()),
            headers,
        };
        Outgoing { place, record }
    }
}

/// Records as one batch.
///
/// # Errors
///
/// They are too large for a batch.
pub(crate) fn batch(records: &mut [Outgoing], compression: Compression) -> Result<Bytes, String> {
    // A place in the batch is an offset from its beginning; without numbers of a producer the sequence
    // has to follow, or each record would become a batch of its own.
    for (offset, outgoing) in (0..).zip(records.iter_mut()) {
        outgoing.record.offset = i64::from(offset);
        outgoing.record.sequence = NO_SEQUENCE.wrapping_add(offset);
    }
    let bytes: u64 = records.iter().map(Outgoing::bytes).sum();
    let mut batch = BytesMut::with_capacity(usize::try_from(bytes + BATCH_BYTES).unwrap_or(0));
    let options = RecordEncodeOptions {
        version: MAGIC,
        compression,
    };
    let records = records.iter().map(|outgoing| &outgoing.record);
    RecordBatchEncoder::encode(&mut batch, records, &options).map_err(|error| error.to_string())?;
    Ok(batch.freeze())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;

    fn outgoing(count: u64) -> Vec<Outgoing> {
        let records = Records::new("plant", Key::Fixed("k".to_owned()));
        (0..count)
            .map(|number| {
                let message = Message {
                    sequence_number: number + 7,
                    ingest_time: 1_795_441_166_611 - number,
                    payload: vec![0xff, 0, u8::try_from(number).unwrap()],
                };
                records.of(0, message)
            })
            .collect()
    }

    #[test]
    fn a_batch_holds_all_records_as_they_are() {
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let mut encoded = batch(&mut outgoing(20), compression).unwrap();
            let info = RecordBatchDecoder::decode_batch_info(&mut encoded.clone()).unwrap();
            assert_eq!(info.len(), 1, "one batch");
            assert_eq!(info[0].record_count, 20);
            assert_eq!(info[0].producer_id, NO_PRODUCER_ID);
            assert_eq!(info[0].base_sequence, NO_SEQUENCE);
            assert_eq!(info[0].compression, compression);
            let decoded = RecordBatchDecoder::decode(&mut encoded).unwrap();
            for (number, record) in (0..20_u8).zip(decoded.records) {
                assert_eq!(record.offset, i64::from(number));
                assert_eq!(record.timestamp, 1_795_441_166_611 - i64::from(number));
                assert_eq!(record.key.unwrap(), "k");
                assert_eq!(record.value.unwrap(), [0xff, 0, number].as_slice());
                let headers: Vec<_> = record
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone().unwrap()))
                    .collect();
                let number = Bytes::from((number + 7).to_string());
                assert_eq!(
                    headers,
                    [
                        ("millstream-stream", Bytes::from_static(b"plant")),
                        ("millstream-sequence-number", number),
                    ]
                );
            }
        }
    }

    #[test]
    fn the_room_of_a_record_is_never_less_than_it_takes() {
        for count in [1, 2, 100] {
            let mut records = outgoing(count);
            let most: u64 = records.iter().map(Outgoing::bytes).sum();
            let encoded = batch(&mut records, Compression::None).unwrap();
            assert!(encoded.len() as u64 <= most + BATCH_BYTES);
        }
        let huge = Message {
            sequence_number: u64::MAX,
            ingest_time: u64::MAX,
            payload: vec![1; 1 << 20],
        };
        let records = Records::new(&"s".repeat(255), Key::Fixed("k".repeat(1024)));
        let mut records = [records.of(0, huge)];
        let most = records[0].bytes();
        let encoded = batch(&mut records, Compression::None).unwrap();
        assert!(encoded.len() as u64 <= most + BATCH_BYTES);
    }
}
