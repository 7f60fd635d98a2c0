//! What a plugin remembers of work that is longer than one call (`wit/work.wit`), as the cursor keeps it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes with the plugin that remembers them: another one, to which an export was changed meanwhile,
/// would not understand them.
#[derive(Serialize, Deserialize)]
struct Memory {
    plugin: String,
    bytes: String,
}

/// The text for the cursor.
pub(super) fn write(plugin: &str, bytes: &[u8]) -> String {
    let memory = Memory {
        plugin: plugin.to_owned(),
        bytes: STANDARD.encode(bytes),
    };
    // Two texts: there is nothing here that JSON cannot hold.
    serde_json::to_string(&memory).unwrap_or_default()
}

/// What a plugin has remembered; none if the text is another plugin's.
pub(super) fn read(plugin: &str, text: &str) -> Option<Arc<[u8]>> {
    let memory: Memory = serde_json::from_str(text).ok()?;
    let bytes = STANDARD.decode(memory.bytes).ok()?;
    (memory.plugin == plugin).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_back_what_it_remembered_and_nothing_of_another() {
        let bytes = [0, 255, b'"', b'\n'];
        let text = write("s3", &bytes);
        assert_eq!(read("s3", &text).as_deref(), Some(&bytes[..]));
        assert_eq!(read("http", &text), None);
        assert_eq!(read("s3", "{"), None);
        assert_eq!(read("s3", &write("s3", &[])).as_deref(), Some(&[][..]));
    }
}
