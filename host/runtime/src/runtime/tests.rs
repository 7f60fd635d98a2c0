use std::fs;

use super::*;
use crate::compile_file;
#[cfg(unix)]
use crate::testing::Compiled;
use crate::testing::{self, Host};

#[cfg(unix)]
#[tokio::test]
async fn a_component_is_compiled_once_and_found_in_the_cache_afterwards() {
    let fixture = Compiled::new();
    let runtime = &fixture.host.runtime;
    let component = runtime.load(&fixture.wasm).await.unwrap();
    assert_eq!(component.name(), "my-plugin");
    assert_eq!(component.sha256().len(), 64);
    assert_eq!(component.size(), fs::metadata(&fixture.wasm).unwrap().len());
    component.describe(crate::Limits::default()).await.unwrap();
    runtime.load(&fixture.wasm).await.unwrap();
    assert_eq!(fixture.runs(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn two_loads_at_once_compile_once() {
    let fixture = Compiled::new();
    let runtime = &fixture.host.runtime;
    let (a, b) = tokio::join!(runtime.load(&fixture.wasm), runtime.load(&fixture.wasm));
    assert_eq!(a.unwrap().sha256(), b.unwrap().sha256());
    assert_eq!(fixture.runs(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_damaged_file_of_the_cache_is_compiled_anew() {
    let fixture = Compiled::new();
    fixture.host.runtime.load(&fixture.wasm).await.unwrap();
    for file in fixture.cached() {
        fs::write(file, "damaged").unwrap();
    }
    fixture.host.runtime.load(&fixture.wasm).await.unwrap();
    assert_eq!(fixture.runs(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_compiler_that_writes_rubbish_is_not_believed_and_leaves_nothing() {
    let fixture = Compiled::by(r#"echo rubbish > "$4""#);
    let error = fixture.host.runtime.load(&fixture.wasm).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Compile { .. }), "{error}");
    assert_eq!(
        fs::read_dir(fixture.host.folder.path().join("cache"))
            .unwrap()
            .count(),
        0
    );
}

async fn load_bytes(bytes: &[u8]) -> RuntimeError {
    let host = Host::new();
    let path = host.folder.path().join("plugin.wasm");
    fs::write(&path, bytes).unwrap();
    host.runtime.load(&path).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_component_or_not_whole_is_refused_before_it_is_compiled() {
    let error = load_bytes(b"(component)").await;
    assert!(
        matches!(error, RuntimeError::NotWebAssembly { .. }),
        "{error}"
    );
    let error = load_bytes(&wat::parse_str("(module)").unwrap()).await;
    assert!(matches!(error, RuntimeError::CoreModule { .. }), "{error}");
    let half = testing::exporter();
    let error = load_bytes(&half[..half.len() / 2]).await;
    assert!(matches!(error, RuntimeError::Incomplete { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn who_loads_a_component_can_refuse_it_by_its_bytes_before_it_is_compiled() {
    let fixture = Compiled::new();
    let runtime = &fixture.host.runtime;
    let expected = fs::read(&fixture.wasm).unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let keep = std::sync::Arc::clone(&seen);
    let refused = runtime.load_if(&fixture.wasm, move |bytes, sha256| {
        *keep.lock().unwrap() = Some((bytes.to_vec(), sha256.to_owned()));
        Err("it is not known".to_owned())
    });
    let error = refused.await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Refused { reason, .. } if reason == "it is not known"),
        "{error}"
    );
    assert_eq!(fixture.runs(), 0);
    let component = runtime.load_if(&fixture.wasm, |_, _| Ok(())).await.unwrap();
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen, (expected, component.sha256().to_owned()));
}

#[tokio::test]
async fn a_missing_file_and_a_folder_are_named() {
    let host = Host::new();
    for path in [
        host.folder.path().join("missing.wasm"),
        host.folder.path().to_owned(),
    ] {
        let error = host.runtime.load(&path).await.unwrap_err();
        assert!(matches!(error, RuntimeError::Unreadable { .. }), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }
}

#[test]
fn a_broken_component_is_refused_by_the_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, b"\0asm\x0d\0\x01\0broken").unwrap();
    let error = compile_file(&input, &output).unwrap_err();
    assert!(matches!(error, RuntimeError::Compile { .. }), "{error}");
    assert!(!output.exists());
}
