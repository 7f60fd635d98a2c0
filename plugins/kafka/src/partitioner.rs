//! Which partition a record goes to.

/// The partition of a key, as the Java client's default partitioner chooses it
/// (`BuiltInPartitioner.partitionForKey`), so that keys lie where other producers put them. None without a
/// partition.
pub(crate) fn of_key(key: &[u8], partitions: usize) -> Option<usize> {
    let positive = murmur2(key) & 0x7fff_ffff;
    (positive as usize).checked_rem(partitions)
}

/// MurmurHash2 of 32 bits with the seed of Kafka (`Utils.murmur2` of its clients).
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's arrays have a length of 31 bits.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, tail) = bytes.as_chunks::<4>();
    let mut hash = SEED ^ length;
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        for (place, byte) in last.iter_mut().zip(tail) {
            *place = *byte;
        }
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    #[expect(clippy::cast_sign_loss, reason = "Java has no unsigned numbers")]
    fn the_hash_is_that_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash as u32, "{key}");
        }
    }

    #[test]
    fn a_key_has_one_partition_of_those_that_are_there() {
        // 479,470,107 modulo 7, and -790,332,482 without its sign.
        assert_eq!(of_key(b"abc", 7), Some(479_470_107 % 7));
        assert_eq!(of_key(b"foobar", 10), Some(((1 << 31) - 790_332_482) % 10));
        assert_eq!(of_key(b"abc", 0), None);
    }
}
