//! What many clients, large frames and slow readers may cost.

use bytes::{BufMut, BytesMut};
use millstream_protocol::definition::StrategyOnFull;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::Success;
use millstream_protocol::{Bounded, Call, MessageStreamDefinition, ResponseStatusCode};
use millstream_tests::{Host, RawClient, eventually};

fn create(client: &mut RawClient, name: &str) {
    let strategy = StrategyOnFull::OverwriteOldestData;
    let definition = MessageStreamDefinition::new(name.parse().unwrap(), strategy);
    let created = client.call("c", Call::Create(Box::new(definition)));
    assert_eq!(created.outcome, Ok(Success::Created));
}

fn append(size: usize) -> Call {
    Call::Append {
        name: "s".parse().unwrap(),
        payload: vec![b'x'; size].into(),
    }
}

fn read(max: u64, start: u64, timeout_millis: u64) -> Call {
    let options = ReadMessagesOptions {
        desired_start_sequence_number: Bounded::clamped(start),
        max_message_count: Bounded::clamped(max),
        read_timeout_millis: Bounded::clamped(timeout_millis),
        ..ReadMessagesOptions::default()
    };
    Call::Read {
        name: "s".parse().unwrap(),
        options,
    }
}

/// Resident memory of a host in MiB.
fn resident(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024
}

/// The beginning of an append whose frame has a length that never comes together.
fn half_a_frame(length: u32, sent: usize) -> BytesMut {
    let mut frame = RawClient::frame("half", append(sent));
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

#[test]
fn a_client_beyond_the_limit_is_told_so_and_finds_a_place_when_one_is_free() {
    let host = Host::start("server.max-connections = 2");
    let _first = RawClient::connect(host.port());
    let second = RawClient::connect(host.port());
    let (mut third, response) = RawClient::greet(host.port(), None);
    let failure = response.outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::FailedToConnect);
    assert!(
        failure.message.contains("server.max-connections"),
        "{failure}"
    );
    assert!(third.is_closed());
    let refused = host.command(&["stream", "list"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("server.max-connections"), "{said}");
    drop(second);
    eventually("a place is free", || {
        let (_, response) = RawClient::greet(host.port(), None);
        response.outcome.is_ok().then_some(())
    });
}

#[test]
fn strangers_who_say_nothing_do_not_keep_others_out() {
    let host = Host::start("");
    let _strangers: Vec<_> = (0..200).map(|_| RawClient::open(host.port())).collect();
    assert!(
        RawClient::connect(host.port())
            .call("l", Call::List)
            .outcome
            .is_ok()
    );
}

#[test]
fn idle_connections_cost_little() {
    let host = Host::start("");
    let mut busy: Vec<_> = (0..20).map(|_| RawClient::connect(host.port())).collect();
    create(&mut busy[0], "s");
    for client in &mut busy {
        assert!(client.call("a", append(2000)).outcome.is_ok());
    }
    let before = resident(&host);
    let mut idle: Vec<_> = (0..400).map(|_| RawClient::connect(host.port())).collect();
    for client in &mut idle {
        assert!(client.call("a", append(2000)).outcome.is_ok());
    }
    let each = resident(&host).saturating_sub(before) * 1024 / 400;
    assert!(each <= 20, "an idle connection takes {each} KiB");
}

#[test]
fn a_crowd_of_frames_that_have_only_begun_costs_what_has_arrived_and_small_clients_are_served() {
    let host = Host::start("server.frame-time = \"1h\"");
    let mut small = RawClient::connect(host.port());
    create(&mut small, "s");
    let before = resident(&host);
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut client = RawClient::connect(host.port());
        client.send(&half_a_frame(12 << 20, 3000));
        crowd.push(client);
    }
    for number in 0..100 {
        let appended = small.call("a", append(1000));
        let sequence_number = number;
        assert_eq!(appended.outcome, Ok(Success::Appended { sequence_number }));
    }
    let Ok(Success::Messages(messages)) = small.call("r", read(5, 0, 0)).outcome else {
        panic!("messages were expected");
    };
    assert_eq!(messages.len(), 5);
    // A large message finds no room, and says so, and the connection goes on.
    let mut large = RawClient::connect(host.port());
    let failure = large.call("large", append(13 << 20)).outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::OutOfMemoryError);
    assert!(
        failure.message.contains("server.max-in-flight-total"),
        "{failure}"
    );
    assert!(large.call("a", append(1000)).outcome.is_ok());
    let grown = resident(&host).saturating_sub(before);
    assert!(
        grown < 40,
        "{grown} MiB for 200 frames of which nothing has come"
    );
    drop(crowd);
    eventually("a large message finds room again", || {
        large
            .call("large", append(13 << 20))
            .outcome
            .is_ok()
            .then_some(())
    });
}

