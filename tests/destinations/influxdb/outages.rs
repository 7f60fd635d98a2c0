//! A line to the real server that is cut, silent or garbled, and a host that is killed.

use millstream_tests::{Influxdb, Line, Quality, eventually};

use super::{all, lines, strokes, to_v1, with_short_calls};
use crate::setup::{append, status, wait_for_delivery, wait_for_error};

#[test]
fn what_waited_through_an_outage_arrives_once() {
    let database = Influxdb::start();
    for (round, (quality, error)) in [
        (Quality::Down, "No answer from"),
        (Quality::Silent, "in time"),
        (
            Quality::Garbled(b"SSH-2.0-OpenSSH_9.6\r\n"),
            "No answer from",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let line = Line::to(database.address());
        let host = with_short_calls(&to_v1(&line.endpoint(), &database, ""));
        let first = 100 * round as u64;
        append(&host, lines(first..first + 50));
        wait_for_delivery(&host, 50);
        line.becomes(quality);
        append(&host, lines(first + 50..first + 100));
        wait_for_error(&host, error);
        line.becomes(Quality::Good);
        wait_for_delivery(&host, 100);
        assert_eq!(strokes(&database), all(0..first + 100));
        assert_eq!(status(&host)["rejectedMessages"], 0);
    }
}

#[test]
fn points_whose_answer_was_lost_are_written_again_over_themselves() {
    let database = Influxdb::start();
    let line = Line::to(database.address());
    line.becomes(Quality::CutsAnswersAfter(0));
    let host = to_v1(&line.endpoint(), &database, "").start();
    append(&host, lines(0..50));
    wait_for_error(&host, "No answer from");
    eventually("the points are there, though nobody knows", || {
        (strokes(&database).len() == 50).then_some(())
    });
    line.becomes(Quality::Good);
    wait_for_delivery(&host, 50);
    assert_eq!(strokes(&database), all(0..50));
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_doubles_nothing() {
    let database = Influxdb::start();
    let mut exporting = to_v1(&format!("http://{}", database.address()), &database, "");
    exporting.batch_size = Some(20);
    let mut host = exporting.start();
    append(&host, lines(0..4000));
    for round in 1..4 {
        eventually("the export is under way", || {
            (strokes(&database).len() > 400 * round).then_some(())
        });
        host.kill();
        host.start_again();
    }
    host.wait_for_export(crate::setup::STREAM, "is complete", |export| {
        export["lastExportedSequenceNumber"] == 3999
    });
    assert_eq!(strokes(&database), all(0..4000));
}
