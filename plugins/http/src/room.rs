//! How much one request carries.

use millstream_plugin::{Message, log};

use crate::config::Format;

/// Bytes of payload a batch, and so at most a request. With base64 it stays far inside the memory that
/// an instance has.
pub(crate) const MAX_BYTES: u64 = 16 << 20;
/// The smallest size to which time limits bring a request; a larger message still goes, alone.
const LEAST_BYTES: u64 = 64 << 10;

/// The room of the next request. A list that was not taken in time makes it smaller, so that a slow
/// line carries small lists instead of nothing; lists that fill it and are taken let it grow again.
#[derive(Debug)]
pub(crate) enum Room {
    /// One message.
    One,
    /// As many as have this many bytes of payload together.
    Bytes(u64),
}

impl Room {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Raw => Self::One,
            Format::Json => Self::Bytes(MAX_BYTES),
        }
    }

    /// How many messages from the front make the next request: at least one, if there is one.
    pub(crate) fn fit(&self, messages: &[Message]) -> usize {
        let fitting = match self {
            Self::One => 1,
            Self::Bytes(bytes) => {
                let mut rest = *bytes;
                messages
                    .iter()
                    .take_while(|message| match rest.checked_sub(size(message)) {
                        Some(less) => {
                            rest = less;
                            true
                        }
                        None => false,
                    })
                    .count()
            }
        };
        fitting.max(1).min(messages.len())
    }

    /// A request was taken: a bit more may be, if it was of about this size.
    pub(crate) fn taken(&mut self, messages: &[Message]) {
        if let Self::Bytes(bytes) = self
            && sum(messages) >= *bytes / 2
        {
            *bytes = (*bytes + *bytes / 8).min(MAX_BYTES);
        }
    }

    /// A request was too large for the time that it had.
    pub(crate) fn too_large(&mut self, messages: &[Message]) {
        if let Self::Bytes(bytes) = self {
            let smaller = (sum(messages) / 2).max(LEAST_BYTES);
            if smaller < *bytes {
                *bytes = smaller;
                log::warn(&format!(
                    "requests take too long; the next one carries {} KiB at most",
                    smaller / 1024
                ));
            }
        }
    }
}

fn size(message: &Message) -> u64 {
    message.payload.len() as u64
}

fn sum(messages: &[Message]) -> u64 {
    messages.iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: usize, bytes: usize) -> Vec<Message> {
        let message = |sequence_number| Message {
            sequence_number,
            ingest_time: 0,
            payload: vec![b'x'; bytes],
        };
        (0..count as u64).map(message).collect()
    }

    #[test]
    fn a_raw_request_carries_one_message_whatever_happens() {
        let mut room = Room::new(Format::Raw);
        let batch = messages(3, 10);
        assert_eq!((room.fit(&batch), room.fit(&[])), (1, 0));
        room.too_large(&batch);
        room.taken(&batch);
        assert_eq!(room.fit(&batch), 1);
    }

    #[test]
    fn a_list_carries_everything_until_time_is_up() {
        let mut room = Room::new(Format::Json);
        let batch = messages(500, 32 << 10);
        assert_eq!((room.fit(&batch), room.fit(&[])), (500, 0));
        room.too_large(&batch);
        assert_eq!(room.fit(&batch), 250);
        room.too_large(&batch[..250]);
        assert_eq!(room.fit(&batch), 125);
        let mut requests = 0;
        while room.fit(&batch) < 500 {
            room.taken(&batch[..room.fit(&batch)]);
            requests += 1;
        }
        assert!((5..30).contains(&requests), "{requests}");
    }

    #[test]
    fn small_lists_say_nothing_about_large_ones() {
        let mut room = Room::new(Format::Json);
        let batch = messages(500, 32 << 10);
        room.too_large(&batch);
        for _ in 0..100 {
            room.taken(&batch[..100]);
        }
        assert_eq!(room.fit(&batch), 250);
        room.too_large(&messages(1, 10));
        assert_eq!(room.fit(&batch), 2, "no smaller than 64 KiB");
    }

    #[test]
    fn a_message_larger_than_the_room_goes_alone() {
        let mut room = Room::new(Format::Json);
        let batch = messages(2, 1 << 20);
        for sent in [2, 1, 1, 1] {
            room.too_large(&batch[..sent]);
            assert_eq!(room.fit(&batch), 1);
        }
    }
}
