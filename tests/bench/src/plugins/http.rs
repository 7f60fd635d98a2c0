//! Plugins that speak HTTP.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Case, row};
use crate::host::Setup;
use crate::sink::Sink;

pub(super) fn run(setup: &Setup, quick: bool) {
    to_servers(setup, quick);
    to_aws(setup, quick);
}

fn batches(quick: bool, many: usize) -> usize {
    if quick { many / 5 } else { many }
}

fn to_servers(setup: &Setup, quick: bool) {
    let sink = Sink::answering(|_| Bytes::new());
    let grants = format!("hosts = [\"{}\"]", sink.endpoint());
    let text = Bytes::from(vec![b'x'; 200]);
    let case = |plugin, what, config: Value, payload: &Bytes, batch, many| Case {
        plugin,
        what,
        grants: grants.clone(),
        config,
        payload: payload.clone(),
        batch,
        batches: batches(quick, many),
    };
    let uri = sink.endpoint();
    let lists = json!({ "uri": uri, "exportFormat": "JSON_BATCHED" });
    let lists = case("http", ", lists of 500", lists, &text, 500, 1000);
    row::<millstream_http::Http>(setup, quick, &lists);
    let single = json!({ "uri": uri, "exportFormat": "RAW_NOT_BATCHED" });
    let single = case("http", ", one by one", single, &text, 100, 100);
    row::<millstream_http::Http>(setup, quick, &single);
    let line = Bytes::from_static(
        b"weather,place=berlin,device=press-4 temperature=21.5,humidity=40i,state=\"running\"",
    );
    let silent = Sink::silent();
    let influx = json!({ "uri": silent.endpoint(), "api": "v1", "database": "plant", "format": "line-protocol" });
    let influx = Case {
        grants: format!("hosts = [\"{}\"]", silent.endpoint()),
        ..case("influxdb", ", lines", influx, &line, 500, 500)
    };
    row::<millstream_influxdb::Influxdb>(setup, quick, &influx);
    let otlp = json!({ "uri": uri });
    let otlp = case("otlp", "", otlp, &text, 500, 500);
    row::<millstream_otlp::Otlp>(setup, quick, &otlp);
}

fn to_aws(setup: &Setup, quick: bool) {
    let text = Bytes::from(vec![b'x'; 200]);
    let entry = json!({
        "entryId": "e",
        "propertyAlias": "/plant/press/temperature",
        "propertyValues": [{
            "value": { "doubleValue": 21.5 },
            "timestamp": { "timeInSeconds": 1_700_000_000 },
        }],
    });
    let entry = Bytes::from(entry.to_string());
    let case = |plugin, sink: &Sink, mut config: Value, payload: &Bytes, batch, many| {
        config["region"] = json!("eu-central-1");
        config["endpoint"] = json!(sink.endpoint());
        let services = match plugin {
            "cloudwatch-logs" => "logs",
            "sitewise" => "iotsitewise",
            other => other,
        };
        Case {
            plugin,
            what: "",
            grants: format!(
                "hosts = [\"{}\"]\naws-services = [\"{services}\"]",
                sink.endpoint()
            ),
            config,
            payload: payload.clone(),
            batch,
            batches: batches(quick, many),
        }
    };
    let responses = vec![r#"{"RecordId":"1"}"#; 500].join(",");
    let answer = format!(r#"{{"FailedPutCount":0,"RequestResponses":[{responses}]}}"#);
    let answer = Bytes::from(answer);
    let sink = Sink::answering(move |_| answer.clone());
    let config = json!({ "deliveryStreamName": "d" });
    let firehose = case("firehose", &sink, config, &text, 500, 500);
    row::<millstream_firehose::Firehose>(setup, quick, &firehose);

    let sink = Sink::answering(|_| Bytes::from_static(b"{}"));
    let config = json!({ "logGroupName": "g" });
    let logs = case("cloudwatch-logs", &sink, config, &text, 500, 500);
    row::<millstream_cloudwatch_logs::CloudWatchLogs>(setup, quick, &logs);

    let sink = Sink::answering(|_| Bytes::from_static(br#"{"errorEntries":[]}"#));
    // Each value in a call of its own: they are of one property and time.
    let sitewise = case("sitewise", &sink, json!({}), &entry, 1, 1000);
    row::<millstream_sitewise::SiteWise>(setup, quick, &sitewise);
}
