//! Loading each component whose native code is in the cache.

use std::path::{Path, PathBuf};
use std::time::Instant;

use millstream_runtime::{
    AwsOptions, CompileCommand, CredentialsSource, Runtime, RuntimeOptions, Secrets,
};
use tempfile::TempDir;

use crate::host::Setup;
use crate::report::{Budget, median, value};

pub(crate) fn run(setup: &Setup, quick: bool) {
    let rounds = if quick { 7 } else { 25 };
    let cache = TempDir::new().unwrap();
    for component in components(&setup.plugins) {
        let name = component.file_stem().unwrap().display();
        let what = format!("loading the cached component {name}");
        if setup.measures(&what) {
            let times = load(setup, cache.path(), &component, rounds);
            value(&what, "ms", median(times), Budget::AtMost(50.0));
        }
    }
}

/// All components of a folder, by name.
fn components(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut components: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    components.sort();
    components
}

/// Milliseconds of each load, each by a runtime of its own that has loaded nothing before.
fn load(setup: &Setup, cache: &Path, component: &Path, rounds: usize) -> Vec<f64> {
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    executor.block_on(async {
        let mut times = Vec::new();
        for _ in 0..=rounds {
            let runtime = runtime(setup, cache);
            let start = Instant::now();
            runtime.load(component).await.unwrap();
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        // The first one compiles.
        times.split_off(1)
    })
}

pub(crate) fn runtime(setup: &Setup, cache: &Path) -> Runtime {
    Runtime::new(RuntimeOptions {
        cache_dir: cache.to_owned(),
        compiler: CompileCommand {
            program: setup.millstream.clone(),
            args: vec!["compile".into()],
        },
        aws: AwsOptions {
            credentials: CredentialsSource::None,
            ..AwsOptions::default()
        },
        bandwidth: None,
        secrets: Secrets::default(),
    })
    .unwrap()
}
