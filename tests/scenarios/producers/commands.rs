//! Commands under supervision.

use std::time::{Duration, Instant};

use millstream_tests::Host;

use super::*;

/// A host with one guest of a test's own.
fn host_with(end: &str, producer: &str) -> Host {
    let folder = folder(&["own"]);
    let own = folder.path().join("own");
    put_guest(&own, "guest", end);
    let config = format!(
        "[[stream]]\nname = \"s\"\n[[producer]]\nname = \"p\"\ncomponent = \"guest\"\n{producer}\n"
    );
    Host::start_in(folder, &own, &config, &[])
}

#[test]
fn lines_of_the_output_are_messages_and_a_line_that_is_too_long_is_left_out() {
    let host = host_with("", "stdout = \"s\"\nlongest-line = \"5 B\"");
    let producer = wait_for_state(&host, "finished");
    assert_eq!(messages(&host, "s"), ["first", "third"]);
    host.wait_for_log("left out a line of more than 5 bytes");
    assert_eq!(
        (&producer["runs"], &producer["messages"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn a_command_that_crashes_is_started_again_with_growing_pauses_up_to_its_limit() {
    let host = host_with("unreachable", "stdout = \"s\"\nrestart-limit = 2");
    let producer = wait_for_state(&host, "given-up");
    assert_eq!(
        (&producer["runs"], &producer["restarts"]),
        (&3.into(), &2.into())
    );
    let error = producer["errorMessage"].as_str().unwrap();
    assert!(error.contains("unreachable"), "{error}");
    // What it printed before each crash is kept.
    assert_eq!(messages(&host, "s").len(), 9);
    let log = host.log();
    let pauses: Vec<Duration> = log
        .lines()
        .filter(|line| line.contains("will be started again"))
        .map(|line| {
            let pause = line.split_once("pause=").unwrap().1;
            let end = pause
                .find(|c: char| c != '.' && !c.is_ascii_digit())
                .unwrap();
            let number: f64 = pause[..end].parse().unwrap();
            let millis = pause[end..].starts_with("ms");
            Duration::from_secs_f64(if millis { number / 1e3 } else { number })
        })
        .collect();
    assert!(pauses.len() == 2 && pauses[0] < pauses[1], "{pauses:?}");
    assert!(log.contains("restart-limit"), "{log}");

    let listed = host.command(&["producer", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout);
    assert!(listed.contains("p (guest)  given up"), "{listed}");
    assert!(listed.contains("3 runs; 9 messages"), "{listed}");
    let status = host.command(&["status"]);
    let status = String::from_utf8_lossy(&status.stdout);
    assert!(status.contains("p (guest)  given up"), "{status}");
}

#[test]
fn the_rule_says_whether_a_command_that_ends_well_is_started_again() {
    let host = host_with("", "restart = \"always\"\nrestart-limit = 1");
    assert_eq!(wait_for_state(&host, "given-up")["runs"], 2);
    let host = host_with("unreachable", "restart = \"never\"");
    assert_eq!(wait_for_state(&host, "failed")["runs"], 1);
}

#[test]
fn a_command_that_cannot_learn_of_the_stop_is_ended_at_once() {
    let endless = "(loop $again (br $again))";
    let mut host = host_with(endless, "stdout = \"s\"\nstop-timeout = \"1h\"");
    wait_for_messages(&host, "s", "are there", |messages| {
        messages == ["first", "second"]
    });
    let began = Instant::now();
    host.stop();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    host.wait_for_log("producer was ended");
    // What it was writing is no message.
    host.start_again();
    let again = wait_for_messages(&host, "s", "come again", |messages| messages.len() >= 4);
    assert_eq!(again, ["first", "second", "first", "second"]);
}

const CLOCK: &str = "[[producer]]\nname = \"clock\"\ncomponent = \"timestamp\"\n[producer.grants]\nappend = [\"s\"]\n";

fn clock(args: &str) -> String {
    CLOCK.replace("[producer.grants]", &format!("{args}\n[producer.grants]"))
}

#[test]
fn a_producer_that_sleeps_for_an_hour_ends_in_order_when_the_host_stops() {
    let clock =
        clock("args = [\"--stream\", \"s\", \"--interval\", \"1h\"]\nstop-timeout = \"1h\"");
    let mut host = Host::start(&format!("[[stream]]\nname = \"s\"\n{clock}"));
    wait_for_messages(&host, "s", "begin", |messages| messages.len() == 1);
    host.stop();
    let log = host.log();
    assert!(log.contains("ending: the host stops"), "{log}");
    assert!(log.contains("producer stopped"), "{log}");
}

#[test]
fn a_full_stream_is_an_error_that_a_producer_waits_out() {
    let clock =
        clock("args = [\"--stream\", \"s\", \"--interval\", \"1ms\", \"--count\", \"300\"]");
    let host = Host::start(&format!("{SMALL}{clock}"));
    let waiting = eventually("an append is refused", || {
        let producer = producer(&host);
        (producer["refusedAppends"].as_u64() > Some(0)).then_some(producer)
    });
    assert_eq!(waiting["state"], "running");
    let before = messages(&host, "s").len();
    assert!(before < 300, "{before}");
    make_room(&host);
    let finished = wait_for_state(&host, "finished");
    assert_eq!(
        (&finished["messages"], &finished["runs"]),
        (&300.into(), &1.into())
    );
    let numbers: Vec<_> = messages(&host, "s")
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["n"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn a_full_stream_holds_up_the_output_of_a_command() {
    let folder = folder(&["own"]);
    let own = folder.path().join("own");
    put_guest(&own, "guest", "");
    let config = format!(
        "{SMALL}[[producer]]\nname = \"p\"\ncomponent = \"guest\"\nstdout = \"s\"\nrestart = \"never\"\n"
    );
    let mut host = Host::start_in(folder, &own, &config, &[]);
    wait_for_state(&host, "finished");
    fill(&host);
    host.stop();
    host.start_again();
    eventually("an append is refused", || {
        (producer(&host)["refusedAppends"].as_u64() > Some(0)).then_some(())
    });
    assert_eq!(producer(&host)["state"], "running");
    make_room(&host);
    wait_for_state(&host, "finished");
    let messages = messages(&host, "s");
    assert_eq!(messages[messages.len() - 3..], ["first", "second", "third"]);
}

#[test]
fn producers_are_started_in_the_order_of_the_file() {
    let folder = folder(&["own"]);
    let own = folder.path().join("own");
    let names = ["c", "a", "b", "missing", "d"];
    let mut config = String::new();
    for name in names {
        if name != "missing" {
            // Each is another component, which takes a while to compile.
            put_guest(
                &own,
                name,
                &format!("(drop (i32.const {}))", name.as_bytes()[0]),
            );
        }
        config += &format!(
            "[[producer]]\nname = \"{name}\"\ncomponent = \"{name}\"\nrestart = \"never\"\n"
        );
    }
    let host = Host::start_in(folder, &own, &config, &[]);
    host.wait_for_log("producer started producer=\"d\"");
    let log = host.log();
    let started = |name: &str| log.find(&format!("producer started producer=\"{name}\""));
    let order: Vec<_> = ["c", "a", "b", "d"].map(started).into();
    assert!(order.is_sorted() && order[0].is_some(), "{order:?}\n{log}");
    assert!(log.contains("put missing.wasm into the folder"), "{log}");
}

#[test]
fn what_producers_do_is_counted_for_monitoring() {
    let clock = clock("args = [\"--stream\", \"s\", \"--interval\", \"1ms\", \"--count\", \"5\"]");
    let host = Host::start(&format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[[stream]]\nname = \"s\"\n{clock}"
    ));
    wait_for_state(&host, "finished");
    let (_, metrics) = webhooks::call(&host, "GET /metrics", &[], "");
    for line in [
        "millstream_producer_running{producer=\"clock\",component=\"timestamp\"} 0",
        "millstream_producer_runs_total{producer=\"clock\",component=\"timestamp\"} 1",
        "millstream_producer_messages_total{producer=\"clock\",component=\"timestamp\"} 5",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
