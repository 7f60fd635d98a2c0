//! What becomes of the native code of a plugin that has nothing to do.

use millstream_tests::eventually;

use super::{Stage, TO_FILE, built, sha256};

impl Stage {
    /// Whether the host has native code of this component in memory, as the system sees it.
    fn has_mapped(&self, component: &[u8]) -> bool {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.host.id())).unwrap();
        maps.contains(&format!("native-code/{}", sha256(component)))
    }

    fn wait_for_rest(&self, component: &[u8]) {
        eventually("the plugin rests without its native code", || {
            (!self.has_mapped(component)).then_some(())
        });
    }
}

#[test]
fn a_plugin_that_rests_gives_its_native_code_back_and_goes_on_in_the_same_version() {
    let file = built("file");
    let config = format!("plugins.rest-after = \"1s\"\n{TO_FILE}");
    let stage = Stage::start(&[("file.wasm", &file)], &config);
    stage.append(1);
    stage.wait_for_written(1);
    stage.wait_for_rest(&file);
    stage.append(1);
    stage.wait_for_written(2);

    stage.put("file.wasm", b"not WebAssembly");
    stage.host.wait_for_log("the version in use goes on");
    stage.wait_for_rest(&file);
    stage.append(1);
    stage.wait_for_written(3);
    stage.wait_for_rest(&file);
    let export = stage.host.describe("s").unwrap()["exports"][0].clone();
    assert_eq!(export["errorMessage"], "");
}
