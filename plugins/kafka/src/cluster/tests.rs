//! Connections to a broker of a few lines, over real sockets. It reads requests and writes answers with
//! what the plugin does not use for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes, decode_request_header_from_buffer};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;

/// What a broker does with a request.
enum Reply {
    Answer(Vec<u8>),
    /// These bytes, and nothing around them.
    Raw(&'static [u8]),
    Silence,
}

type Handler = dyn Fn(ApiKey, i16, &mut Bytes) -> Option<Reply> + Send + Sync;

/// A broker that leads one partition of the topic `t`.
struct Fake {
    address: Address,
    /// The kinds of requests that came.
    seen: Arc<Mutex<Vec<ApiKey>>>,
}

impl Fake {
    /// What `handler` leaves to it, it answers as a broker does.
    fn start(
        handler: impl Fn(ApiKey, i16, &mut Bytes) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (Arc::clone(&seen), Arc::new(handler));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, log, handler) = (client.unwrap(), log.clone(), handler.clone());
                std::thread::spawn(move || serve(client, port, &log, &*handler));
            }
        });
        Self {
            address: Address::parse(&format!("127.0.0.1:{port}")).unwrap(),
            seen,
        }
    }

    fn brokers(&self, more: Value) -> Brokers {
        let mut config = json!({
            "brokers": [self.address.to_string()], "topic": "t", "answerTimeMs": 300,
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: Config = serde_json::from_value(config).unwrap();
        Brokers::new(Settings::try_from(config).unwrap(), |name| {
            Ok(format!("the password of {name}"))
        })
    }

    fn seen(&self) -> Vec<ApiKey> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one connection until the client ends it.
fn serve(mut client: TcpStream, port: u16, seen: &Mutex<Vec<ApiKey>>, handler: &Handler) {
    loop {
        let mut length = [0; 4];
        if client.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header = decode_request_header_from_buffer(&mut frame).unwrap();
        assert_eq!(header.client_id.unwrap().as_str(), "millstream");
        let key = ApiKey::try_from(header.request_api_key).unwrap();
        seen.lock().unwrap().push(key);
        let version = header.request_api_version;
        let reply = handler(key, version, &mut frame.clone());
        let answer = match reply.unwrap_or_else(|| Reply::Answer(usual(key, version, frame, port)))
        {
            Reply::Answer(answer) => answer,
            Reply::Raw(bytes) => {
                client.write_all(bytes).unwrap();
                return;
            }
            Reply::Silence => continue,
        };
        let mut whole = u32::try_from(answer.len() + 4)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        whole.extend(header.correlation_id.to_be_bytes());
        whole.extend(answer);
        client.write_all(&whole).unwrap();
    }
}

fn encode(answer: &impl Encodable, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    answer.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}

fn usual(key: ApiKey, version: i16, mut request: Bytes, port: u16) -> Vec<u8> {
    match key {
        ApiKey::ApiVersions => {
            let range = |(key, least, most)| {
                ApiVersion::default()
                    .with_api_key(key as i16)
                    .with_min_version(least)
                    .with_max_version(most)
            };
            let ranges = [
                (ApiKey::Produce, 3, 11),
                (ApiKey::Metadata, 0, 12),
                (ApiKey::SaslAuthenticate, 0, 2),
            ];
            let answer = ApiVersionsResponse::default();
            encode(&answer.with_api_keys(ranges.map(range).to_vec()), version)
        }
        ApiKey::Metadata => {
            let request = MetadataRequest::decode(&mut request, version).unwrap();
            assert!(!request.allow_auto_topic_creation);
            let topics = request.topics.unwrap();
            assert_eq!(topics.len(), 1);
            let broker = MetadataResponseBroker::default()
                .with_node_id(1.into())
                .with_host(StrBytes::from_static_str("127.0.0.1"))
                .with_port(port.into());
            let partition = MetadataResponsePartition::default().with_leader_id(1.into());
            let topic = MetadataResponseTopic::default()
                .with_name(topics[0].name.clone())
                .with_partitions(vec![partition]);
            let answer = MetadataResponse::default()
                .with_brokers(vec![broker])
                .with_topics(vec![topic]);
            encode(&answer, version)
        }
        ApiKey::Produce => {
            let request = ProduceRequest::decode(&mut request, version).unwrap();
            assert_eq!(request.acks, -1, "all replicas that are in sync");
            let topics = request.topic_data.into_iter().map(|topic| {
                let partitions = topic.partition_data.iter().map(|partition| {
                    PartitionProduceResponse::default().with_index(partition.index)
                });
                TopicProduceResponse::default()
                    .with_name(topic.name.clone())
                    .with_partition_responses(partitions.collect())
            });
            let answer = ProduceResponse::default().with_responses(topics.collect());
            encode(&answer, version)
        }
        other => panic!("{other:?}"),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn produce(brokers: &mut Brokers) -> Result<Produced, ExportError> {
    let delivery = Delivery {
        leader: 1,
        batches: vec![(0, Bytes::from_static(b"batch"))],
    };
    brokers.produce(vec![delivery], soon()).remove(0)
}

#[test]
fn a_layout_is_asked_for_once_and_the_connection_is_kept() {
    let fake = Fake::start(|_, _, _| None);
    let mut brokers = fake.brokers(json!({}));
    for _ in 0..2 {
        let layout = brokers.layout(soon()).unwrap();
        assert_eq!(layout.partitions[0].leader, Some(1));
        let produced = produce(&mut brokers).unwrap();
        assert_eq!(produced.topics[0].1[0].error, 0);
    }
    let expected = [
        ApiKey::ApiVersions,
        ApiKey::Metadata,
        ApiKey::Produce,
        ApiKey::Produce,
    ];
    assert_eq!(fake.seen(), expected);

    brokers.forget_layout();
    brokers.layout(soon()).unwrap();
    assert_eq!(fake.seen().last(), Some(&ApiKey::Metadata));
}

#[test]
fn another_broker_is_asked_when_the_first_is_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let fake = Fake::start(|_, _, _| None);
    let both = json!({ "brokers": [gone.to_string(), fake.address.to_string()] });
    assert!(fake.brokers(both).layout(soon()).is_ok());

    let error = fake
        .brokers(json!({ "brokers": [gone.to_string()] }))
        .layout(soon())
        .unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
    assert!(error.reason().contains("cannot be reached"), "{error:?}");
}

#[test]
fn a_broker_that_is_silent_is_left_and_the_cluster_looked_at_again() {
    let fake = Fake::start(|key, _, _| (key == ApiKey::Produce).then_some(Reply::Silence));
    let mut brokers = fake.brokers(json!({}));
    brokers.layout(soon()).unwrap();
    let error = produce(&mut brokers).unwrap_err();
    assert!(
        error.reason().contains("does not answer in time"),
        "{error:?}"
    );
    brokers.layout(soon()).unwrap();
    let again = [ApiKey::ApiVersions, ApiKey::Metadata];
    assert!(fake.seen().ends_with(&again), "{:?}", fake.seen());
}

#[test]
fn answers_in_another_protocol_are_called_that() {
    for (bytes, why) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), "too long"),
        (b"\0\0\0\x02\0\0", "ends too early"),
        (b"\0\0\0\x08\xff\0\0\0\0\0\0\0", "belongs to no request"),
        (b"\0\0\0\x06\0\0\0\x01\0\0", "ends too early"),
        (b"\x15\x03\x03", "closed the connection"),
    ] {
        let fake = Fake::start(move |_, _, _| Some(Reply::Raw(bytes)));
        let error = fake.brokers(json!({})).layout(soon()).unwrap_err();
        assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
        assert!(error.reason().contains(why), "{error:?}");
    }
}

