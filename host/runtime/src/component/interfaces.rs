//! The interfaces of a component: what it exports makes it what it is, and what it imports must be there.

use wasmtime::component::{Component as Native, InstancePre};

use super::ComponentKind;
use crate::error::RuntimeError;
use crate::runtime::Runtime;
use crate::state::State;

/// The interface that makes a component an exporter.
const EXPORTER: &str = "millstream:plugin/exporter@0.1.0";
/// The interface that makes a component a transform.
const TRANSFORMER: &str = "millstream:plugin/transformer@0.1.0";
/// The interface that makes a component a producer.
const RUN: &str = "wasi:cli/run";
/// The interface that makes a component a webhook.
const HANDLER: &str = "wasi:http/incoming-handler";

/// Gives a component what it imports.
pub(super) fn link_imports(
    runtime: &Runtime,
    component: &str,
    imports: &[String],
    native: &Native,
) -> Result<InstancePre<State>, RuntimeError> {
    runtime.linker().instantiate_pre(native).map_err(|error| {
        let reason = format!("{error:#}");
        // wasmtime names the import in its message only.
        let import = imports
            .iter()
            .find(|import| reason.contains(&format!("`{import}`")));
        RuntimeError::UnknownImport {
            component: component.into(),
            import: import
                .cloned()
                .unwrap_or_else(|| "an unknown interface".into()),
            reason,
        }
    })
}

/// Finds what makes a component what it is. One that is several things is the first of these: an exporter, a
/// transform, a webhook, a producer. A program whose work are requests may have a `main` all the same.
pub(super) fn find_entry<'a>(
    component: &str,
    exports: &[&'a str],
) -> Result<(ComponentKind, &'a str), RuntimeError> {
    for (kind, interface) in [
        (ComponentKind::Exporter, EXPORTER),
        (ComponentKind::Transform, TRANSFORMER),
    ] {
        let (name, offered) = split_version(interface);
        let found = exports
            .iter()
            .find(|export| split_version(export).0 == name);
        match found {
            Some(found) if compatible(split_version(found).1, offered) => return Ok((kind, found)),
            Some(found) => {
                return Err(RuntimeError::ContractVersion {
                    component: component.into(),
                    found: (*found).into(),
                    offered: interface,
                });
            }
            None => {}
        }
    }
    [
        (ComponentKind::Webhook, HANDLER),
        (ComponentKind::Producer, RUN),
    ]
    .into_iter()
    .find_map(|(kind, entry)| {
        let found = exports
            .iter()
            .find(|export| split_version(export).0 == entry);
        found.map(|found| (kind, *found))
    })
    .ok_or_else(|| RuntimeError::NoEntry {
        component: component.into(),
        exporter: EXPORTER,
        transformer: TRANSFORMER,
    })
}

/// An interface's name, and its version or nothing.
pub(super) fn split_version(interface: &str) -> (&str, &str) {
    interface.split_once('@').unwrap_or((interface, ""))
}

/// Whether two versions are of one track, as component linking sees it: below 1.0.0 the same minor
/// version.
fn compatible(found: &str, offered: &str) -> bool {
    let track = |version: &str| version.rsplit_once('.').map(|(track, _)| track.to_owned());
    !found.contains('-') && track(found) == track(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_versions_are_compatible_and_others_are_not() {
        assert!(compatible("0.1.0", "0.1.0"));
        assert!(compatible("0.1.7", "0.1.0"));
        for found in ["0.2.0", "1.1.0", "0.10.0", "0.1.0-rc1", ""] {
            assert!(!compatible(found, "0.1.0"), "{found}");
        }
    }
}
