//! The plugin that writes files. Both sides sync each batch to the same disk.

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;

use super::{Case, row};
use crate::host::Setup;

pub(super) fn run(setup: &Setup, quick: bool) {
    for (what, compression) in [(", lines", "none"), (", gzip", "gzip")] {
        // The native side finds the folder under the path under which it is granted to the plugin.
        let folder = TempDir::new().unwrap();
        let case = Case {
            plugin: "file",
            what,
            grants: format!(
                "folders = [{{ path = {0:?}, as = {0:?}, write = true }}]",
                folder.path()
            ),
            // Each run goes on with the file of the last one; the disk shall not fill up with them.
            config: json!({
                "folder": folder.path(), "compression": compression, "rotation": { "keep": 1 },
            }),
            payload: Bytes::from(vec![b'x'; 200]),
            batch: 500,
            batches: if quick { 200 } else { 1_000 },
        };
        row::<millstream_file::File>(setup, quick, &case);
    }
}
