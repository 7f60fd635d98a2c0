//! What a plugin may write to the log.

use millstream_tests::{HttpAnswer, HttpSink, eventually};
use serde_json::json;

use super::{Siege, attack};

#[test]
fn giant_lines_are_cut_and_no_line_is_forged() {
    let mut siege = Siege::without_grants(attack("giant-lines"));
    siege.lets_through(&[]);
    // 10 MiB in one line, of which 8 KiB are written.
    siege.log_says("… (cut: 10477568 bytes more)");
    let log = siege.host.log();
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 9 << 10, "a line has {longest} bytes");
    assert!(!log.lines().any(|line| line.starts_with("1970")), "{log}");
    assert!(!log.contains('\u{1b}'));
}

#[test]
fn a_flood_of_lines_is_counted_and_hides_nothing_that_the_host_says() {
    let inner = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let url = format!("{}/", inner.endpoint());
    let mut siege = Siege::without_grants(json!({ "attack": "flood-of-lines", "urls": [url] }));
    siege.log_says(&format!("refused a request to {}", inner.endpoint()));
    // How many lines were dropped is said with the next one that is not.
    eventually("the log says how many lines were dropped", || {
        siege.others_go_on();
        let log = siege.host.log();
        log.contains("lines: more than 100 a second").then_some(())
    });
    siege.memory_is_bounded();
    let log = siege.host.log();
    let flood = log.lines().filter(|line| line.contains("of the flood"));
    let (lines, calls) = (flood.count(), log.matches("line 0 of the flood").count());
    assert!(
        lines < 20_000 * calls.max(1) / 10,
        "{lines} lines of {calls} calls"
    );
    assert!(inner.requests().is_empty());
}
