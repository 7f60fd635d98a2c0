//! Reads the fields of an answer.
//!
//! Kafka's own rules for what is on the wire (protocol guide, "Protocol Primitive Types"), for versions of
//! messages before the compact ones. No length that is read is believed: what is not there is an error,
//! and memory is taken only for what is.

use super::Malformed;

/// What is left of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(answer: &'a [u8]) -> Self {
        Self(answer)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn int8(&mut self) -> Result<i8, Malformed> {
        self.take().map(i8::from_be_bytes)
    }

    pub(super) fn int16(&mut self) -> Result<i16, Malformed> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn int64(&mut self) -> Result<i64, Malformed> {
        self.take().map(i64::from_be_bytes)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A text; none for null.
    pub(super) fn nullable_string(&mut self) -> Result<Option<&'a str>, Malformed> {
        let Ok(length) = usize::try_from(self.int16()?) else {
            return Ok(None);
        };
        let text = str::from_utf8(self.slice(length)?).map_err(|_| Malformed::NoText)?;
        Ok(Some(text))
    }

    /// A text, empty for null.
    pub(super) fn string(&mut self) -> Result<&'a str, Malformed> {
        Ok(self.nullable_string()?.unwrap_or_default())
    }

    /// Bytes, none for null.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.int32()?).unwrap_or_default();
        self.slice(length)
    }

    /// A list; empty for null.
    pub(super) fn list<T>(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let mut list = Vec::new();
        for _ in 0..self.int32()? {
            list.push(entry(self)?);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_their_order() {
        let mut reader = Reader::new(b"\x01\0\x02\0\0\0\x03\0\0\0\0\0\0\0\x04\0\x02ab\0\0\0\x01c");
        assert_eq!(reader.int8().unwrap(), 1);
        assert_eq!(reader.int16().unwrap(), 2);
        assert_eq!(reader.int32().unwrap(), 3);
        assert_eq!(reader.int64().unwrap(), 4);
        assert_eq!(reader.string().unwrap(), "ab");
        assert_eq!(reader.bytes().unwrap(), b"c");
        assert_eq!(reader.int8(), Err(Malformed::Short));
    }

    #[test]
    fn null_is_nothing() {
        let null = [0xff; 4];
        assert_eq!(Reader::new(&null).nullable_string().unwrap(), None);
        assert_eq!(Reader::new(&null).string().unwrap(), "");
        assert_eq!(Reader::new(&null).bytes().unwrap(), b"");
        assert!(Reader::new(&null).list(Reader::int8).unwrap().is_empty());
    }

    #[test]
    fn lengths_beyond_the_end_are_not_believed() {
        let huge = b"\x7f\xff\xff\xff\0";
        assert_eq!(Reader::new(huge).bytes(), Err(Malformed::Short));
        assert_eq!(Reader::new(huge).string(), Err(Malformed::Short));
        assert_eq!(Reader::new(huge).list(Reader::int64), Err(Malformed::Short));
    }

    #[test]
    fn text_is_text() {
        assert_eq!(Reader::new(b"\0\x01\xff").string(), Err(Malformed::NoText));
    }
}
