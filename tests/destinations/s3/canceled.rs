//! Tasks that are never carried out.

use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, StatusConfig, StatusLevel, StrategyOnFull,
};
use millstream_protocol::{MessageStreamDefinition, Response};
use millstream_tests::{Reserved, S3Fault, S3Server, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn definition(name: &str, exports: Vec<Export>) -> Box<MessageStreamDefinition> {
    let name = name.parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(exports).unwrap();
    Box::new(definition)
}

fn uploads(identifier: &str, level: StatusLevel) -> Export {
    let destination = Destination::S3TaskExecutor {
        multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
        status: Some(StatusConfig {
            level,
            stream_name: Some("status".parse().unwrap()),
        }),
    };
    Export::new(identifier.parse().unwrap(), destination)
}

fn done(response: Response) {
    assert!(response.outcome.is_ok(), "{response:?}");
}

/// S3 that never takes the second part of a file.
fn stuck() -> S3Server {
    S3Server::scripted(|call| (call.part == 2).then_some(S3Fault::Refused(503, "SlowDown")))
}

fn wait_for_the_second_part(server: &S3Server) {
    eventually("the second part is sent", || {
        server.parts().contains(&2).then_some(())
    });
}

#[test]
fn deleting_a_stream_or_its_s3_export_cancels_what_was_not_done() {
    let server = stuck();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 6 << 20);
    let host = exporting(server.endpoint(), folder.path()).start();
    let mut client = RawClient::connect(host.port());
    let quiet = uploads("quiet", StatusLevel::Error);
    let told = uploads("told", StatusLevel::Info);
    let both = vec![told.clone(), quiet.clone()];
    done(client.call("c", Call::Create(definition("uploads", both))));
    for number in 0..3 {
        let mut task = task(&folder, "f");
        task["key"] = format!("key{number}").into();
        let (name, payload) = ("uploads".parse().unwrap(), task.to_string().into());
        done(client.call("a", Call::Append { name, payload }));
    }
    wait_for_statuses(&host, &[(0, IN_PROGRESS)]);
    eventually("both exports are in the middle", || {
        (server.open_uploads() == 2).then_some(())
    });
    wait_for_the_second_part(&server);

    // The export goes, the stream stays.
    let rest = vec![quiet.clone()];
    done(client.call("u", Call::Update(definition("uploads", rest))));
    let all = [
        (0, IN_PROGRESS),
        (0, CANCELED),
        (1, CANCELED),
        (2, CANCELED),
    ];
    wait_for_statuses(&host, &all);
    assert_eq!(server.open_uploads(), 1);
    for (number, status) in super::told(&host)[1..].iter().enumerate() {
        assert_eq!(
            (&status["eventType"], &status["statusLevel"]),
            (&json!(0), &json!(2))
        );
        let context = &status["statusContext"];
        assert_eq!(context["exportIdentifier"], "told");
        assert_eq!(context["streamName"], "uploads");
        let mut expected = task(&folder, "f");
        expected["key"] = format!("key{number}").into();
        assert_eq!(context["s3ExportTaskDefinition"], expected);
        assert!(status["message"].as_str().unwrap().contains("deleted"));
    }

    // The stream goes, with an export that reports and one that reports only failures.
    done(client.call("u", Call::Update(definition("uploads", vec![told, quiet]))));
    eventually("the new export begins", || {
        (statuses(&host).len() == 5 && server.open_uploads() == 2).then_some(())
    });
    let name = "uploads".parse().unwrap();
    done(client.call("d", Call::Delete(name)));
    assert_eq!(server.open_uploads(), 0);
    let canceled = statuses(&host)
        .iter()
        .filter(|(_, status)| *status == CANCELED)
        .count();
    assert_eq!(canceled, 6);
    assert!(server.object("key0").is_none());
}

