//! What objects look like to others.

use millstream_tests::{Emulator, HttpSink};

use super::{archived, archiving_to, create_bucket, no_failure_was_logged, objects, taken};
use crate::setup::{append, append_numbered, numbered, wait_for_delivery};

/// Payloads of every kind: text, text that JSON has to escape, and bytes that are no text.
fn payloads() -> Vec<Vec<u8>> {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut payloads = vec![
        b"plain".to_vec(),
        "ünïcode \u{2028} and \"quotes\"\r\n\u{1}"
            .as_bytes()
            .to_vec(),
        all_bytes.clone(),
        vec![0],
        all_bytes.repeat(300),
    ];
    payloads.extend((0..500).map(|number| format!("reading {number}").into_bytes()));
    payloads
}

#[test]
fn every_form_is_read_back_byte_for_byte_by_other_libraries() {
    let emulator = Emulator::start();
    let endpoint = emulator.endpoint();
    create_bucket(endpoint);
    for (config, ending, content_type) in [
        ("compression = \"none\"", ".jsonl", "application/x-ndjson"),
        ("compression = \"gzip\"", ".jsonl.gz", "application/gzip"),
        ("compression = \"zstd\"", ".jsonl.zst", "application/zstd"),
        ("payload = \"base64\"", ".jsonl.gz", "application/gzip"),
        (
            "format = \"parquet\"",
            ".parquet",
            "application/vnd.apache.parquet",
        ),
        (
            "format = \"parquet\", compression = \"none\"",
            ".parquet",
            "application/vnd.apache.parquet",
        ),
    ] {
        let prefix = config.replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let key = format!(", key = \"{prefix}/{{first}}.{{ext}}\", {config}");
        let host = archiving_to(endpoint, &key).start();
        append(&host, payloads());
        wait_for_delivery(&host, payloads().len() as u64);
        let mut objects = objects(endpoint);
        objects.retain(|object| object.key.starts_with(&format!("{prefix}/")));
        let rows: Vec<_> = objects.iter().flat_map(|object| &object.rows).collect();
        assert_eq!(rows.len(), payloads().len(), "{config}");
        for (place, ((number, time, payload), wanted)) in rows.iter().zip(payloads()).enumerate() {
            assert_eq!(*number, place as u64, "{config}");
            assert!(*time > 1_700_000_000_000, "{config}: {time}");
            assert!(*payload == wanted, "{config}: message {number}");
        }
        for object in &objects {
            assert!(object.key.ends_with(ending), "{}", object.key);
            assert_eq!(object.told["contentType"], content_type);
            assert!(object.told["contentEncoding"].is_null());
        }
        no_failure_was_logged(&host);
    }
}

#[test]
fn a_batch_is_one_object_and_its_key_and_metadata_say_what_is_in_it() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let mut exporting = archiving_to(
        emulator.endpoint(),
        ", storageClass = \"STANDARD_IA\", serverSideEncryption = \"aws:kms\"",
    );
    exporting.batch_size = Some(40);
    let host = exporting.start();
    append_numbered(&host, 0..80);
    wait_for_delivery(&host, 80);
    let objects = objects(emulator.endpoint());
    assert_eq!(archived(&objects), (0..80).collect::<Vec<_>>());
    for object in &objects {
        let (numbers, metadata) = (object.numbers(), &object.told["metadata"]);
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        assert!(numbers.len() <= 40);
        assert_eq!(metadata["stream"], "s");
        assert_eq!(metadata["first-sequence-number"], first.to_string());
        assert_eq!(metadata["last-sequence-number"], last.to_string());
        assert_eq!(metadata["messages"], numbers.len().to_string());
        let parts: Vec<_> = object.key.split('/').collect();
        let [stream, year, month, day, name] = parts[..] else {
            panic!("{}", object.key);
        };
        let prefix = format!("{first:020}-{last:020}-{year}{month}{day}T");
        assert_eq!(stream, "s");
        assert!(
            name.starts_with(&prefix) && name.ends_with("Z.jsonl.gz"),
            "{}",
            object.key
        );
        assert_eq!(object.told["storageClass"], "STANDARD_IA");
        assert_eq!(object.told["encryption"], "aws:kms");
    }
    no_failure_was_logged(&host);
    assert!(!host.log().contains("a-secret-of-the-host"));
}

#[test]
fn a_parquet_file_has_its_types_and_codecs() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let config = ", format = \"parquet\", payload = \"text\"";
    let host = archiving_to(emulator.endpoint(), config).start();
    append_numbered(&host, 0..10);
    wait_for_delivery(&host, 10);
    for object in objects(emulator.endpoint()) {
        let parquet = &object.told["parquet"];
        let types = ["uint64", "timestamp[ms, tz=UTC]", "string"];
        assert_eq!(parquet["types"], serde_json::json!(types));
        assert_eq!(
            parquet["compression"],
            serde_json::json!(["GZIP", "GZIP", "GZIP"])
        );
        assert_eq!(parquet["stream"], "s");
    }
}

#[test]
fn one_request_is_made_for_each_object_and_the_host_alone_signs_it() {
    let sink = HttpSink::scripted(|_, _| taken());
    let mut exporting = archiving_to(&sink.endpoint(), ", compression = \"none\"");
    exporting.batch_size = Some(10);
    let host = exporting.start();
    append_numbered(&host, 0..100);
    wait_for_delivery(&host, 100);
    let requests = sink.requests();
    let written: Vec<_> = requests.iter().flat_map(super::payloads).collect();
    assert_eq!(written, (0..100).map(numbered).collect::<Vec<_>>());
    let mut keys: Vec<_> = requests.iter().map(|request| &request.path).collect();
    assert!(keys.is_sorted(), "keys are in the order of the stream");
    keys.dedup();
    assert_eq!(keys.len(), requests.len());
    for request in &requests {
        assert_eq!(request.method, "PUT");
        let authorization = request.header("authorization");
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
                && authorization.contains("/eu-central-1/s3/aws4_request"),
            "{authorization}"
        );
        assert_eq!(request.header("x-millstream-aws-sign"), "");
    }
    no_failure_was_logged(&host);
}

#[test]
fn the_largest_message_is_archived_in_every_form() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(10 << 20)
    .collect();
    for (prefix, config) in [
        ("gzip", "compression = \"gzip\""),
        ("zstd", "compression = \"zstd\""),
        ("parquet", "format = \"parquet\""),
    ] {
        let key = format!(", key = \"{prefix}/{{first}}.{{ext}}\", {config}");
        let host = archiving_to(emulator.endpoint(), &key).start();
        append(&host, [noise.clone(), b"behind".to_vec()]);
        wait_for_delivery(&host, 2);
        let objects = objects(emulator.endpoint());
        let of_prefix = objects
            .iter()
            .filter(|object| object.key.starts_with(prefix));
        let rows: Vec<_> = of_prefix.flat_map(|object| &object.rows).collect();
        assert!(rows.len() == 2 && rows[0].2 == noise && rows[1].2 == b"behind");
        no_failure_was_logged(&host);
    }
}
