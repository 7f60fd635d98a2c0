use super::*;

fn reading<T>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
    let source = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&source);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

#[test]
fn a_whole_float_is_an_integer() {
    let integer = |bytes: &[u8]| reading(bytes, |r| r.integer());
    assert_eq!(integer(&[0xf9, 0x3c, 0x00]).unwrap(), 1);
    assert_eq!(integer(&[0xfa, 0xc0, 0x00, 0x00, 0x00]).unwrap(), -2);
    assert_eq!(
        integer(&[0xfa, 0x5f, 0x00, 0x00, 0x00]).unwrap(),
        i128::from(i64::MAX),
        "2^63 means 2^63 - 1"
    );
    assert_eq!(
        integer(&[0xfb, 0x43, 0xe0, 0, 0, 0, 0, 0, 0]).unwrap(),
        i128::from(i64::MAX)
    );
    let half = integer(&[0xf9, 0x38, 0x00]).unwrap_err();
    assert_eq!(
        half.to_string(),
        "The value must be an integer, but it is 0.5."
    );
    for not_a_number in [[0xf9, 0x7e, 0x00], [0xf9, 0x7c, 0x00], [0xf9, 0xfc, 0x00]] {
        assert!(integer(&not_a_number).is_err());
    }
}

#[test]
fn numbers_beyond_their_bounds_are_named_as_they_came() {
    let too_big = reading(&[0xfb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0], |r| r.unsigned());
    assert_eq!(
        too_big.unwrap_err().to_string(),
        "The value must be between 0 and 9223372036854775807, but it is 18446744073709551616."
    );
    let negative = reading(&[0x20], |r| r.unsigned());
    assert!(negative.unwrap_err().to_string().ends_with("it is -1."));
}

#[test]
fn integers_may_be_wider_than_needed() {
    assert_eq!(
        reading(&[0x1b, 0, 0, 0, 0, 0, 0, 0, 5], |r| r.integer()).unwrap(),
        5
    );
    assert_eq!(reading(&[0x39, 0, 0], |r| r.integer()).unwrap(), -1);
}

#[test]
fn text_and_bytes_may_come_in_chunks() {
    let text = reading(&[0x7f, 0x61, b'a', 0x62, b'b', b'c', 0xff], |r| {
        r.text().map(Cow::into_owned)
    });
    assert_eq!(text.unwrap(), "abc");
    let bytes = reading(&[0x5f, 0x41, 1, 0x42, 2, 3, 0xff], |r| r.bytes());
    assert_eq!(bytes.unwrap().as_ref(), [1, 2, 3]);
}

#[test]
fn bytes_and_names_share_the_memory_of_the_payload() {
    let source = Bytes::from_static(&[0x42, 1, 2]);
    let bytes = Reader::new(&source).bytes().unwrap();
    assert_eq!(bytes.as_ptr(), source.slice(1..).as_ptr());
    let source = Bytes::from_static(&[0x61, b'n']);
    let name = Reader::new(&source).shared_name().unwrap();
    assert_eq!(name.as_str().as_ptr(), source.slice(1..).as_ptr());
    assert_ne!(name.detached().as_str().as_ptr(), name.as_str().as_ptr());
}

#[test]
fn a_null_field_is_as_good_as_absent() {
    let mut seen = Vec::new();
    let map = [0xa3, 0x61, b'a', 0xf6, 0x61, b'b', 0x01, 0x61, b'c', 0xf7];
    reading(&map, |reader| {
        reader.map(|reader, key| {
            seen.push(key.to_owned());
            reader.skip()
        })
    })
    .unwrap();
    assert_eq!(seen, ["b"]);
}

#[test]
fn an_unknown_value_of_any_kind_is_skipped() {
    for value in [
        &[0x00][..],
        &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x43, 1, 2, 3],
        &[0x5f, 0x41, 1, 0xff],
        &[0x7f, 0x61, b'a', 0xff],
        &[0x82, 0x01, 0x9f, 0x02, 0xff],
        &[0xbf, 0x61, b'a', 0xa1, 0x01, 0x9f, 0xff, 0xff],
        &[0xc1, 0x1a, 0, 0, 0, 1],
        &[0xf9, 0, 0],
        &[0xf8, 0x20],
        &[0xf7],
    ] {
        assert_eq!(reading(value, |r| r.skip()), Ok(()), "{value:02x?}");
    }
}

#[test]
fn deep_nesting_is_refused_instead_of_followed() {
    for opener in [&[0x81_u8][..], &[0x9f], &[0xbf, 0x61, b'a'], &[0xc1]] {
        let deep = opener.repeat(100_000);
        let error = reading(&deep, |r| r.skip()).unwrap_err();
        assert!(error.to_string().contains("nests deeper"), "{error}");
    }
}

#[test]
fn a_container_that_lies_about_its_length_ends_with_the_input() {
    for lie in [
        &[0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255][..],
        &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x7b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x9f],
        &[0xbf, 0x61, b'a', 0xff],
    ] {
        assert!(matches!(
            reading(lie, |r| r.skip()),
            Err(ProtocolError::Malformed { .. })
        ));
    }
}

#[test]
fn bytes_after_the_map_are_refused() {
    let error = reading(&[0xa0, 0x00], |reader| reader.map(|r, _| r.skip())).unwrap_err();
    assert!(error.to_string().contains("1 bytes follow"), "{error}");
}

#[test]
fn an_error_names_the_way_through_maps_and_lists() {
    let map = [0xa1, 0x61, b'a', 0x82, 0x01, 0x61, b'x'];
    let error = reading(&map, |reader| {
        reader.map(|reader, _| reader.list(9, Reader::integer).map(drop))
    })
    .unwrap_err();
    assert_eq!(error.to_string(), "The field a[1] must be an integer.");
}
