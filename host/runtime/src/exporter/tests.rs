#[cfg(target_os = "linux")]
mod resting;

use bytes::Bytes;

use super::*;
use crate::grants::{FolderAccess, FolderGrant};
use crate::testing::{self, Host, Recorder};

fn settings() -> ExporterSettings {
    ExporterSettings {
        label: "s/e (test)".into(),
        stream_name: "s".into(),
        export_identifier: "e".into(),
        config: serde_json::json!({}),
        grants: Grants::default(),
        limits: Limits::default(),
        streams: Recorder::new(),
        remembered: None,
    }
}

async fn open(settings: ExporterSettings) -> Exporter {
    let host = Host::new();
    host.link(&testing::exporter())
        .unwrap()
        .open(settings)
        .await
        .unwrap()
}

/// A batch of three messages whose first says what to do.
fn batch(deed: &'static str) -> Vec<Message> {
    [deed, "second", "third"]
        .into_iter()
        .zip(0..)
        .map(|(payload, sequence_number)| Message {
            sequence_number,
            ingest_time: 0,
            payload: Bytes::from_static(payload.as_bytes()),
        })
        .collect()
}

/// How many calls the instance has served before this one.
async fn refused_by_count(exporter: &mut Exporter) -> usize {
    exporter.export(&batch("n")).await.unwrap().undelivered[0].index
}

#[tokio::test]
async fn a_batch_that_is_delivered_leaves_nothing() {
    let mut exporter = open(settings()).await;
    assert_eq!(
        exporter.export(&batch("ok")).await.unwrap(),
        Exported::default()
    );
    assert_eq!(exporter.export(&[]).await.unwrap(), Exported::default());
}

#[tokio::test]
async fn memory_is_that_of_the_instance_and_there_is_none_at_rest() {
    let mut exporter = open(settings()).await;
    let before = exporter.memory().unwrap();
    assert!(before >= 2 << 16, "{before}");
    exporter.export(&batch("g")).await.unwrap();
    assert_eq!(exporter.memory(), Some(before + (4 << 20)));
    exporter.rest();
    assert_eq!(exporter.memory(), None);
}

#[tokio::test]
async fn an_undelivered_message_comes_back_with_its_reason() {
    let mut exporter = open(settings()).await;
    let undelivered = exporter.export(&batch("r")).await.unwrap().undelivered;
    let expected = Undelivered {
        index: 2,
        disposition: Disposition::Reject,
        reason: "a reason".into(),
    };
    assert_eq!(undelivered, [expected]);
}

#[tokio::test]
async fn an_answer_about_a_message_that_is_not_there_is_a_fault() {
    let mut exporter = open(settings()).await;
    let error = exporter.export(&batch("x")).await.unwrap_err();
    assert!(matches!(error, ExportFailure::Faulty { .. }), "{error}");
}

