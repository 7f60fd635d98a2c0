//! Ways out of a granted folder.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::{Setting, Siege, attack, precious};

/// `in`, granted for reading, is full of links that lead out of it.
fn prepare(folder: &Path) {
    for name in ["in", "in/sub", "out", "outside"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    precious(&folder.join("in/file"));
    precious(&folder.join("outside/file"));
    let to = |target: &Path, name: &str| symlink(target, folder.join("in").join(name)).unwrap();
    to(Path::new("../outside/file"), "link");
    to(&folder.join("outside/file"), "absolute-link");
    to(Path::new(".."), "up");
    to(Path::new("sub/../../outside"), "winding");
    to(Path::new("/proc/self"), "self");
    to(Path::new("link"), "link-to-link");
    to(Path::new("file"), "harmless");
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn no_path_and_no_link_leads_out_of_a_granted_folder() {
    let folder = TempDir::new().unwrap();
    prepare(folder.path());
    let path = folder.path().to_owned();
    let outside = path.join("outside/file");
    let before = [
        everything_in(&path.join("in")),
        everything_in(&path.join("outside")),
    ];
    let attack = json!({
        "attack": "files",
        "outside": "../outside/file",
        "inside": "file",
        "read": [
            "file", "harmless", "sub/../file",
            "../outside/file", "./../outside/file", "sub/../../outside/file", "..", "/",
            "/etc/passwd", "//etc/passwd", outside.to_str().unwrap(),
            "link", "absolute-link", "link-to-link", "up/outside/file", "winding/file",
            "self/environ", "self/root/etc/passwd", "self/cwd/outside/file",
            "%2e%2e/outside/file", "..\\outside\\file", "",
        ],
    });
    let grants = "folders = [{ path = \"in\", as = \"/in\" }, \
                  { path = \"out\", as = \"/out\", write = true }]";
    let setting = Setting {
        grants: grants.into(),
        ..Setting::default()
    };
    let mut siege = Siege::begin(folder, attack, setting);
    siege.lets_through(&[
        "read file",
        "read harmless",
        "read sub/../file",
        "write into out",
    ]);
    for refused in ["../outside/file", "link", "/etc/passwd", "self/environ"] {
        siege.log_says(&format!("refused the path `{refused}`"));
    }
    let after = [
        everything_in(&path.join("in")),
        everything_in(&path.join("outside")),
    ];
    assert_eq!(after, before);
    for file in [&outside, &path.join("in/file")] {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    }
}

#[test]
fn a_folder_is_not_held_in_memory_again_and_again() {
    let folder = TempDir::new().unwrap();
    prepare(folder.path());
    let setting = Setting {
        grants: "folders = [{ path = \"in\", as = \"/in\" }]".into(),
        ..Setting::default()
    };
    let mut siege = Siege::begin(folder, attack("listings"), setting);
    siege.lets_through(&[]);
    siege.log_says("refused to list a folder: it has 16 listings open already");
}
