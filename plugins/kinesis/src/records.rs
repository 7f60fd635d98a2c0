//! Records, the call that carries them, and what became of each.

#[cfg(test)]
mod tests;

use millstream_aws::{CallError, CallLimits, Fault, Operation, Outcome, Placed};
use millstream_plugin::Message;

use crate::config::{CLASSIC_RECORD_BYTES, Settings};
use crate::partition_key::{PartitionKey, UUID_BYTES, Uuids};

/// Records in one `PutRecords` call (API reference of `PutRecords`).
pub(crate) const MAX_RECORDS_A_CALL: u32 = 500;

/// The one operation of the service that an export needs.
pub(crate) trait PutRecords {
    /// Makes one call with at least one record, each a key and data; an outcome for each, in their order.
    fn put_records(&mut self, records: &[(String, &[u8])]) -> Result<Vec<Outcome>, CallError>;
}

/// `PutRecords` to one Kinesis stream.
#[derive(Debug)]
pub(crate) struct Records<S> {
    service: S,
    partition_key: PartitionKey,
    uuids: Uuids,
    max_record_bytes: u64,
    max_call_bytes: u64,
}

/// A message on its way to Kinesis.
#[derive(Debug)]
pub(crate) struct Record {
    /// None, if it gets a random one when it is sent.
    key: Option<String>,
    /// The message's payload.
    data: Vec<u8>,
}

impl<S> Records<S> {
    pub(crate) fn new(service: S, settings: Settings) -> Self {
        Self {
            service,
            partition_key: settings.partition_key,
            uuids: Uuids::default(),
            max_record_bytes: settings.max_record_bytes,
            max_call_bytes: settings.max_call_bytes,
        }
    }
}

impl<S: PutRecords> Operation for Records<S> {
    type Entry = Record;

    fn limits(&self) -> CallLimits {
        CallLimits {
            entries: MAX_RECORDS_A_CALL as usize,
            bytes: self.max_call_bytes,
        }
    }

    fn entry(&mut self, message: Message) -> Result<Record, String> {
        let record = Record {
            key: self.partition_key.of(&message.payload),
            data: message.payload,
        };
        let bytes = self.bytes(&record);
        if bytes > self.max_record_bytes {
            return Err(format!(
                "The record has {bytes} bytes with its key, more than the {} of `maxRecordBytes`.",
                self.max_record_bytes
            ));
        }
        Ok(record)
    }

    /// The size that the service's limits speak of: data before base64, and the key.
    fn bytes(&self, record: &Record) -> u64 {
        let key = record.key.as_ref().map_or(UUID_BYTES, String::len);
        (record.data.len() + key) as u64
    }

    fn send(&mut self, records: &[Placed<Record>]) -> Result<Vec<Outcome>, CallError> {
        let mut call = Vec::with_capacity(records.len());
        for Placed { entry, .. } in records {
            let key = match &entry.key {
                Some(key) => key.clone(),
                None => self.uuids.take().map_err(CallError::Failed)?,
            };
            call.push((key, entry.data.as_slice()));
        }
        match (self.service.put_records(&call), records) {
            // Larger than what every stream takes: that, and not the configuration, is at fault.
            (
                Err(CallError::Refused {
                    fault: Fault::Content(reason),
                    ..
                }),
                [record],
            ) if self.bytes(&record.entry) > CLASSIC_RECORD_BYTES => {
                Ok(vec![Outcome::Rejected(reason)])
            }
            (outcome, _) => outcome,
        }
    }
}
