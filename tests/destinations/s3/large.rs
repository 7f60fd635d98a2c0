//! A file that is far larger than the memory of the plugin.

use std::time::Duration;

use millstream_tests::{S3Server, eventually_within};
use tempfile::TempDir;

use super::*;

/// It takes no room on the disk, since it is all holes.
#[test]
fn a_file_of_5_gib_goes_through_a_plugin_of_32_mib() {
    const BYTES: u64 = 5 << 30;
    let server = S3Server::start();
    let folder = TempDir::new().unwrap();
    let file = std::fs::File::create(folder.path().join("f")).unwrap();
    file.set_len(BYTES).unwrap();
    let mut exporting = exporting(server.endpoint(), folder.path());
    exporting.root = "plugins.memory = \"32 MiB\"".to_owned();
    let host = exporting.start();
    append(&host, [task(&folder, "f")]);
    let limit = Duration::from_secs(600);
    let object = eventually_within(limit, "the object is there", || server.object("f"));
    assert_eq!(object.bytes, BYTES);
    let parts: Vec<u32> = (1..=BYTES.div_ceil(5 << 20) as u32).collect();
    assert_eq!(server.parts(), parts);
    wait_for_statuses(&host, &[(0, IN_PROGRESS), (0, SUCCESS)]);
}
