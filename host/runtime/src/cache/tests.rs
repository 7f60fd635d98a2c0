use super::*;
use crate::engine;

const SHA: &str = "00ff";

struct Folder {
    cache: Cache,
    engine: Engine,
    // Deletes the folder.
    _parent: tempfile::TempDir,
}

fn folder() -> Folder {
    let parent = tempfile::tempdir().unwrap();
    let engine = engine::new().unwrap();
    let cache = Cache::open(parent.path().join("deep/cache"), &engine).unwrap();
    Folder {
        cache,
        engine,
        _parent: parent,
    }
}

impl Folder {
    fn install(&self, sha256: &str) {
        let native = self
            .engine
            .precompile_component(b"\0asm\x0d\0\x01\0")
            .unwrap();
        let staged = self.cache.stage(&native).unwrap();
        self.cache.install(sha256, staged).unwrap();
    }

    /// Installs what was used last at a time.
    fn install_used(&self, sha256: &str, used: SystemTime) {
        self.install(sha256);
        let prefix = self.cache.prefix(sha256);
        let is_ours = |path: &PathBuf| path.to_string_lossy().contains(&prefix);
        let path = self.files().into_iter().find(is_ours).unwrap();
        File::open(path).unwrap().set_modified(used).unwrap();
    }

    fn loads(&self, sha256: &str) -> bool {
        self.cache.load(&self.engine, sha256).is_some()
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.cache.folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

#[test]
fn what_is_installed_is_loaded_under_its_own_key_only() {
    let folder = folder();
    assert!(!folder.loads(SHA));
    folder.install(SHA);
    assert!(folder.loads(SHA));
    assert!(!folder.loads("00fe"));
    assert!(!folder.loads("00"));
}

#[test]
fn native_code_of_another_engine_is_not_loaded() {
    let mut folder = folder();
    folder.install(SHA);
    folder.cache.environment ^= 1;
    assert!(!folder.loads(SHA));
}

#[test]
fn damaged_and_cut_files_are_dropped() {
    let folder = folder();
    let damages: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        },
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |_| Vec::new(),
    ];
    for damage in damages {
        folder.install(SHA);
        let path = folder.files().pop().unwrap();
        fs::write(&path, damage(fs::read(&path).unwrap())).unwrap();
        assert!(!folder.loads(SHA));
        assert!(!path.exists());
    }
}

#[test]
fn the_least_recently_used_go_first() {
    let folder = folder();
    let start = SystemTime::now() - Duration::from_secs(1_000_000);
    for (age, index) in (0..).zip(0..MAX_FILES) {
        folder.install_used(&format!("{index:02}"), start + Duration::from_secs(age));
    }
    assert!(folder.loads("00"), "which makes it the most recently used");
    folder.install(SHA);
    assert!(folder.loads("00") && folder.loads("02") && folder.loads(SHA));
    assert!(!folder.loads("01"));
    assert_eq!(folder.files().len(), MAX_FILES);
}

#[test]
fn what_belongs_to_a_loaded_component_stays_however_long_it_was_not_used() {
    let folder = folder();
    let start = SystemTime::now() - Duration::from_secs(1_000_000);
    let held: Arc<str> = "held".into();
    folder.cache.keep(&held);
    folder.install_used("held", start - Duration::from_secs(2));
    folder.install_used("free", start - Duration::from_secs(1));
    for index in 0..MAX_FILES {
        folder.install_used(&format!("{index:02}"), start);
    }
    let has = |sha256: &str| {
        let prefix = folder.cache.prefix(sha256);
        folder.files().iter().any(|file| begins_with(file, &prefix))
    };
    assert!(has("held") && !has("free"));
    drop(held);
    folder.install(SHA);
    assert!(!has("held"));
}

#[test]
fn what_a_host_that_died_left_behind_is_dropped() {
    let folder = folder();
    let (_, old) = folder.cache.stage(b"x").unwrap().keep().unwrap();
    File::open(&old)
        .unwrap()
        .set_modified(SystemTime::now() - 2 * STALE)
        .unwrap();
    let (_, young) = folder.cache.stage(b"x").unwrap().keep().unwrap();
    folder.install(SHA);
    assert!(!old.exists());
    assert!(young.exists());
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let path = folder.cache.folder.clone();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Cache::open(path, &folder.engine).unwrap_err();
    assert!(matches!(error, RuntimeError::CacheUnsafe { .. }), "{error}");
}

#[test]
fn a_folder_that_is_a_file_is_refused_by_name() {
    let file = NamedTempFile::new().unwrap();
    let error = Cache::open(file.path().into(), &engine::new().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&file.path().display().to_string()),
        "{error}"
    );
}
