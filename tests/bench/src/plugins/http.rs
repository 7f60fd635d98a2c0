//! Plugins that speak HTTP.

use bytes::Bytes;
use serde_json::json;

use super::{Case, row};
use crate::host::Setup;
use crate::sink::Sink;

pub(super) fn run(setup: &Setup, quick: bool) {
    let batches = |many| if quick { many / 5 } else { many };
    let sink = Sink::answering(|_| Bytes::new());
    let case = |what, format, batch, batches| Case {
        plugin: "http",
        what,
        grants: format!("hosts = [\"{}\"]", sink.endpoint()),
        config: json!({ "uri": sink.endpoint(), "exportFormat": format }),
        payload: Bytes::from(vec![b'x'; 200]),
        batch,
        batches,
    };
    let lists = case(", lists of 500", "JSON_BATCHED", 500, batches(1000));
    let taken = || sink.calls() * 500;
    row::<millstream_http::Http>(setup, quick, &lists, &taken);
    let single = case(", one by one", "RAW_NOT_BATCHED", 100, batches(500));
    row::<millstream_http::Http>(setup, quick, &single, &|| sink.calls());
}
