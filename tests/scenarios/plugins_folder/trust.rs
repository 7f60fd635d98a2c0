//! Which files may be used: pinned ones, signed ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_tests::eventually;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{Stage, TO_FILE, built, sha256, version};

impl Stage {
    /// Waits until the file of the plugin is refused for a reason, and the version in use goes on.
    fn wait_for_refusal(&self, reason: &str, in_use: &[u8]) {
        eventually(&format!("the file is refused: {reason}"), || {
            let plugin = self.plugin("file");
            assert_eq!(plugin["sha256"], sha256(in_use));
            let problem = plugin["problem"].as_str()?;
            (problem.contains("is refused") && problem.contains(reason)).then_some(())
        });
        let written = self.written().len() as u64;
        self.append(1);
        self.wait_for_written(written + 1);
    }

    fn wait_for_use(&self, bytes: &[u8]) {
        eventually("the version is in use", || {
            let plugin = self.plugin("file");
            (plugin["sha256"] == sha256(bytes) && plugin["problem"] == "").then_some(())
        });
    }
}

#[test]
fn with_pins_no_other_file_and_no_other_plugin_is_used() {
    let file = built("file");
    let [next, strange] = ["next", "strange"].map(|note| version(&file, note));
    let config = format!(
        "{TO_FILE}\n[plugins.pins]\nfile = [\"sha256:{}\", \"sha256:{}\"]\n[[stream]]\nname = \
         \"h\"\n[[stream.export]]\nidentifier = \"to-http\"\nplugin = \"http\"\n",
        sha256(&file),
        sha256(&next)
    );
    let stage = Stage::start(
        &[("file.wasm", &file), ("http.wasm", &built("http"))],
        &config,
    );
    stage.append(1);
    stage.wait_for_written(1);
    let unpinned = |export: &serde_json::Value| {
        let error = export["errorMessage"].as_str().unwrap();
        error.contains("plugins.pins") && error.contains("http = \"sha256:")
    };
    stage.host.wait_for_export("h", "is refused", unpinned);

    stage.put("file.wasm", &strange);
    stage.wait_for_refusal("plugins.pins", &file);
    let listed = stage.list();
    assert!(listed.contains("is refused"), "{listed}");
    stage.put("file.wasm", &next);
    stage.wait_for_use(&next);
}

#[test]
fn with_trusted_keys_only_signed_files_are_used() {
    let [ours, stranger] =
        [1, 2].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
    let config = format!(
        "plugins.trusted-keys = [\"{}\"]\n{TO_FILE}",
        STANDARD.encode(ours.public_key())
    );
    let file = built("file");
    let other = version(&file, "signed later");
    let stage = Stage::start(&[("file.wasm", &file)], &config);
    stage.append(1);
    stage.host.wait_for_export("s", "is refused", |export| {
        let error = export["errorMessage"].as_str().unwrap();
        error.contains("only signed plugins") && error.contains("file.wasm.sig")
    });
    // A signature is all that is missing.
    stage.put("file.wasm.sig", ours.sign(&file).as_ref());
    stage.wait_for_written(1);

    stage.put("file.wasm", &other);
    stage.wait_for_refusal("trusted-keys", &file);
    stage.put("file.wasm.sig", stranger.sign(&other).as_ref());
    stage.wait_for_refusal("trusted-keys", &file);
    let text = STANDARD.encode(ours.sign(&other));
    stage.put("file.wasm.sig", text.as_bytes());
    stage.wait_for_use(&other);
    stage.append(1);
    stage.wait_for_written(4);
}
