use bytes::{Bytes, BytesMut};

use super::*;
use crate::cbor::{Map, Writer};
use crate::{Name, ProtocolError};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Decodes a definition that has a name, a strategy, and these fields.
fn decode(fields: impl FnOnce(&mut Map<'_>)) -> Result<MessageStreamDefinition, ProtocolError> {
    let mut out = BytesMut::new();
    Writer::new(&mut out).map(|map| {
        map.key("name").text("s");
        map.key("strategyOnFull").uint(0);
        fields(map);
    });
    MessageStreamDefinition::from_cbor(&out.freeze())
}

/// Decodes a definition with one export of a kind, which has an identifier and these fields.
fn decode_export(
    kind: ExportKind,
    fields: impl FnOnce(&mut Map<'_>),
) -> Result<Export, ProtocolError> {
    let definition = decode(|map| {
        map.key("exportDefinition").map(|map| {
            map.key(kind.key()).list([fields], |writer, fields| {
                writer.map(|map| {
                    map.key("identifier").text("e");
                    fields(map);
                });
            });
        });
    })?;
    Ok(definition.exports.get("e").unwrap().clone())
}

fn message<T: std::fmt::Debug>(result: Result<T, ProtocolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_a_definition_leaves_out_has_its_default() {
    let definition = decode(|_| {}).unwrap();
    assert_eq!(
        definition,
        MessageStreamDefinition::new(name("s"), StrategyOnFull::RejectNewData)
    );
    assert_eq!(definition.max_size.get(), 268_435_456);
    assert_eq!(definition.stream_segment_size.get(), 16_777_216);
    assert_eq!(definition.persistence, Persistence::File);
    assert!(!definition.flush_on_write);
}

#[test]
fn a_definition_needs_a_name_and_a_strategy() {
    let mut out = BytesMut::new();
    Writer::new(&mut out).map(|map| map.key("name").text("s"));
    assert_eq!(
        message(MessageStreamDefinition::from_cbor(&out.freeze())),
        "The field strategyOnFull is missing."
    );
    assert_eq!(
        message(MessageStreamDefinition::from_cbor(&Bytes::from_static(&[
            0xa0
        ]))),
        "The field name is missing."
    );
}

#[test]
fn numbers_of_a_definition_keep_to_their_bounds() {
    for (key, least, greatest) in [
        ("maxSize", 1024, i64::MAX.unsigned_abs()),
        ("streamSegmentSize", 1024, 2_147_483_647),
        ("timeToLiveMillis", 60_000, 9_223_372_036_854),
    ] {
        for good in [least, greatest] {
            let decoded = decode(|map| {
                if key == "streamSegmentSize" {
                    map.key("maxSize").uint(good);
                }
                map.key(key).uint(good);
            });
            assert!(decoded.is_ok(), "{key} {good}");
        }
        for bad in [least - 1, greatest + 1] {
            assert_eq!(
                message(decode(|map| map.key(key).uint(bad))),
                format!("The field {key} must be between {least} and {greatest}, but it is {bad}.")
            );
        }
    }
}

#[test]
fn unknown_numbers_of_enumerations_are_refused_with_the_known_ones() {
    assert_eq!(
        message(decode(|map| map.key("persistence").uint(2))),
        "The field persistence must be one of 0 (File), 1 (Memory), but it is 2."
    );
}

#[test]
fn only_a_default_segment_is_brought_down_to_the_size_of_the_stream() {
    let sizes = |max: u64, segment: u64| {
        decode(|map| {
            map.key("maxSize").uint(max);
            map.key("streamSegmentSize").uint(segment);
        })
    };
    let small = sizes(1_000_000, 16_777_216).unwrap();
    assert_eq!(small.stream_segment_size.get(), 1_000_000);
    let least = decode(|map| map.key("maxSize").uint(1024)).unwrap();
    assert_eq!(least.stream_segment_size.get(), 1024);
    assert!(sizes(1_000_000, 1_000_000).is_ok());
    assert_eq!(
        message(sizes(1_000_000, 1_000_001)),
        "The field streamSegmentSize must not be above maxSize, which is 1000000, but it is 1000001."
    );
}

#[test]
fn of_a_list_of_exports_that_comes_twice_the_last_counts() {
    let exports = decode(|map| {
        map.key("exportDefinition").map(|map| {
            for identifier in ["first", "last"] {
                map.key("IotSitewise").list([identifier], |writer, text| {
                    writer.map(|map| map.key("identifier").text(text));
                });
            }
        });
    });
    let exports = exports.unwrap().exports;
    assert_eq!(exports.len(), 1);
    assert!(exports.get("last").is_some());
}

#[test]
fn an_export_has_the_defaults_of_its_kind() {
    for (kind, target, batch) in [
        (ExportKind::Http, Some("uri"), 500),
        (ExportKind::IotAnalytics, Some("iotChannel"), 100),
        (ExportKind::Kinesis, Some("kinesisStreamName"), 500),
        (ExportKind::IotSitewise, None, 10),
        (ExportKind::S3TaskExecutor, None, 1),
    ] {
        let export = decode_export(kind, |map| {
            if let Some(key) = target {
                map.key(key).text("t");
            }
        })
        .unwrap();
        assert_eq!(export.kind(), kind);
        assert_eq!(export.batch_size.get(), batch);
        assert_eq!(export.priority.get(), 10);
        assert_eq!(export.start_sequence_number, None);
        assert!(!export.disabled);
        assert_eq!(export, Export::new(name("e"), export.destination.clone()));
        if let Some(key) = target {
            let key = format!("exportDefinition.{}[0].{key}", kind.key());
            assert_eq!(
                message(decode_export(kind, |_| {})),
                format!("The field {key} is missing.")
            );
        }
    }
}

#[test]
fn a_batch_keeps_to_the_maximum_of_its_kind() {
    assert_eq!(
        message(decode_export(ExportKind::IotSitewise, |map| map
            .key("batchSize")
            .uint(11))),
        "The field exportDefinition.IotSitewise[0].batchSize must be between 1 and 10, but it is 11."
    );
    let mut export = Export::new(name("e"), Destination::IotSitewise);
    export.batch_size = BatchSize::clamped(11);
    assert_eq!(
        message(ExportDefinition::new(vec![export])),
        "The field e.batchSize must be between 1 and 10, but it is 11."
    );
}

#[test]
fn texts_of_an_export_keep_to_their_lengths() {
    let empty = decode_export(ExportKind::Http, |map| map.key("uri").text(""));
    assert_eq!(
        message(empty),
        "The field exportDefinition.http[0].uri must not be empty."
    );
    let prefix = |length: usize| {
        decode_export(ExportKind::IotAnalytics, |map| {
            map.key("iotChannel").text("c");
            map.key("iotMsgIdPrefix").text(&"é".repeat(length));
        })
    };
    assert!(prefix(32).is_ok());
    assert!(message(prefix(33)).contains("at most 32 characters, but it has 33"));
}

#[test]
fn identifiers_are_unique_across_all_kinds() {
    let sitewise = Export::new(name("same"), Destination::IotSitewise);
    let kinesis = Export::new(
        name("same"),
        Destination::Kinesis {
            stream_name: "k".to_owned(),
        },
    );
    assert!(
        message(ExportDefinition::new(vec![sitewise, kinesis]))
            .contains("has the identifier \"same\" more than once")
    );
}

#[test]
fn a_stream_has_a_bounded_number_of_exports() {
    let with_exports = |count: usize| {
        decode(|map| {
            map.key("exportDefinition").map(|map| {
                map.key("IotSitewise").list(0..count, |writer, index| {
                    writer.map(|map| map.key("identifier").text(&index.to_string()));
                });
            });
        })
    };
    let most = with_exports(ExportDefinition::MAX_EXPORTS).unwrap();
    assert_eq!(most.exports.len(), ExportDefinition::MAX_EXPORTS);
    assert_eq!(
        message(with_exports(ExportDefinition::MAX_EXPORTS + 1)),
        "The field exportDefinition.IotSitewise has more than 256 elements."
    );
}

#[test]
fn a_status_configuration_reports_at_info_unless_told_otherwise() {
    let export = decode_export(ExportKind::S3TaskExecutor, |map| {
        map.key("statusConfig")
            .map(|map| map.key("statusStreamName").text("st"));
    });
    let Destination::S3TaskExecutor {
        multipart_threshold,
        status: Some(status),
    } = export.unwrap().destination
    else {
        panic!("no S3 export");
    };
    assert_eq!(multipart_threshold.get(), 5_242_880);
    assert_eq!(status.level, StatusLevel::Info);
    assert_eq!(status.stream_name, Some(name("st")));
}

#[test]
fn a_definition_survives_its_own_encoding() {
    let mut definition =
        MessageStreamDefinition::new(name("a.b, c"), StrategyOnFull::OverwriteOldestData);
    definition.time_to_live_millis = Some(TimeToLiveMillis::MIN);
    definition.persistence = Persistence::Memory;
    definition.flush_on_write = true;
    let mut http = Export::new(
        name("h"),
        Destination::Http {
            uri: "plugin:file?path=/out".to_owned(),
            format: ExportFormat::JsonBatched,
        },
    );
    http.batch_size = BatchSize::clamped(7);
    http.batch_interval_millis = Some(BatchIntervalMillis::MAX);
    http.start_sequence_number = Some(crate::SequenceNumber::MAX);
    http.priority = Priority::MIN;
    http.disabled = true;
    let s3 = Export::new(
        name("s3"),
        Destination::S3TaskExecutor {
            multipart_threshold: MultipartThreshold::MAX,
            status: Some(StatusConfig::default()),
        },
    );
    let analytics = Export::new(
        name("ia"),
        Destination::IotAnalytics {
            channel: "c".to_owned(),
            message_id_prefix: Some("p".to_owned()),
        },
    );
    definition.exports = ExportDefinition::new(vec![s3, http, analytics]).unwrap();
    let copy = MessageStreamDefinition::from_cbor(&definition.to_cbor()).unwrap();
    assert_eq!(copy, definition);
    let order: Vec<_> = copy.exports.iter().map(|e| e.identifier.as_str()).collect();
    assert_eq!(order, ["h", "ia", "s3"], "sorted by kind");
}

#[test]
fn of_two_lists_of_one_kind_the_last_counts() {
    let definition = decode(|map| {
        map.key("exportDefinition").map(|map| {
            for identifier in ["first", "last"] {
                map.key("IotSitewise")
                    .list([identifier], |writer, identifier| {
                        writer.map(|map| map.key("identifier").text(identifier));
                    });
            }
        });
    });
    let exports = definition.unwrap().exports;
    let identifiers: Vec<_> = exports.iter().map(|e| e.identifier.as_str()).collect();
    assert_eq!(identifiers, ["last"]);
}
