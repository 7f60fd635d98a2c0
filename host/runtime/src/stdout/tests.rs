use tokio::io::AsyncWriteExt;

use super::*;
use crate::testing::Recorder;

const LONGEST: usize = 100;

async fn pump(stream: &Arc<Recorder>, output: &[u8]) -> Result<(), StreamError> {
    pump_from(stream, output, &AtomicBool::new(false)).await
}

async fn pump_from(
    stream: &Arc<Recorder>,
    output: &[u8],
    cut: &AtomicBool,
) -> Result<(), StreamError> {
    let (_sender, stop) = watch::channel(false);
    let pump = LinePump {
        streams: stream.clone(),
        stream: "s".into(),
        longest_line: LONGEST,
        log: PluginLog::new("t"),
        stop,
    };
    let (mut guest, host) = tokio::io::duplex(PIPE);
    let write = async move {
        // The pump may have given up; then the rest has no reader.
        let _ = guest.write_all(output).await;
    };
    tokio::join!(pump.run(host, cut), write).0
}

#[tokio::test]
async fn each_line_becomes_a_message_and_the_last_needs_no_end() {
    let stream = Recorder::refusing(vec![]);
    pump(&stream, b"one\r\n\ntwo\nthree").await.unwrap();
    assert_eq!(stream.payloads(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_line_beyond_the_limit_is_left_out_and_its_neighbours_stay() {
    let mut output = b"before\n".to_vec();
    output.resize(output.len() + LONGEST + 1, b'x');
    output.extend_from_slice(b"\n");
    output.resize(output.len() + LONGEST, b'y');
    output.extend_from_slice(b"\nafter\n");
    let stream = Recorder::refusing(vec![]);
    pump(&stream, &output).await.unwrap();
    let longest = "y".repeat(LONGEST);
    assert_eq!(stream.payloads(), ["before", &longest, "after"]);
}

#[tokio::test]
async fn what_a_guest_was_writing_when_it_was_cut_off_is_no_message() {
    let stream = Recorder::refusing(vec![]);
    pump_from(&stream, b"whole\nhal", &AtomicBool::new(true))
        .await
        .unwrap();
    assert_eq!(stream.payloads(), ["whole"]);
}

#[tokio::test]
async fn a_full_stream_is_waited_for() {
    let stream = Recorder::refusing(vec![StreamError::Full]);
    pump(&stream, b"one\n").await.unwrap();
    assert_eq!(stream.payloads(), ["one"]);
}

#[tokio::test]
async fn a_line_that_can_never_fit_costs_only_itself() {
    let stream = Recorder::refusing(vec![
        StreamError::Invalid("too large".into()),
        StreamError::Invalid("too large".into()),
    ]);
    pump(&stream, b"large\nsmall\n").await.unwrap();
    assert_eq!(stream.payloads(), ["small"]);
}

#[tokio::test]
async fn a_missing_stream_ends_the_pump() {
    let stream = Recorder::refusing(vec![StreamError::NotFound]);
    assert_eq!(
        pump(&stream, b"one\ntwo\n").await,
        Err(StreamError::NotFound)
    );
}
