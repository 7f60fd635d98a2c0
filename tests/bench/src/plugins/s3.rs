//! Plugins that make objects of S3: files that tasks name, and batches.

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;

use super::{Case, row};
use crate::host::Setup;
use crate::sink::Sink;

const REGION: &str = "eu-central-1";
/// Bytes of a file: one that goes in a single request, as reports and pictures of a camera do.
const FILE: usize = 4 << 10;

pub(super) fn run(setup: &Setup, quick: bool) {
    let sink = Sink::answering(|_| Bytes::new());
    let endpoint = sink.endpoint();
    let grants = format!("hosts = [\"{endpoint}\"]\naws-services = [\"s3\"]");

    // All tasks name one file and one key: each is opened, read and sent anew in any case.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, vec![b'x'; FILE]).unwrap();
    let url = format!("file:{}", file.display());
    let task = json!({ "inputUrl": url, "bucket": "bucket", "key": "file" });
    let files = Case {
        plugin: "s3",
        what: ", files of 4 KiB",
        grants: format!(
            "{grants}\nfolders = [{{ path = {0:?}, as = {0:?} }}]",
            folder.path()
        ),
        config: json!({ "region": REGION, "endpoint": endpoint, "forcePathStyle": true }),
        payload: task.to_string().into(),
        batch: 1,
        batches: if quick { 1_000 } else { 5_000 },
    };
    row::<millstream_s3::S3>(setup, quick, &files);

    // As small as an SDK's exports make them; the configuration file allows a hundred times as much.
    let archive = |what, format| Case {
        plugin: "s3-archive",
        what,
        grants: grants.clone(),
        config: json!({
            "region": REGION, "endpoint": endpoint, "bucket": "bucket", "format": format,
        }),
        payload: Bytes::from(vec![b'x'; 200]),
        batch: 500,
        batches: if quick { 100 } else { 500 },
    };
    let lines = archive(", lines, objects of 500", "json-lines");
    row::<millstream_s3_archive::S3Archive>(setup, quick, &lines);
    let parquet = archive(", Parquet, objects of 500", "parquet");
    row::<millstream_s3_archive::S3Archive>(setup, quick, &parquet);
}
