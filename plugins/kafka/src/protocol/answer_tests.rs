//! Answers of a real broker's code (`kafka-protocol` writes them, in the versions that are read here), one
//! that was recorded, and answers that are none.

use bytes::BytesMut;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, MetadataResponse, ProduceResponse, SaslAuthenticateResponse,
    SaslHandshakeResponse, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::*;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn encode(answer: &impl Encodable, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    answer.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}

fn metadata(version: i16) -> Vec<u8> {
    let broker = |id: i32| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(text("192.0.2.1"))
            .with_port(9092 + id)
            .with_rack(Some(text("rack")))
    };
    let partition = |index, leader: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(leader.into())
            .with_replica_nodes(vec![1.into(), 2.into()])
            .with_isr_nodes(vec![1.into()])
    };
    let topic = MetadataResponseTopic::default()
        .with_error_code(5)
        .with_name(Some(TopicName(text("t"))))
        .with_partitions(vec![partition(0, 2), partition(1, -1)]);
    let answer = MetadataResponse::default()
        .with_brokers(vec![broker(1), broker(2)])
        .with_cluster_id(Some(text("c")))
        .with_topics(vec![topic]);
    encode(&answer, version)
}

#[test]
fn metadata_is_read_in_every_version_that_is_asked_for() {
    for version in 4..=8 {
        let read = Metadata::read(&metadata(version), version).unwrap();
        let brokers = read.brokers.iter().map(|broker| (broker.id, broker.port));
        assert_eq!(brokers.collect::<Vec<_>>(), [(1, 9093), (2, 9094)]);
        assert_eq!(read.brokers[0].host, "192.0.2.1");
        let topic = &read.topics[0];
        assert_eq!((topic.name.as_str(), topic.error), ("t", 5));
        let leaders = topic.partitions.iter().map(|one| (one.index, one.leader));
        assert_eq!(leaders.collect::<Vec<_>>(), [(0, 2), (1, -1)]);
    }
}

/// Version 8, as librdkafka's mock cluster of two brokers answers it for a topic of one partition.
#[test]
fn recorded_metadata_is_read() {
    let recorded =
        b"\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\t127.0.0.1\x00\x00\x92\x0b\xff\xff\
        \x00\x00\x00\x02\x00\t127.0.0.1\x00\x00\xa9?\xff\xff\x00\x17mockCluster155f4a96378c\
        \x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01t\x00\x00\x00\x00\x01\
        \x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\
        \x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\
        \x80\x00\x00\x00\x80\x00\x00\x00";
    let read = Metadata::read(recorded, 8).unwrap();
    assert_eq!((read.brokers[0].port, read.brokers[1].port), (37387, 43327));
    let leader = Partition {
        index: 1,
        leader: 1,
    };
    assert_eq!(read.topics[0].partitions, [leader]);
}

fn produced(version: i16) -> Vec<u8> {
    let mut second = PartitionProduceResponse::default()
        .with_index(1)
        .with_error_code(87);
    if version >= 8 {
        let at_fault = BatchIndexAndErrorMessage::default()
            .with_batch_index(3)
            .with_batch_index_error_message(Some(text("no key")));
        second = second
            .with_record_errors(vec![at_fault])
            .with_error_message(Some(text("one is wrong")));
    }
    let topic = TopicProduceResponse::default()
        .with_name(TopicName(text("t")))
        .with_partition_responses(vec![PartitionProduceResponse::default(), second]);
    let answer = ProduceResponse::default()
        .with_responses(vec![topic])
        .with_throttle_time_ms(70);
    encode(&answer, version)
}

#[test]
fn answers_to_records_are_read_in_every_version_that_is_asked_for() {
    for version in 3..=8 {
        let read = Produced::read(&produced(version), version).unwrap();
        assert_eq!(read.throttle_time, 70);
        let (topic, partitions) = &read.topics[0];
        assert_eq!(topic, "t");
        assert_eq!((partitions[0].index, partitions[0].error), (0, 0));
        assert_eq!((partitions[1].index, partitions[1].error), (1, 87));
        let named = partitions[1].at_fault.as_slice();
        if version >= 8 {
            assert_eq!(named, [(3, Some("no key".to_owned()))]);
            assert_eq!(partitions[1].message.as_deref(), Some("one is wrong"));
        } else {
            assert!(named.is_empty());
        }
    }
}

#[test]
fn versions_and_logins_are_read() {
    let range = ApiVersion::default()
        .with_api_key(0)
        .with_min_version(3)
        .with_max_version(11);
    let answer = encode(
        &ApiVersionsResponse::default().with_api_keys(vec![range]),
        0,
    );
    let read = ApiVersions::read(&answer).unwrap();
    let range = Versions { least: 3, most: 11 };
    assert_eq!((read.error, read.ranges), (0, vec![(0, range)]));

    let answer = SaslHandshakeResponse::default()
        .with_error_code(33)
        .with_mechanisms(vec![text("PLAIN")]);
    let read = SaslHandshake::read(&encode(&answer, 1)).unwrap();
    assert_eq!(
        (read.error, read.mechanisms.as_slice()),
        (33, ["PLAIN".to_owned()].as_slice())
    );

    for version in [0, 1] {
        let mut answer = SaslAuthenticateResponse::default()
            .with_error_code(58)
            .with_error_message(Some(text("no")))
            .with_auth_bytes(b"v=x".as_slice().into());
        if version == 1 {
            answer = answer.with_session_lifetime_ms(7000);
        }
        let read = SaslAuthenticate::read(&encode(&answer, version), version).unwrap();
        assert_eq!((read.error, read.message.as_deref()), (58, Some("no")));
        assert_eq!(read.bytes, b"v=x");
        assert_eq!(read.session_lifetime, i64::from(version) * 7000);
    }
}

/// Whatever is missing at the end, and whatever stands in a single place, is an error or another answer;
/// it never ends the component, and never takes memory for what is not there.
#[test]
fn damaged_answers_do_no_harm() {
    for (answer, read) in [
        (
            metadata(8),
            (|bytes| Metadata::read(bytes, 8).is_ok()) as fn(&[u8]) -> bool,
        ),
        (produced(8), |bytes| Produced::read(bytes, 8).is_ok()),
    ] {
        assert!(read(&answer));
        for end in 0..answer.len() {
            assert!(!read(&answer[..end]), "cut at {end}");
        }
        for place in 0..answer.len() {
            for byte in [0x00, 0x7f, 0x80, 0xff] {
                let mut damaged = answer.clone();
                damaged[place] = byte;
                read(&damaged);
            }
        }
    }
}
