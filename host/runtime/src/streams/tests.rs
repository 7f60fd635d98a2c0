use super::*;
use crate::testing::Recorder;

fn granted() -> (GrantedStreams, Arc<Recorder>, watch::Sender<bool>) {
    let recorder = Recorder::new();
    let (sender, stop) = watch::channel(false);
    let grants = Grants {
        append: vec![crate::StreamPattern::new("out")],
        read: vec![crate::StreamPattern::new("in")],
        ..Grants::default()
    };
    let streams = GrantedStreams {
        streams: recorder.clone(),
        grants: Arc::new(grants),
        section: "plugin.test.grants".into(),
        log: PluginLog::new("test"),
        stop,
    };
    (streams, recorder, sender)
}

const OPTIONS: ReadOptions = ReadOptions {
    start: 0,
    min_count: 1,
    max_count: 1,
    max_bytes: MAX_READ_BYTES,
    timeout: Duration::ZERO,
};

#[tokio::test]
async fn only_granted_streams_are_reached() {
    let (streams, recorder, _stop) = granted();
    let payload = || vec![Bytes::from_static(b"x")];
    assert_eq!(
        streams.append("in", payload()).await,
        Err(StreamError::NotGranted)
    );
    assert_eq!(
        streams.read("out", OPTIONS).await,
        Err(StreamError::NotGranted)
    );
    assert_eq!(streams.append("out", payload()).await, Ok(0));
    assert_eq!(recorder.payloads().len(), 1);
}

#[tokio::test]
async fn wrong_calls_do_not_reach_the_stream() {
    let (streams, recorder, _stop) = granted();
    let large = Bytes::from(vec![0; MAX_APPEND_BYTES / 2 + 1]);
    for payloads in [vec![], vec![Bytes::new()], vec![large.clone(), large]] {
        assert!(matches!(
            streams.append("out", payloads).await,
            Err(StreamError::Invalid(_))
        ));
    }
    for (min_count, max_count) in [(0, 1), (2, 1)] {
        let options = ReadOptions {
            min_count,
            max_count,
            ..OPTIONS
        };
        assert!(matches!(
            streams.read("in", options).await,
            Err(StreamError::Invalid(_))
        ));
    }
    assert!(recorder.payloads().is_empty());
}

#[tokio::test]
async fn asked_to_stop_streams_become_unavailable_and_waiting_reads_return() {
    let (streams, _recorder, stop) = granted();
    let (read, ()) = tokio::join!(streams.read("in", OPTIONS), async {
        stop.send_replace(true);
    });
    assert!(matches!(read, Err(StreamError::Unavailable(_))));
    let payload = vec![Bytes::from_static(b"x")];
    assert!(matches!(
        streams.append("out", payload).await,
        Err(StreamError::Unavailable(_))
    ));
}

#[test]
fn a_read_is_bounded_in_bytes_in_messages_and_in_time() {
    let wanted = streams::ReadOptions {
        start: 3,
        min_count: u32::MAX - 1,
        max_count: u32::MAX,
        timeout_ms: u32::MAX,
    };
    let within = ReadOptions {
        start: 3,
        min_count: 65_536,
        max_count: 65_536,
        max_bytes: 4 << 20,
        timeout: Duration::from_secs(59),
    };
    assert_eq!(ReadOptions::from(wanted), within);
}
