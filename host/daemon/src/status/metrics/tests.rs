use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::Telemetry;
use super::*;
use crate::producers::{ProducerState, ProducerStatus};
use crate::status::{ExportState, PluginStatus, Status, StreamStatus};

fn picture() -> Picture {
    let meter = Meter::default();
    meter.batch_messages.observe(10.0);
    meter
        .call_seconds
        .observe(Duration::from_millis(3).as_secs_f64());
    let export = ExportStatus {
        identifier: "to \"k\"".into(),
        plugin: "kinesis".into(),
        plugin_version: "0.1.0".into(),
        plugin_sha256: "cafe".into(),
        passed_over: "0.2.0 cannot be opened".into(),
        state: ExportState::Failing,
        next_sequence_number: 5,
        lag_messages: 7,
        lag_seconds: 42,
        delivered_messages: 5,
        delivered_bytes: 50,
        rejected_messages: 1,
        missed_messages: 2,
        dead_letter_stream: Some("dead".into()),
        last_export_time: 1_700_000_000_999,
        error_message: "no route".into(),
        calls: 1,
        in_progress: String::new(),
        failed_calls: 0,
        retried_messages: 3,
        dead_letters: 1,
        requeued_messages: 1,
        http_sent: 100,
        http_received: 20,
    };
    let stream = StreamStatus {
        name: "s".into(),
        messages: 12,
        oldest_sequence_number: 0,
        next_sequence_number: 12,
        total_bytes: 500,
        max_size: 1000,
        appended_messages: 12,
        appended_bytes: 300,
        refused_appends: 0,
        exports: vec![export],
    };
    let producer = ProducerStatus {
        name: "clock".into(),
        component: "timestamp".into(),
        path: None,
        state: ProducerState::Running,
        runs: 3,
        restarts: 2,
        messages: 12,
        refused_appends: 1,
        requests: 0,
        failed_requests: 0,
        error_message: "It ended with exit code 1.".into(),
    };
    let status = Status {
        version: "1.2.3".into(),
        process: 1,
        address: "127.0.0.1:8088".parse().unwrap(),
        http: None,
        uptime_seconds: 9,
        connections: 2,
        failure: None,
        telemetry: Telemetry {
            bytes_appended: 300,
            bytes_uploaded_to_iot_analytics: 0,
            bytes_uploaded_to_kinesis: 50,
            bytes_uploaded_to_iot_sitewise: 0,
            bytes_uploaded_to_s3: 0,
            bytes_uploaded_to_http: 0,
            bytes_uploaded_to_plugins: 0,
            http_requests: 1,
            http_sent: 100,
            http_received: 20,
        },
        plugins: vec![PluginStatus {
            name: "kinesis".into(),
            version: "0.2.0".into(),
            sha256: "beef".into(),
            problem: String::new(),
            replacements: 1,
        }],
        streams: vec![stream],
        producers: vec![producer],
    };
    Picture {
        status,
        meters: vec![vec![Arc::new(meter)]],
    }
}

#[test]
fn a_picture_reads_as_open_metrics_with_its_labels() {
    let text = render(picture());
    for line in [
        "millstream_build_info{version=\"1.2.3\"} 1",
        "millstream_appended_bytes_total 300",
        "millstream_uploaded_bytes_total{destination=\"kinesis\"} 50",
        "millstream_stream_messages{stream=\"s\"} 12",
        "millstream_export_lag_seconds{stream=\"s\",export=\"to \\\"k\\\"\",plugin=\"kinesis\"} 42",
        "millstream_export_failing{stream=\"s\",export=\"to \\\"k\\\"\",plugin=\"kinesis\"} 1",
        "millstream_plugin_info{version=\"0.2.0\",sha256=\"beef\",plugin=\"kinesis\"} 1",
        "millstream_plugin_failing{plugin=\"kinesis\"} 0",
        "millstream_plugin_replacements_total{plugin=\"kinesis\"} 1",
        "millstream_export_old_version{stream=\"s\",export=\"to \\\"k\\\"\",plugin=\"kinesis\"} 1",
        "# TYPE millstream_export_call_seconds histogram",
        "millstream_producer_running{producer=\"clock\",component=\"timestamp\"} 1",
        "millstream_producer_restarts_total{producer=\"clock\",component=\"timestamp\"} 2",
        "# EOF",
    ] {
        assert!(
            text.contains(&format!("{line}\n")),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_written_contract_names_every_metric() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let document = std::fs::read_to_string(&path).unwrap_or_default();
    let (begin, end) = (
        "<!-- begin: written from the program -->\n\n",
        "<!-- end -->",
    );
    let before = document.split(begin).next().unwrap_or_default();
    let after = document.split(end).nth(1).unwrap_or_default();
    let wanted = format!("{before}{begin}{}{end}{after}", contract());
    if std::env::var_os("MILLSTREAM_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        document == wanted || std::env::var_os("MILLSTREAM_BLESS").is_some(),
        "docs/metrics.md is not what the program says; write it with MILLSTREAM_BLESS=1 cargo test \
         --release -p millstream contract"
    );
}