#[test]
fn a_broker_that_is_too_old_is_for_the_operator() {
    let fake = Fake::start(|key, version, _| {
        let old = ApiVersion::default().with_api_key(3).with_max_version(1);
        let answer = ApiVersionsResponse::default().with_api_keys(vec![old]);
        (key == ApiKey::ApiVersions).then(|| Reply::Answer(encode(&answer, version)))
    });
    let error = fake.brokers(json!({})).layout(soon()).unwrap_err();
    assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
    assert!(error.reason().contains("Metadata"), "{error:?}");
}

/// A broker that asks for a login by PLAIN, and what it answers to one.
fn asking(error: i16, lifetime: i64) -> Fake {
    Fake::start(move |key, version, request| match key {
        ApiKey::SaslHandshake => {
            let request = SaslHandshakeRequest::decode(request, version).unwrap();
            let known = request.mechanism.as_str() == "PLAIN";
            let answer = SaslHandshakeResponse::default()
                .with_error_code(if known { 0 } else { 33 })
                .with_mechanisms(vec![StrBytes::from_static_str("PLAIN")]);
            Some(Reply::Answer(encode(&answer, version)))
        }
        ApiKey::SaslAuthenticate => {
            let request = SaslAuthenticateRequest::decode(request, version).unwrap();
            assert_eq!(request.auth_bytes, b"\0u\0the password of kafka".as_slice());
            let answer = SaslAuthenticateResponse::default()
                .with_error_code(error)
                .with_error_message((error != 0).then(|| StrBytes::from_static_str("No entry.")))
                .with_session_lifetime_ms(lifetime);
            Some(Reply::Answer(encode(&answer, version)))
        }
        _ => None,
    })
}

fn login(mechanism: &str) -> Value {
    json!({ "sasl": { "mechanism": mechanism, "username": "u", "passwordSecret": "kafka" } })
}

#[test]
fn a_login_comes_before_everything_else() {
    let fake = asking(0, 0);
    fake.brokers(login("PLAIN")).layout(soon()).unwrap();
    let expected = [
        ApiKey::ApiVersions,
        ApiKey::SaslHandshake,
        ApiKey::SaslAuthenticate,
        ApiKey::Metadata,
    ];
    assert_eq!(fake.seen(), expected);
}

#[test]
fn a_login_that_is_refused_is_denied_and_an_unknown_mechanism_misconfigured() {
    let error = asking(58, 0)
        .brokers(login("PLAIN"))
        .layout(soon())
        .unwrap_err();
    assert!(matches!(error, ExportError::Denied(_)), "{error:?}");
    assert!(error.reason().contains("No entry"), "{error:?}");

    let error = asking(0, 0)
        .brokers(login("SCRAM-SHA-256"))
        .layout(soon())
        .unwrap_err();
    assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
    assert!(error.reason().contains("it knows PLAIN"), "{error:?}");
}

#[test]
fn a_session_is_left_before_the_broker_ends_it() {
    let fake = asking(0, 1);
    let mut brokers = fake.brokers(login("PLAIN"));
    brokers.layout(soon()).unwrap();
    produce(&mut brokers).unwrap();
    let logins = fake
        .seen()
        .into_iter()
        .filter(|key| *key == ApiKey::SaslHandshake);
    assert_eq!(
        logins.count(),
        2,
        "a session of a millisecond serves one request"
    );
}
