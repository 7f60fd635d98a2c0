//! A file that is far larger than the memory of the plugin.

use std::time::Duration;

use millstream_tests::{S3Server, eventually_within};
use tempfile::TempDir;

use super::*;

#[test]
fn a_file_of_5_gib_goes_through_a_plugin_of_32_mib() {
    const BYTES: u64 = 5 << 30;
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    // It takes no room on the disk: it is all holes.
    let file = std::fs::File::create(folder.path().join("f")).unwrap();
    file.set_len(BYTES).unwrap();
    let mut exporting = exporting(server.endpoint(), folder.path());
    exporting.more.push_str("\n[plugins]\nmemory = \"32 MiB\"");
    let host = exporting.start();
    append(&host, [task(&folder, "f")]);
    eventually_within(Duration::from_secs(600), "the object is there", || {
        server.object("f")
    });
    let object = server.object("f").unwrap();
    assert_eq!(object.bytes, BYTES);
    assert_eq!(server.parts(), (1..=1024).collect::<Vec<_>>());
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}
