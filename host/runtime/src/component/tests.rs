use super::*;
use crate::testing::{self, Host};

/// A component that exports nothing but empty instances of the given names.
fn exporting(names: &[&str]) -> Vec<u8> {
    let exports: String = names
        .iter()
        .map(|name| format!("(export \"{name}\" (instance $i))"))
        .collect();
    wat::parse_str(format!("(component (instance $i) {exports})")).unwrap()
}

#[tokio::test]
async fn an_exporter_and_its_imports_are_recognised() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    assert_eq!(component.kind(), ComponentKind::Exporter);
    assert_eq!(component.name(), "test");
    assert!(
        component
            .imports()
            .contains(&"millstream:plugin/log@0.1.0".to_owned())
    );
}

#[tokio::test]
async fn a_command_is_a_producer_and_cannot_be_opened() {
    let host = Host::new();
    let component = host.link(&testing::producer("")).unwrap();
    assert_eq!(component.kind(), ComponentKind::Producer);
    let error = component.describe(Limits::default()).await.unwrap_err();
    assert!(matches!(error, RuntimeError::WrongKind { .. }), "{error}");
}

#[test]
fn a_component_says_of_which_worlds_and_of_which_contract_it_is() {
    let host = Host::new();
    let exporter = host.link(&testing::canceling()).unwrap();
    assert_eq!(
        exporter.worlds(),
        [
            "millstream:plugin/exporter-plugin@0.1.0",
            "millstream:plugin/canceling-plugin@0.1.0"
        ]
    );
    assert_eq!(exporter.contract_version(), Some(CONTRACT_VERSION));
    let producer = host.link(&testing::producer("")).unwrap();
    let worlds = producer.worlds();
    assert!(worlds[0].starts_with("wasi:cli/command@0.2."), "{worlds:?}");
    assert_eq!(producer.contract_version(), None);
}

#[test]
fn the_version_of_the_contract_is_the_one_that_stands_in_it() {
    let package = format!("package millstream:plugin@{CONTRACT_VERSION};");
    assert!(include_str!("../../../../wit/types.wit").contains(&package));
}

#[test]
fn a_component_without_an_entry_is_refused() {
    let error = Host::new().link(&exporting(&["a:b/c"])).unwrap_err();
    assert!(matches!(error, RuntimeError::NoEntry { .. }), "{error}");
}

#[test]
fn another_version_of_the_contract_is_refused_and_both_are_named() {
    let error = Host::new()
        .link(&exporting(&["millstream:plugin/exporter@0.2.0"]))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("exporter@0.2.0") && text.contains("exporter@0.1.0"),
        "{text}"
    );
}

#[test]
fn an_exporter_without_the_functions_of_the_contract_is_refused() {
    let error = Host::new()
        .link(&exporting(&["millstream:plugin/exporter@0.1.0"]))
        .unwrap_err();
    assert!(
        matches!(error, RuntimeError::ContractShape { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("describe"), "{error}");
}

#[test]
fn an_import_that_the_host_lacks_is_named() {
    let wasm = wat::parse_str(
        r#"(component
            (import "wasi:nn/tensor@0.2.0" (instance (export "f" (func))))
            (instance $i)
            (export "wasi:cli/run@0.2.0" (instance $i)))"#,
    )
    .unwrap();
    let error = Host::new().link(&wasm).unwrap_err();
    assert!(
        matches!(&error, RuntimeError::UnknownImport { import, .. } if import == "wasi:nn/tensor@0.2.0"),
        "{error}"
    );
}

#[tokio::test]
async fn an_exporter_describes_itself() {
    let host = Host::new();
    let component = host.link(&testing::exporter()).unwrap();
    let description = component.describe(Limits::default()).await.unwrap();
    assert_eq!(description.name, "test");
    assert_eq!(description.version, "1.0.0");
    assert_eq!(description.limits.max_messages, 10);
    assert_eq!(description.limits.max_batch_bytes, 1024);
    assert_eq!(description.limits.max_message_bytes, 512);
}
