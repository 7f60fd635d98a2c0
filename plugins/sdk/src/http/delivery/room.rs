//! How much one request carries.

use super::Parcel;
use crate::log;

/// The smallest size to which time limits bring a request; a larger parcel still goes, alone.
const LEAST_BYTES: u64 = 64 << 10;

/// The room of the next request. A list that was not taken in time makes it smaller, so that a slow
/// line carries small lists instead of nothing; lists that fill it and are taken let it grow again.
#[derive(Debug)]
pub(super) enum Room {
    /// One parcel.
    One,
    /// As many as have this many bytes together.
    Bytes {
        /// Now.
        now: u64,
        /// When all is well.
        most: u64,
    },
}

impl Room {
    pub(super) fn of(most: u64) -> Self {
        Self::Bytes { now: most, most }
    }

    /// How many parcels from the front make the next request: at least one, if there is one.
    pub(super) fn fit(&self, parcels: &[impl Parcel]) -> usize {
        let fitting = match self {
            Self::One => 1,
            Self::Bytes { now, .. } => {
                let mut rest = *now;
                parcels
                    .iter()
                    .take_while(|parcel| match rest.checked_sub(parcel.bytes()) {
                        Some(less) => {
                            rest = less;
                            true
                        }
                        None => false,
                    })
                    .count()
            }
        };
        fitting.max(1).min(parcels.len())
    }

    /// A request was taken: a bit more may be, if it was of about this size.
    pub(super) fn taken(&mut self, parcels: &[impl Parcel]) {
        if let Self::Bytes { now, most } = self
            && sum(parcels) >= *now / 2
        {
            *now = (*now + *now / 8).min(*most);
        }
    }

    /// A request was too large for the time that it had.
    pub(super) fn too_large(&mut self, parcels: &[impl Parcel]) {
        if let Self::Bytes { now, .. } = self {
            let smaller = (sum(parcels) / 2).max(LEAST_BYTES);
            if smaller < *now {
                *now = smaller;
                log::warn(&format!(
                    "requests take too long; the next one carries {} KiB at most",
                    smaller / 1024
                ));
            }
        }
    }
}

fn sum(parcels: &[impl Parcel]) -> u64 {
    parcels.iter().map(Parcel::bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    const MAX_BYTES: u64 = 16 << 20;

    fn messages(count: usize, bytes: usize) -> Vec<Message> {
        let message = |sequence_number| Message {
            sequence_number,
            ingest_time: 0,
            payload: vec![b'x'; bytes],
        };
        (0..count as u64).map(message).collect()
    }

    #[test]
    fn a_room_for_one_stays_one_whatever_happens() {
        let mut room = Room::One;
        let batch = messages(3, 10);
        assert_eq!((room.fit(&batch), room.fit(&batch[..0])), (1, 0));
        room.too_large(&batch);
        room.taken(&batch);
        assert_eq!(room.fit(&batch), 1);
    }

    #[test]
    fn a_list_carries_everything_until_time_is_up() {
        let mut room = Room::of(MAX_BYTES);
        let batch = messages(500, 32 << 10);
        assert_eq!((room.fit(&batch), room.fit(&batch[..0])), (500, 0));
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
        let mut room = Room::of(MAX_BYTES);
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
        let mut room = Room::of(MAX_BYTES);
        let batch = messages(2, 1 << 20);
        for sent in [2, 1, 1, 1] {
            room.too_large(&batch[..sent]);
            assert_eq!(room.fit(&batch), 1);
        }
    }
}
