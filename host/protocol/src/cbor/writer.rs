//! Writing what peers read.

use bytes::{BufMut, BytesMut};

/// Appends CBOR items to a buffer.
pub(crate) struct Writer<'a>(&'a mut BytesMut);

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut BytesMut) -> Self {
        Self(out)
    }

    /// Writes the head of an item: its major type and its length or value, in the shortest form.
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        if let Ok(byte) = u8::try_from(value) {
            if byte < 24 {
                self.0.put_u8(major | byte);
            } else {
                self.0.put_slice(&[major | 24, byte]);
            }
        } else if let Ok(short) = u16::try_from(value) {
            self.0.put_u8(major | 25);
            self.0.put_u16(short);
        } else if let Ok(word) = u32::try_from(value) {
            self.0.put_u8(major | 26);
            self.0.put_u32(word);
        } else {
            self.0.put_u8(major | 27);
            self.0.put_u64(value);
        }
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.head(0, value);
    }

    /// Writes a number, or -1 where there is none (section 2).
    pub(crate) fn uint_or_minus_one(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.uint(value),
            None => self.head(1, 0),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(2, value.len() as u64);
        self.0.put_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(3, value.len() as u64);
        self.0.put_slice(value.as_bytes());
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.0.put_u8(if value { 0xf5 } else { 0xf4 });
    }

    /// Writes a list of definite length, each element with `each`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut each: impl FnMut(&mut Writer<'_>, T),
    ) {
        let items = items.into_iter();
        self.head(4, items.len() as u64);
        for item in items {
            each(self, item);
        }
    }

    /// Writes a map of indefinite length, whose fields `fields` writes.
    pub(crate) fn map(&mut self, fields: impl FnOnce(&mut Map<'_>)) {
        self.0.put_u8(0xbf);
        fields(&mut Map(Writer(self.0)));
        self.0.put_u8(0xff);
    }
}

/// A map whose fields are being written.
pub(crate) struct Map<'a>(Writer<'a>);

impl<'a> Map<'a> {
    /// Writes a key; what is called on the result writes its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Writer<'a> {
        self.0.text(key);
        &mut self.0
    }
}

/// The size of the head of an item, in bytes.
pub(crate) const fn head_len(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_take_the_shortest_form_and_their_announced_length() {
        for value in [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            u64::from(u32::MAX) + 1,
            u64::MAX,
        ] {
            let mut out = BytesMut::new();
            Writer::new(&mut out).uint(value);
            assert_eq!(out.len(), head_len(value), "{value}");
            assert_eq!(minicbor::Decoder::new(&out).u64().unwrap(), value);
        }
    }

    #[test]
    fn a_map_is_indefinite_and_a_list_definite() {
        let mut out = BytesMut::new();
        Writer::new(&mut out).map(|map| {
            map.key("a").list([1_u64, 2], |writer, n| writer.uint(n));
            map.key("b").boolean(true);
            map.key("c").uint_or_minus_one(None);
        });
        assert_eq!(
            out.as_ref(),
            [
                0xbf, 0x61, b'a', 0x82, 1, 2, 0x61, b'b', 0xf5, 0x61, b'c', 0x20, 0xff
            ]
        );
    }
}
