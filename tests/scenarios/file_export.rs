//! A producer component, a stream, the file plugin.

use std::io::Read;
use std::path::Path;

use millstream_tests::Host;
use serde_json::Value;

fn config(export: &str) -> String {
    format!(
        r#"[exports]
linger = "50ms"

[[stream]]
name = "ticks"

[[stream.export]]
identifier = "files"
plugin = "file"
{export}

[plugin.file.grants]
folders = [{{ path = "out", as = "/out", write = true }}]

[[producer]]
name = "clock"
component = "timestamp"
args = ["--stream", "ticks", "--interval", "1ms", "--count", "300"]
[producer.grants]
append = ["ticks"]
"#
    )
}

fn run(export: &str) -> Host {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let host = Host::start_in(folder, &millstream_tests::plugins(), &config(export), &[]);
    host.wait_for_export("ticks", "has 300 messages", |export| {
        export["exportedMessagesCount"] == 300
    });
    host
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The sequence numbers in lines of JSON.
fn numbers(text: &str) -> Vec<u64> {
    text.lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["sequenceNumber"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

#[test]
fn what_a_producer_component_appends_is_written_as_json_lines() {
    let host = run("");
    let files = files(host.folder());
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(numbers(&text), (0..300).collect::<Vec<_>>());
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["stream"], "ticks");
    host.wait_for_log("producer finished");
}

#[test]
fn files_are_rotated_by_size_and_compressed() {
    let host = run("config = { compression = \"gzip\", rotation = { maxBytes = 2000 } }");
    let files = files(host.folder());
    assert!(files.len() > 1, "{files:?}");
    let mut all = Vec::new();
    for file in files {
        let compressed = std::fs::File::open(file).unwrap();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(compressed)
            .read_to_string(&mut text)
            .unwrap();
        all.extend(numbers(&text));
    }
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}
