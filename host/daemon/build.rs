//! Embeds what `millstream new` writes: the templates of projects, the contract, and the packages of
//! WASI that components may take.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What each constant holds: its name, and the folder of its files from this one.
const EMBEDDED: [(&str, &str); 4] = [
    ("TEMPLATES", "../../components/templates"),
    ("CONTRACT", "../../wit"),
    ("WASI", "../../components/wasi"),
    ("TLS", "../../plugins/sdk/wit/deps/tls"),
];

/// What tools leave behind where somebody has tried a template out in its place.
const LEFT_OUT: [&str; 7] = [
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    "stubs",
    "gen",
    ".millstream",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut code = String::new();
    for (name, folder) in EMBEDDED {
        let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join(folder);
        writeln!(code, "pub(super) static {name}: &[(&str, &str)] = &[")?;
        for file in files(&folder)? {
            let within = file.strip_prefix(&folder)?;
            writeln!(code, "    ({within:?}, include_str!({file:?})),")?;
        }
        writeln!(code, "];")?;
        // Cargo looks at everything in it.
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

/// All files below a folder, in order.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
