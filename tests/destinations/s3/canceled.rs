//! Tasks that are never carried out.

use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, StatusConfig, StatusLevel, StrategyOnFull,
};
use millstream_protocol::{MessageStreamDefinition, Response};
use millstream_tests::{S3Fault, S3Server, eventually};
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