#[test]
fn a_frame_that_does_not_arrive_in_time_ends_its_connection_and_an_idle_one_stays() {
    let host = Host::start("server.frame-time = \"1s\"");
    let mut idle = RawClient::connect(host.port());
    create(&mut idle, "s");
    for length in [100, 100_000, 16 << 20] {
        let mut client = RawClient::connect(host.port());
        client.send(&half_a_frame(length, 20));
        assert!(client.is_closed());
    }
    host.wait_for_log("a frame did not arrive in time");
    assert!(idle.call("a", append(10)).outcome.is_ok());
}

#[test]
fn readers_who_take_nothing_cost_a_bounded_buffer_and_nobody_else_waits_for_them() {
    let host = Host::start(
        "server.max-frame = \"4 MiB\"\nserver.max-in-flight = \"4 MiB\"\n\
         server.max-in-flight-total = \"8 MiB\"\nstorage.cache = \"1 MiB\"",
    );
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    for _ in 0..40 {
        assert!(client.call("a", append(100_000)).outcome.is_ok());
    }
    let before = resident(&host);
    const READS: usize = 20;
    let mut slow: Vec<_> = (0..20)
        .map(|_| {
            let mut reader = RawClient::connect(host.port());
            for number in 0..READS {
                reader.send(&RawClient::frame(&number.to_string(), read(40, 0, 0)));
            }
            reader
        })
        .collect();
    // Somebody else goes on as if nothing were.
    for _ in 0..50 {
        assert!(client.call("a", append(1000)).outcome.is_ok());
        let Ok(Success::Messages(messages)) = client.call("r", read(3, 40, 0)).outcome else {
            panic!("messages were expected");
        };
        assert!(!messages.is_empty());
    }
    // One result of each of them would be 80 MiB, all of them 1.6 GiB.
    let grown = resident(&host).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB for readers who take nothing");
    // When one of them takes its answers after all, it has each of them once.
    let mut late = slow.remove(0);
    drop(slow);
    let mut ids: Vec<usize> = (0..READS)
        .map(|_| {
            let response = late.response();
            assert!(
                matches!(response.outcome, Ok(Success::Messages(_))),
                "{response:?}"
            );
            response.request_id.unwrap().as_str().parse().unwrap()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..READS).collect::<Vec<_>>());
}

#[test]
fn a_read_gets_all_it_asks_for_while_there_is_room() {
    let host = Host::start("");
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    let mut frames = BytesMut::new();
    for number in 0..3000 {
        frames.put_slice(&RawClient::frame(&number.to_string(), append(1000)));
    }
    client.send(&frames);
    for _ in 0..3000 {
        assert!(client.response().outcome.is_ok());
    }
    let Ok(Success::Messages(messages)) = client.call("r", read(3000, 0, 0)).outcome else {
        panic!("messages were expected");
    };
    let numbers: Vec<_> = messages
        .iter()
        .map(|message| message.sequence_number)
        .collect();
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
}

#[test]
fn reads_that_wait_are_limited_in_all_and_one_more_is_told_so() {
    let host = Host::start("server.max-waiting-reads = 2");
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    let mut waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut reader = RawClient::connect(host.port());
            reader.send(&RawClient::frame("long", read(1, 0, 30_000)));
            // An answer on the same connection: the read before it has its place.
            assert!(reader.call("l", Call::List).outcome.is_ok());
            reader
        })
        .collect();
    let failure = client.call("r", read(1, 0, 30_000)).outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::OutOfMemoryError);
    assert!(failure.message.contains("max-waiting-reads"), "{failure}");
    assert!(client.call("a", append(10)).outcome.is_ok());
    for reader in &mut waiting {
        assert!(matches!(
            reader.response().outcome,
            Ok(Success::Messages(_))
        ));
    }
    eventually("a place is free again", || {
        let response = client.call("r", read(1, 0, 0));
        response.outcome.is_ok().then_some(())
    });
}
