use std::time::Duration;

use super::*;
use crate::testing::{self, Host, Recorder};

async fn run(
    end: &str,
    streams: &Arc<Recorder>,
    stdout: StdoutTo,
) -> Result<ProducerEnd, RuntimeError> {
    let (_stop_sender, stop) = watch::channel(false);
    run_until(end, streams, stdout, stop).await
}

async fn run_until(
    end: &str,
    streams: &Arc<Recorder>,
    stdout: StdoutTo,
    stop: watch::Receiver<bool>,
) -> Result<ProducerEnd, RuntimeError> {
    let component = Host::new().link(&testing::producer(end)).unwrap();
    let settings = ProducerSettings {
        label: "producer (test)".into(),
        args: vec!["test".into()],
        env: vec![],
        grants: Grants::default(),
        limits: Limits::default(),
        streams: streams.clone(),
        stdout,
        longest_line: 5,
        stop_timeout: Duration::from_secs(3600),
    };
    component.run(settings, stop).await
}

fn out() -> StdoutTo {
    StdoutTo::Stream("out".into())
}

const TRAP: &str = "unreachable";
const EXIT: &str = "(call $exit (i32.const 1))";
const LOOP: &str = "(loop $again (br $again))";
/// Without the line that is too long.
const PRINTED: [&str; 2] = ["first", "third"];

#[tokio::test]
async fn lines_of_the_output_become_messages() {
    let streams = Recorder::new();
    assert_eq!(
        run("", &streams, out()).await.unwrap(),
        ProducerEnd::Finished
    );
    assert_eq!(streams.payloads(), PRINTED);
}

#[tokio::test]
async fn the_log_takes_the_output_if_no_stream_does() {
    let streams = Recorder::new();
    assert_eq!(
        run("", &streams, StdoutTo::Log).await.unwrap(),
        ProducerEnd::Finished
    );
    assert!(streams.payloads().is_empty());
}

#[tokio::test]
async fn an_exit_code_is_reported() {
    let end = run(EXIT, &Recorder::new(), StdoutTo::Log).await.unwrap();
    assert_eq!(end, ProducerEnd::Failed { code: 1 });
}

#[tokio::test]
async fn what_was_printed_before_a_crash_is_kept() {
    let streams = Recorder::new();
    let error = run(TRAP, &streams, out()).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Trapped { .. }), "{error}");
    assert_eq!(streams.payloads(), PRINTED);
}

#[tokio::test]
async fn a_lost_stream_ends_the_run() {
    let streams = Recorder::refusing(vec![StreamError::NotFound]);
    let error = run(LOOP, &streams, out()).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Stdout { .. }), "{error}");
}

#[tokio::test]
async fn an_endless_producer_yields_and_can_be_dropped() {
    let streams = Recorder::new();
    let endless = run(LOOP, &streams, StdoutTo::Log);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), endless)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn one_that_cannot_learn_of_the_stop_is_ended_at_once_and_its_whole_lines_stay() {
    let streams = Recorder::new();
    let (stop, stopped) = watch::channel(false);
    let (end, ()) = tokio::join!(run_until(LOOP, &streams, out(), stopped), async {
        while streams.payloads().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
    });
    assert_eq!(end.unwrap(), ProducerEnd::Ended);
    // Its third line has no end.
    assert_eq!(streams.payloads(), ["first"]);
}
