//! Whether a component is older than the project that it was built of.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::build::PROJECT;

/// Where tools put what they make or fetch; what begins with a dot is left out too.
const MADE: [&str; 5] = ["target", "node_modules", "build", "dist", "__pycache__"];
/// What is not built: documents, locks that tools write while they build, and the tests.
const NOT_BUILT: [&str; 4] = ["md", "wasm", "lock", "sum"];
const TESTS: &str = "tests";
/// Enough for a project that a person wrote.
const DEEPEST: usize = 6;
const MOST_FILES: usize = 2_000;

/// The file of its project that was changed last, if that was after the component was built. None also where
/// the component does not lie in a project.
pub(super) fn newer_source(component: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(component).ok()?.parent()?.to_owned();
    if !folder.join(PROJECT).is_file() {
        return None;
    }
    let built = changed(component)?;
    let mut search = Search {
        newest: None,
        left: MOST_FILES,
    };
    search.folder(&folder, 0);
    let (when, path) = search.newest?;
    let path = path.strip_prefix(&folder).map(Path::to_owned).ok()?;
    (when > built).then_some(path)
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

struct Search {
    newest: Option<(SystemTime, PathBuf)>,
    left: usize,
}

impl Search {
    fn folder(&mut self, folder: &Path, depth: usize) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if name.starts_with('.') || MADE.contains(&name.as_ref()) {
                continue;
            }
            if kind.is_dir() && depth < DEEPEST && name != TESTS {
                self.folder(&path, depth + 1);
            } else if kind.is_file() {
                self.file(path);
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if NOT_BUILT.contains(&extension.as_ref()) {
            return;
        }
        let Some(when) = changed(&path) else { return };
        if self
            .newest
            .as_ref()
            .is_none_or(|(newest, _)| when > *newest)
        {
            self.newest = Some((when, path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_component_is_stale_if_a_source_was_changed_after_it_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let built = SystemTime::now() - Duration::from_secs(100);
        let write = |name: &str, seconds_later: i64| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            let by = Duration::from_secs(seconds_later.unsigned_abs());
            let when = if seconds_later < 0 {
                built - by
            } else {
                built + by
            };
            File::open(&path).unwrap().set_modified(when).unwrap();
        };
        write("sink.wasm", 0);
        let component = folder.path().join("sink.wasm");
        write("src/a.rs", 5);
        assert_eq!(newer_source(&component), None, "it is no project");
        write(PROJECT, -9);
        assert_eq!(newer_source(&component), Some("src/a.rs".into()));
        write("src/deep/b.rs", 7);
        assert_eq!(newer_source(&component), Some("src/deep/b.rs".into()));
        write("src/deep/b.rs", -7);
        write("src/a.rs", -5);
        for unbuilt in [
            "README.md",
            "target/x.rs",
            ".venv/x.py",
            "tests/t.py",
            "go.sum",
        ] {
            write(unbuilt, 5);
        }
        assert_eq!(newer_source(&component), None);
    }
}