#[test]
fn a_task_that_retention_takes_in_the_middle_of_its_upload_is_canceled() {
    let server = stuck();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 6 << 20);
    file(&folder, "g", 1);
    let host = exporting(server.endpoint(), folder.path()).start();
    let mut client = RawClient::connect(host.port());
    let mut small = definition("uploads", vec![uploads("told", StatusLevel::Info)]);
    small.max_size = Bounded::clamped(4096);
    small.stream_segment_size = Bounded::clamped(1024);
    done(client.call("c", Call::Create(small)));
    let mut append = |task: Value| {
        let (name, payload) = ("uploads".parse().unwrap(), task.to_string().into());
        done(client.call("a", Call::Append { name, payload }));
    };
    append(task(&folder, "f"));
    wait_for_the_second_part(&server);
    for _ in 0..30 {
        let mut task = task(&folder, "g");
        task["more"] = "x".repeat(300).into();
        append(task);
    }
    eventually("the last task is done", || {
        statuses(&host).contains(&(30, SUCCESS)).then_some(())
    });
    assert_eq!(server.open_uploads(), 0);
    let statuses = statuses(&host);
    assert_eq!(statuses[..2], [(0, IN_PROGRESS), (0, CANCELED)]);
    // Each task has one end, whether it was seen or not.
    for task in 0..=30 {
        let ends = statuses
            .iter()
            .filter(|(number, status)| *number == task && *status != IN_PROGRESS);
        assert_eq!(ends.count(), 1, "task {task}: {statuses:?}");
    }
    let told = super::told(&host);
    assert!(
        told[1]["message"].as_str().unwrap().contains("expired"),
        "{}",
        told[1]
    );
}

/// Waits until the status stream has so many messages. It takes a minute until a task expires, so this
/// lets the host wait, and does not look again and again.
fn wait_for_told(host: &Host, count: u64) {
    eventually(&format!("{count} statuses were told"), || {
        let options = ReadMessagesOptions {
            min_message_count: Bounded::clamped(count),
            max_message_count: Bounded::clamped(count),
            read_timeout_millis: Bounded::clamped(20_000),
            ..ReadMessagesOptions::default()
        };
        let name = "status".parse().unwrap();
        let response = RawClient::connect(host.port()).call("r", Call::Read { name, options });
        response.outcome.is_ok().then_some(())
    });
}

#[test]
fn tasks_whose_time_to_live_ends_while_s3_is_down_are_canceled() {
    let away = Reserved::on_loopback();
    let folder = TempDir::new().unwrap();
    file(&folder, "f", 10);
    file(&folder, "late", 10);
    let host = exporting(&away.endpoint(), folder.path()).start();
    let mut short_lived = definition("uploads", vec![uploads("told", StatusLevel::Info)]);
    // The least that there is.
    short_lived.time_to_live_millis = Some(Bounded::clamped(60_000));
    done(RawClient::connect(host.port()).call("c", Call::Create(short_lived)));
    let append = |task: Value| {
        let (name, payload) = ("uploads".parse().unwrap(), task.to_string().into());
        done(RawClient::connect(host.port()).call("a", Call::Append { name, payload }));
    };
    let ends = || -> Vec<(u64, u64)> {
        let all = statuses(&host).into_iter();
        all.filter(|(_, status)| *status != IN_PROGRESS).collect()
    };
    // The plugin is at work before the minute of the others begins.
    append(task(&folder, "none"));
    wait_for_statuses(&host, &[(0, FAILURE)]);
    for _ in 0..3 {
        append(task(&folder, "f"));
    }
    wait_for_statuses(&host, &[(0, FAILURE), (1, IN_PROGRESS)]);

    // Nothing is appended meanwhile: the time alone takes them.
    wait_for_told(&host, 3);
    let mut expected = vec![(0, FAILURE), (1, CANCELED), (2, CANCELED), (3, CANCELED)];
    eventually("each task is canceled", || {
        (ends() == expected).then_some(())
    });
    let told = super::told(&host);
    let canceled: Vec<&Value> = told
        .iter()
        .filter(|told| told["status"] == CANCELED)
        .collect();
    for status in &canceled {
        assert_eq!(
            status["message"],
            "The task expired before the upload was done."
        );
    }
    // The one in hand is shown as it was, though the stream has it no more.
    let context = &canceled[0]["statusContext"];
    assert_eq!(context["s3ExportTaskDefinition"], task(&folder, "f"));

    // The export goes on, and comes back to none of them.
    let server = S3Server::listen(away, |_| None);
    append(task(&folder, "late"));
    expected.push((4, SUCCESS));
    eventually("a later task is done", || {
        (ends() == expected).then_some(())
    });
    let keys: Vec<String> = server.calls().into_iter().map(|call| call.key).collect();
    assert_eq!(keys, ["late"]);
}