#[tokio::test]
async fn a_failure_keeps_its_kind_and_its_pause() {
    let mut exporter = open(settings()).await;
    let error = exporter.export(&batch("u")).await.unwrap_err();
    let ExportFailure::Unavailable {
        reason,
        retry_after,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(reason, "a reason");
    assert_eq!(retry_after, Some(Duration::from_millis(1500)));
    let error = exporter.export(&batch("d")).await.unwrap_err();
    assert!(matches!(error, ExportFailure::Denied { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_configuration_names_the_field() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    let settings = ExporterSettings {
        config: serde_json::json!({"a": 1}),
        ..settings()
    };
    let error = component.open(settings).await.unwrap_err();
    let RuntimeError::Config { field, message, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(field.as_deref(), Some("rotation.max"));
    assert_eq!(message, "a reason");
}

#[tokio::test]
async fn an_endless_loop_is_stopped_and_the_next_call_works() {
    let limits = Limits {
        call_deadline: Duration::from_millis(200),
        ..Limits::default()
    };
    let mut exporter = open(ExporterSettings {
        limits,
        ..settings()
    })
    .await;
    let error = exporter.export(&batch("l")).await.unwrap_err();
    assert!(matches!(error, ExportFailure::TimedOut { .. }), "{error}");
    exporter.export(&batch("ok")).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_takes_all_memory_is_stopped_and_the_next_call_works() {
    let limits = Limits {
        memory: 8 << 20,
        ..Limits::default()
    };
    let mut exporter = open(ExporterSettings {
        limits,
        ..settings()
    })
    .await;
    let error = exporter.export(&batch("m")).await.unwrap_err();
    assert!(
        matches!(error, ExportFailure::OutOfMemory { limit } if limit == 8 << 20),
        "{error}"
    );
    exporter.export(&batch("ok")).await.unwrap();
}

#[tokio::test]
async fn a_component_that_begins_with_too_much_memory_is_not_opened() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    let limits = Limits {
        memory: 1 << 16,
        ..Limits::default()
    };
    let error = component
        .open(ExporterSettings {
            limits,
            ..settings()
        })
        .await
        .unwrap_err();
    assert!(matches!(error, RuntimeError::OutOfMemory { .. }), "{error}");
}

#[tokio::test]
async fn a_crash_costs_the_instance_and_nothing_else() {
    let mut exporter = open(settings()).await;
    exporter.export(&batch("ok")).await.unwrap();
    let error = exporter.export(&batch("t")).await.unwrap_err();
    assert!(matches!(&error, ExportFailure::Trapped { reason } if reason.contains("unreachable")));
    // The index is the number of calls before: a new instance has had none.
    assert_eq!(refused_by_count(&mut exporter).await, 0);
    assert_eq!(refused_by_count(&mut exporter).await, 1);
}

#[tokio::test]
async fn an_instance_that_has_grown_beyond_its_mark_is_made_anew() {
    let limits = Limits {
        recycle_above: 1 << 20,
        ..Limits::default()
    };
    let mut exporter = open(ExporterSettings {
        limits,
        ..settings()
    })
    .await;
    exporter.export(&batch("ok")).await.unwrap();
    exporter.export(&batch("g")).await.unwrap();
    assert_eq!(refused_by_count(&mut exporter).await, 0);
}

#[tokio::test]
async fn a_call_that_the_caller_gives_up_costs_the_instance() {
    let mut exporter = open(settings()).await;
    exporter.export(&batch("ok")).await.unwrap();
    let looping = batch("l");
    let given_up = tokio::time::timeout(Duration::from_millis(50), exporter.export(&looping));
    assert!(given_up.await.is_err());
    assert_eq!(refused_by_count(&mut exporter).await, 0);
}

#[tokio::test]
async fn only_granted_streams_are_appended_to() {
    let mut exporter = open(settings()).await;
    let error = exporter.export(&batch("a")).await.unwrap_err();
    assert!(
        matches!(error, ExportFailure::Misconfigured { .. }),
        "{error}"
    );

    let streams = Recorder::new();
    let grants = Grants {
        append: vec![crate::StreamPattern::new("out")],
        ..Grants::default()
    };
    let settings = ExporterSettings {
        grants,
        streams: streams.clone(),
        ..settings()
    };
    open(settings).await.export(&batch("a")).await.unwrap();
    assert_eq!(streams.payloads(), ["1.0.0"]);
}

#[tokio::test]
async fn a_granted_folder_that_is_missing_is_named() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    let folder = FolderGrant {
        host: host.folder.path().join("missing"),
        guest: "/out".into(),
        access: FolderAccess::ReadWrite,
    };
    let grants = Grants {
        folders: vec![folder],
        ..Grants::default()
    };
    let error = component
        .open(ExporterSettings {
            grants,
            ..settings()
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

fn remembered(exporter: &Exporter) -> &[u8] {
    exporter
        .remembered()
        .map(|bytes| &**bytes)
        .unwrap_or_default()
}

#[tokio::test]
async fn what_a_call_remembers_is_there_in_the_next_one_and_in_another_instance() {
    let mut exporter = open(settings()).await;
    // The guest appends a byte to what it remembers.
    let exported = exporter.export(&batch("w")).await.unwrap();
    assert_eq!(exported.in_progress.as_deref(), Some("a reason"));
    assert_eq!(remembered(&exporter), b"w");
    exporter.export(&batch("w")).await.unwrap();
    assert_eq!(remembered(&exporter), b"ww");
    exporter.export(&batch("t")).await.unwrap_err();
    assert_eq!(remembered(&exporter), b"ww");
    assert_eq!(
        exporter.export(&batch("ok")).await.unwrap().in_progress,
        None
    );
    let mut other = open(ExporterSettings {
        remembered: exporter.remembered().cloned(),
        ..settings()
    })
    .await;
    other.export(&batch("w")).await.unwrap();
    assert_eq!(remembered(&other), b"www");
}

#[tokio::test]
async fn a_call_that_crashes_leaves_what_was_remembered_before_it() {
    let mut exporter = open(settings()).await;
    exporter.export(&batch("w")).await.unwrap();
    // It remembers something, and then traps.
    exporter.export(&batch("W")).await.unwrap_err();
    assert_eq!(remembered(&exporter), b"w");
}

#[tokio::test]
async fn an_exporter_that_wants_to_know_is_told_of_canceled_messages() {
    let canceled = |sequence_number, payload: Option<&'static str>| Canceled {
        sequence_number,
        payload: payload.map(|text| Bytes::from_static(text.as_bytes())),
    };
    let host = Host::new();
    let component = host.link(&testing::canceling()).unwrap();
    assert!(component.cancels());
    let mut exporter = component.open(settings()).await.unwrap();
    let told = exporter
        .cancel(
            &[canceled(7, Some("x")), canceled(8, None)],
            CancelReason::Expired,
        )
        .await;
    // The guest refuses with a sentence, and remembers the reason and how many messages came.
    assert_eq!(told, Err("a reason".to_owned()));
    assert_eq!(remembered(&exporter), [2, 2]);
    let told = exporter.cancel(&[], CancelReason::StreamDeleted).await;
    assert_eq!(told, Ok(()));
    assert_eq!(remembered(&exporter), [0, 0]);
}

#[tokio::test]
async fn an_exporter_that_does_not_care_is_not_told() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    assert!(!component.cancels());
    let mut exporter = component.open(settings()).await.unwrap();
    assert_eq!(exporter.cancel(&[], CancelReason::Expired).await, Ok(()));
}

#[test]
fn an_answer_that_speaks_of_a_message_twice_is_a_fault() {
    let one = |index| wit::Undelivered {
        index,
        disposition: wit::Disposition::Retry,
        reason: String::new(),
    };
    assert_eq!(check(vec![one(1), one(0)], 2).unwrap()[0].index, 0);
    assert!(check(vec![one(1), one(0), one(1)], 2).is_err());
}

#[tokio::test]
async fn a_secret_is_read_by_whoever_may_read_it_and_by_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hush\n").unwrap();
    let name: crate::SecretName = "out".parse().unwrap();
    let secret = crate::Secret {
        source: crate::SecretSource::File(path),
        hosts: Vec::new(),
    };
    let host = Host::with_secrets([(name.clone(), secret)].into_iter().collect());
    let component = host.link(&testing::exporter()).unwrap();

    let mut granted = settings();
    granted.grants.readable_secrets = vec![name.clone()];
    let mut exporter = component.open(granted).await.unwrap();
    let undelivered = exporter.export(&batch("s")).await.unwrap().undelivered;
    assert_eq!(undelivered[0].reason, "hush");

    let mut set_by_the_host = settings();
    set_by_the_host.grants.secrets = vec![name];
    for refused in [settings(), set_by_the_host] {
        let mut exporter = component.open(refused).await.unwrap();
        let error = exporter.export(&batch("s")).await.unwrap_err();
        assert!(
            matches!(error, ExportFailure::Misconfigured { .. }),
            "{error}"
        );
    }
}
