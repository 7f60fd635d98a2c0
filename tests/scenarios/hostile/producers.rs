//! Producers: they run without end, and every other limit holds for them too.

use millstream_tests::eventually;
use tempfile::TempDir;

use super::{STREAM, Siege};
use crate::producers::messages;

/// Begins an attack by a producer with a stream for its output and none that it may reach, beside an
/// export that works. `keys` are further ones of the producer.
fn besieged(attack: &str, keys: &str, environment: &[(&str, &str)]) -> Siege {
    let config = |good: &str| {
        format!(
            "plugins.memory = \"32 MiB\"\n\
             [exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n\
             [plugin.http.grants]\nhosts = [\"{good}\"]\n\
             [[stream]]\nname = \"{STREAM}\"\n\
             [[stream.export]]\nidentifier = \"good\"\nplugin = \"http\"\n\
             config = {{ uri = \"{good}/\" }}\n\
             [[stream]]\nname = \"secret\"\n[[stream]]\nname = \"out\"\n\
             [[producer]]\nname = \"bad\"\ncomponent = \"hostile-producer\"\nargs = [\"{attack}\"]\n\
             stdout = \"out\"\nrestart = \"never\"\n{keys}\n"
        )
    };
    Siege::around(
        "hostile-producer",
        TempDir::new().unwrap(),
        environment,
        config,
    )
}

/// Waits for the output of the attack.
fn wait_for_output(siege: &Siege, expected: &[&str]) {
    eventually("the producer has printed", || {
        (messages(&siege.host, "out") == expected).then_some(())
    });
}

#[test]
fn a_producer_that_loops_without_end_holds_up_nobody_and_ends_with_the_host() {
    let mut siege = besieged("endless-loop", "stop-timeout = \"100ms\"", &[]);
    siege.host.wait_for_log("producer started");
    for _ in 0..3 {
        siege.others_go_on();
    }
    siege.host.stop();
    siege
        .host
        .wait_for_log("producer was ended: it did not end by itself");
}

#[test]
fn a_producer_that_does_not_heed_the_stop_is_ended_when_its_time_is_over() {
    let mut siege = besieged("deaf", "stop-timeout = \"100ms\"", &[]);
    wait_for_output(&siege, &["deaf"]);
    siege.host.stop();
    siege
        .host
        .wait_for_log("producer was ended: it did not end by itself");
}

#[test]
fn a_producer_that_grabs_memory_is_stopped_at_the_cap() {
    let mut siege = besieged("memory-grab", "", &[]);
    siege
        .host
        .wait_for_log("bad wanted more than its 33554432 bytes of memory and was stopped");
    siege.others_go_on();
    siege.memory_is_bounded();
}

#[test]
fn a_giant_line_of_a_producer_is_left_out_and_no_other_is() {
    let mut siege = besieged("giant-line", "", &[]);
    wait_for_output(&siege, &["before", "after"]);
    siege
        .host
        .wait_for_log("left out a line of more than 1048576 bytes");
    siege.others_go_on();
    siege.memory_is_bounded();
}

#[test]
fn a_producer_reaches_no_stream_that_it_was_not_granted() {
    let mut siege = besieged("other-streams", "", &[]);
    siege.host.wait_for_log("append got through: false");
    siege.host.wait_for_log("read got through: false");
    siege.host.wait_for_log(
        "the stream `secret`: it is not granted; to allow it, add it to `[producer.grants] append",
    );
    assert_eq!(messages(&siege.host, "secret"), [""; 0]);
    siege.others_go_on();
}

#[test]
fn a_producer_sees_the_environment_of_its_configuration_and_nothing_of_the_hosts() {
    let siege = besieged(
        "print-the-environment",
        "env = { SITE = \"plant-7\", LINE = \"b = 2\" }",
        &[("SECRET_OF_THE_HOST", "hush")],
    );
    wait_for_output(&siege, &["LINE=b = 2", "SITE=plant-7"]);
}
