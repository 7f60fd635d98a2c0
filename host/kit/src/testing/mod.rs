//! Components for tests: WebAssembly text, encoded as components against the contract.

use std::path::Path;

use millstream_runtime::{
    AwsOptions, CompileCommand, Component, CredentialsSource, Runtime, RuntimeOptions, Secrets,
    compile_file,
};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{PackageId, Resolve};

use crate::{Options, Report, Verdict};

/// The schema of the components in `exporter.wat` and `transform.wat`.
pub(crate) const SCHEMA: &str = r#"{"type":"object","required":["limit"],"properties":{"limit":{"type":"integer","default":1}},"additionalProperties":false}"#;

/// The exporter in `exporter.wat` with this schema, where each mark is followed by a misdeed.
pub(crate) fn exporter(schema: &str, misdeeds: &[(&str, &str)]) -> Vec<u8> {
    let wat = include_str!("exporter.wat").replace(";; COMMON", include_str!("common.wat"));
    let wat = wat.replace("INTERFACE", "exporter");
    plugin("exporter-plugin", wat, schema, misdeeds)
}

/// The transform in `transform.wat`, likewise, with [`SCHEMA`].
pub(crate) fn transform(misdeeds: &[(&str, &str)]) -> Vec<u8> {
    let wat = include_str!("transform.wat").replace(";; COMMON", include_str!("common.wat"));
    let wat = wat.replace("INTERFACE", "transformer");
    plugin("transform-plugin", wat, SCHEMA, misdeeds)
}

fn plugin(world: &str, wat: String, schema: &str, misdeeds: &[(&str, &str)]) -> Vec<u8> {
    let length = u32::try_from(schema.len()).unwrap().to_le_bytes();
    let length: String = length.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let mut wat = wat
        .replace("SCHEMA", &schema.replace('"', "\\\""))
        .replace("LENGTH", &length);
    for (mark, misdeed) in misdeeds {
        assert!(wat.contains(mark));
        wat = wat.replace(mark, misdeed);
    }
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    encode(&resolve, package, world, &wat)
}

/// A command that prints three lines and then does `end`, which is WebAssembly text.
pub(crate) fn producer(end: &str) -> Vec<u8> {
    let wat = include_str!("../../../runtime/src/testing/producer.wat").replace(";; END", end);
    let wit = include_str!("../../../runtime/src/testing/producer.wit");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    encode(&resolve, package, "producer", &wat)
}

fn encode(resolve: &Resolve, package: PackageId, world: &str, wat: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(wat).unwrap();
    wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// A component, and the folder that it lives in.
pub(crate) struct Loaded {
    component: Component,
    _folder: TempDir,
}

impl Loaded {
    /// Compiles and loads.
    pub(crate) async fn new(wasm: Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [file, native] = ["test.wasm", "native"].map(|name| folder.path().join(name));
        std::fs::write(&file, wasm).unwrap();
        // Compiled here, so that the child that the runtime starts has only to copy.
        compile_file(&file, &native).unwrap();
        let copy = "cat \"$1\" > \"$3\"";
        let runtime = Runtime::new(RuntimeOptions {
            cache_dir: folder.path().join("cache"),
            compiler: CompileCommand {
                program: "/bin/sh".into(),
                args: vec!["-c".into(), copy.into(), "compiler".into(), native.into()],
            },
            aws: AwsOptions {
                credentials: CredentialsSource::None,
                ..AwsOptions::default()
            },
            bandwidth: None,
            secrets: Secrets::default(),
        })
        .unwrap();
        let component = runtime.load(&file).await.unwrap();
        Self {
            component,
            _folder: folder,
        }
    }

    /// Puts it through all checks, with fewer batches than usual.
    pub(crate) async fn report(&self) -> Report {
        let options = Options {
            batches: 300,
            ..Options::default()
        };
        crate::run(&self.component, options, &|_| {}).await.unwrap()
    }
}

/// The checks that do not hold, with what they say.
pub(crate) fn failed(report: &Report) -> Vec<(&'static str, &str)> {
    let checks = report.checks.iter();
    checks
        .filter(|check| check.verdict == Verdict::DoesNotHold)
        .map(|check| (check.name, check.sentence.as_str()))
        .collect()
}

/// Asserts that a component fails one check, with this in its sentence.
pub(crate) async fn fails_only(component: Vec<u8>, name: &str, says: &str) {
    let report = Loaded::new(component).await.report().await;
    match failed(&report).as_slice() {
        [(failed, sentence)] if *failed == name => assert!(sentence.contains(says), "{sentence}"),
        other => panic!("{name}: {other:?}"),
    }
}

/// A misdeed at the mark where a batch arrives: a page of memory is lost with every 16th batch, which is
/// 4 KiB a batch.
pub(crate) const SLOW_LEAK: &str = "
    (i32.store (i32.const 0x600) (i32.add (i32.load (i32.const 0x600)) (i32.const 1)))
    (if (i32.eqz (i32.and (i32.load (i32.const 0x600)) (i32.const 15)))
        (then (drop (memory.grow (i32.const 1)))))";
/// A misdeed of `open`: it takes a configuration in which the limit is missing.
pub(crate) const TAKES_NOTHING: &str = "(if (i32.eq (local.get $length) (i32.const 2))
    (then (i32.store8 (i32.const 0x300) (i32.const 0))))";
/// A misdeed of `open`: it does not name the field of a limit of the wrong kind.
pub(crate) const NAMES_NOTHING: &str = "(if (i32.gt_u (local.get $length) (i32.const 11))
    (then (if (i32.eq (i32.load (i32.const 0x308)) (i32.const 0x130))
        (then (i32.store8 (i32.const 0x304) (i32.const 0))))))";
