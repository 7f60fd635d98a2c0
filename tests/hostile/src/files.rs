//! Files outside of the granted folders, and changes in one that is granted for reading.

use serde::Deserialize;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

use crate::attempts::report;

/// `/in` is granted for reading, `/out` for writing.
#[derive(Deserialize)]
pub(crate) struct Files {
    /// To be read, from `/in`.
    read: Vec<String>,
    /// A way from `/out` to a file outside.
    outside: String,
    /// A file in `/in`.
    inside: String,
}

impl Files {
    pub(crate) fn attempt(&self) {
        let folders = get_directories();
        let folder = |name: &str| folders.iter().find(|(_, path)| path == name);
        let (Some((read_only, _)), Some((writable, _))) = (folder("/in"), folder("/out")) else {
            return report("folders", &Err::<(), _>("they are not there"));
        };
        for path in &self.read {
            report(&format!("read {path}"), &read(read_only, path));
        }
        self.change_what_is_read_only(read_only, writable);
        self.write_outside(writable);
        report("write into out", &write(writable, "new", b"new"));
    }

    fn change_what_is_read_only(&self, read_only: &Descriptor, writable: &Descriptor) {
        let inside = self.inside.as_str();
        let none = PathFlags::empty();
        report("overwrite in in", &write(read_only, inside, b"changed"));
        report("create in in", &write(read_only, "new", b"new"));
        report("delete in in", &read_only.unlink_file_at(inside));
        report(
            "create a folder in in",
            &read_only.create_directory_at("new"),
        );
        let moved = read_only.rename_at(inside, writable, "moved");
        report("move out of in", &moved);
        let linked = read_only.link_at(none, inside, writable, "linked");
        report("link out of in", &linked);
        report("symlink in in", &read_only.symlink_at("target", "symlink"));
        let opened = read_only.open_at(none, inside, OpenFlags::empty(), DescriptorFlags::READ);
        let opened = opened.and_then(|file| file.set_size(0));
        report("truncate in in", &opened);
    }

    fn write_outside(&self, writable: &Descriptor) {
        let outside = self.outside.as_str();
        let none = PathFlags::empty();
        report("overwrite outside", &write(writable, outside, b"changed"));
        report("create outside", &write(writable, "../new", b"new"));
        report("delete outside", &writable.unlink_file_at(outside));
        report(
            "create a folder outside",
            &writable.create_directory_at("../new"),
        );
        let moved = writable.rename_at(outside, writable, "moved");
        report("move from outside", &moved);
        let linked = writable.link_at(none, outside, writable, "linked");
        report("link from outside", &linked);
        // A link may say what it likes: it leads nowhere.
        let _ = writable.symlink_at(outside, "way-out");
        report("read through a link of its own", &read(writable, "way-out"));
        let through = write(writable, "way-out", b"changed");
        report("write through a link of its own", &through);
        let absolute = writable.symlink_at("/etc/passwd", "to-passwd");
        report("make an absolute link", &absolute);
    }
}

/// The host holds what is in a folder while it is listed: listed again and again, it would hold it as
/// often.
pub(crate) fn hold_listings() {
    let folders = get_directories();
    let listings: Vec<_> = folders
        .iter()
        .flat_map(|(folder, _)| (0..400).map(|_| folder.read_directory()))
        .collect();
    let held = listings.iter().flatten().count();
    let outcome = if held > 16 { Ok(()) } else { Err(held) };
    report("hold more than 16 listings", &outcome);
}

fn read(folder: &Descriptor, path: &str) -> Result<usize, ErrorCode> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let file = folder.open_at(follow, path, OpenFlags::empty(), DescriptorFlags::READ)?;
    file.read(1024, 0).map(|(bytes, _)| bytes.len())
}

fn write(folder: &Descriptor, path: &str, bytes: &[u8]) -> Result<u64, ErrorCode> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = folder.open_at(follow, path, flags, DescriptorFlags::WRITE)?;
    file.write(bytes, 0)
}
