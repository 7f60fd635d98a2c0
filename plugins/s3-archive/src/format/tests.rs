use std::io::Read;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use structured_zstd::decoding::StreamingDecoder;

use super::*;

fn message(sequence_number: u64, payload: &[u8]) -> Message {
    Message {
        sequence_number,
        ingest_time: 1_767_225_600_000 + sequence_number,
        payload: payload.to_vec(),
    }
}

fn encoder(format: Format) -> Encoder {
    Encoder::new("readings".into(), format)
}

fn lines(payload: Payload, compression: Compression) -> Encoder {
    encoder(Format::JsonLines(payload, compression))
}

fn object(encoder: &Encoder, messages: Vec<Message>) -> Object {
    let encoded = encoder.encode(messages).unwrap();
    assert!(encoded.rejected.is_empty(), "{:?}", encoded.rejected);
    encoded.object.unwrap()
}

/// Bytes of every kind: that repeat, that do not, and as many of both as several blocks have.
fn mixed() -> Vec<Message> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let payloads = (0..4000_u64).map(|number| {
        let random = (0..number % 120).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        let mut payload = format!("reading {} ", number / 50).into_bytes();
        payload.extend(random);
        message(number, &payload)
    });
    payloads.collect()
}

#[test]
fn an_object_says_what_is_in_it() {
    let object = object(
        &lines(Payload::Auto, Compression::None),
        vec![message(7, b"a"), message(9, b"\xff")],
    );
    assert_eq!((object.first, object.last, object.messages), (7, 9, 2));
    let text = String::from_utf8(object.body).unwrap();
    assert_eq!(
        text,
        "{\"stream\":\"readings\",\"sequenceNumber\":7,\"ingestTime\":1767225600007,\"payload\":\"a\"}\n\
         {\"stream\":\"readings\",\"sequenceNumber\":9,\"ingestTime\":1767225600009,\"payload\":\"/w==\",\
         \"encoding\":\"base64\"}\n"
    );
}

#[test]
fn compressed_lines_are_the_same_lines() {
    let plain = object(&lines(Payload::Auto, Compression::None), mixed()).body;
    let gzip = object(&lines(Payload::Auto, Compression::Gzip), mixed()).body;
    let zstd = object(&lines(Payload::Auto, Compression::Zstd), mixed()).body;
    assert!(gzip.len() < plain.len() && zstd.len() < plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(gzip.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == plain);
    unpacked.clear();
    StreamingDecoder::new(zstd.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == plain);
}

#[test]
fn a_parquet_file_has_every_message_in_a_row() {
    for gzip in [false, true] {
        let pages = Pages { text: false, gzip };
        let messages = mixed();
        let object = object(&encoder(Format::Parquet(pages)), messages.clone());
        let reader = SerializedFileReader::new(bytes::Bytes::from(object.body)).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().collect();
        assert_eq!(rows.len(), messages.len());
        for (row, message) in rows.iter().zip(&messages) {
            let row = row.as_ref().unwrap();
            assert_eq!(row.get_ulong(0).unwrap(), message.sequence_number);
            let time = row.get_timestamp_millis(1).unwrap();
            assert_eq!(time, message.ingest_time.cast_signed());
            assert_eq!(row.get_bytes(2).unwrap().data(), message.payload);
        }
    }
}

#[test]
fn a_message_that_has_no_place_in_the_form_is_rejected_and_its_neighbours_are_not() {
    let text = Pages {
        text: true,
        gzip: true,
    };
    for encoder in [
        lines(Payload::Text, Compression::Gzip),
        encoder(Format::Parquet(text)),
    ] {
        let messages = vec![message(0, b"a"), message(1, b"\xff"), message(2, b"b")];
        let encoded = encoder.encode(messages).unwrap();
        assert_eq!(encoded.rejected.len(), 1);
        assert_eq!(encoded.rejected[0].index, 1);
        assert!(encoded.rejected[0].reason.contains("`auto`"));
        let object = encoded.object.unwrap();
        assert_eq!((object.first, object.last, object.messages), (0, 2, 2));
        assert!(
            encoder
                .encode(vec![message(1, b"\xff")])
                .unwrap()
                .object
                .is_none()
        );
    }
}

#[test]
fn an_object_takes_what_fits_and_what_fits_into_none_is_rejected() {
    let encoder = lines(Payload::Auto, Compression::None);
    let four = |payload: &[u8]| {
        (0..4)
            .map(|number| message(number, payload))
            .collect::<Vec<_>>()
    };
    // Four times 4 MiB and a little are more than 15 MiB.
    assert_eq!(encoder.fit(&four(&vec![b'x'; 4 << 20])), 3);
    assert_eq!(encoder.fit(&four(&vec![b'x'; 3 << 20])), 4);
    // A control character takes six.
    let huge = vec![1; 3 << 20];
    assert_eq!(
        encoder.fit(&four(&huge)),
        4,
        "what is rejected takes no room"
    );
    let encoded = encoder.encode(four(&huge)).unwrap();
    assert_eq!(encoded.rejected.len(), 4);
    assert!(encoded.object.is_none());
    assert_eq!(encoder.fit(&[]), 0);
}

#[test]
fn bytes_that_cannot_be_compressed_still_make_a_body_that_the_host_signs() {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    // In base64 three bytes become four.
    let messages = vec![message(0, &noise.take(11 << 20).collect::<Vec<_>>())];
    for format in [
        Format::JsonLines(Payload::Auto, Compression::Gzip),
        Format::JsonLines(Payload::Auto, Compression::Zstd),
        Format::Parquet(Pages {
            text: false,
            gzip: true,
        }),
    ] {
        let body = object(&encoder(format), messages.clone()).body;
        assert!(body.len() < 16 << 20, "{format:?}: {}", body.len());
    }
}
