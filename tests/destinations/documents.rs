//! The README of each plugin has a table of its configuration, which is written from its schema.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use millstream_tests::{millstream, plugins, repository};
use serde_json::Value;

const BEGIN: &str = "<!-- configuration: written from the schema -->";
const END: &str = "<!-- end of the configuration -->";

/// The plugins of this repository: name and README.
fn documented() -> Vec<(String, PathBuf)> {
    let mut found: Vec<_> = std::fs::read_dir(repository().join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| {
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
            manifest.contains("\"cdylib\"")
        })
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            (name, folder.join("README.md"))
        })
        .collect();
    found.sort();
    found
}

fn schema(plugin: &str) -> Value {
    let file = plugins().join(format!("{plugin}.wasm"));
    let folder = tempfile::TempDir::new().unwrap();
    let cache = millstream_tests::target().join("native-code");
    let config = folder.path().join("millstream.toml");
    std::fs::write(&config, format!("plugins.cache = {cache:?}\n")).unwrap();
    let output = millstream()
        .args(["plugin", "inspect", "--json", "--config"])
        .args([&config, &file])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{plugin}: {complaint}");
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    described["configSchema"].clone()
}

fn table(schema: &Value) -> String {
    let mut rows = String::from("| key | meaning | default |\n| --- | --- | --- |\n");
    add_rows(&mut rows, "", schema, true);
    rows
}

/// A row for each property; those of an object inside are rows of their own, by their path.
fn add_rows(rows: &mut String, path: &str, schema: &Value, is_required: bool) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in properties {
        let key = format!("{path}{name}");
        let is_required = is_required && required.iter().any(|required| required == name);
        if property["properties"].is_object() {
            add_rows(rows, &format!("{key}."), property, is_required);
            continue;
        }
        let meaning = property["description"].as_str().unwrap_or_default();
        assert!(!meaning.is_empty(), "`{key}` has no description");
        let default = match &property["default"] {
            Value::Null if is_required => "required".to_owned(),
            Value::Null => "none".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let meaning = meaning.trim_end_matches('.').replace('|', "\\|");
        writeln!(rows, "| `{key}` | {meaning} | {default} |").unwrap();
    }
}

#[test]
fn the_readme_of_each_plugin_has_the_table_of_its_schema() {
    let bless = std::env::var_os("MILLSTREAM_BLESS").is_some();
    for (plugin, readme) in documented() {
        let text = std::fs::read_to_string(&readme)
            .unwrap_or_else(|error| panic!("{}: {error}", readme.display()));
        let (before, rest) = text
            .split_once(BEGIN)
            .unwrap_or_else(|| panic!("{} has no line `{BEGIN}`", readme.display()));
        let (_, after) = rest
            .split_once(END)
            .unwrap_or_else(|| panic!("{} has no line `{END}`", readme.display()));
        let table = table(&schema(&plugin));
        let wanted = format!("{before}{BEGIN}\n{table}{END}{after}");
        if bless {
            std::fs::write(&readme, wanted).unwrap();
        } else {
            assert!(
                text == wanted,
                "the table of plugins/{plugin}/README.md is not what its schema says; \
                 `MILLSTREAM_BLESS=1 cargo xtask test the_readme_of_each_plugin` writes it"
            );
        }
    }
}

#[test]
fn every_plugin_is_in_the_tables_of_the_documents() {
    for document in ["README.md", "plugins/README.md"] {
        let text = std::fs::read_to_string(repository().join(document)).unwrap();
        for (plugin, _) in documented() {
            let row = text
                .lines()
                .any(|line| line.starts_with('|') && line.contains(&format!("[`{plugin}`](")));
            assert!(row, "{document} has no row for the plugin {plugin}");
        }
    }
}

/// A component goes to devices over thin lines, and is compiled there.
#[test]
fn every_plugin_is_smaller_than_four_megabytes() {
    for (plugin, _) in documented() {
        let file = plugins().join(format!("{plugin}.wasm"));
        let size = std::fs::metadata(file).unwrap().len();
        assert!(size < 4_000_000, "{plugin} has {size} bytes");
    }
}

/// The blocks of configuration in a document.
fn examples(text: &str) -> impl Iterator<Item = &str> {
    text.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.contains("[[stream]]") || block.contains("[plugin."))
}

#[test]
fn what_the_readme_of_each_plugin_configures_fits_its_schema() {
    for (plugin, readme) in documented() {
        let text = std::fs::read_to_string(&readme).unwrap();
        let is_whole = |example: &str| example.contains("[[stream]]");
        assert!(
            examples(&text).any(is_whole),
            "plugins/{plugin}/README.md has no example of a whole [[stream]]"
        );
        for example in examples(&text) {
            let folder = tempfile::TempDir::new().unwrap();
            let config = folder.path().join("millstream.toml");
            let cache = millstream_tests::target().join("native-code");
            let own = format!(
                "plugins.cache = {cache:?}\nplugins.folder = {:?}\nserver.listen = \"127.0.0.1:0\"\n",
                plugins()
            );
            std::fs::write(&config, format!("{own}{example}")).unwrap();
            let output = millstream()
                .args(["check", "--config"])
                .arg(&config)
                .output()
                .unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            let printed = String::from_utf8_lossy(&output.stdout);
            // Folders and secrets of an example are not here, so something may be wrong.
            let was_read = printed.contains(&format!("plugin {plugin}: "));
            assert!(was_read, "{plugin}: {complaint}\n{example}");
            let misfit = printed.lines().find(|line| line.contains(": config: "));
            assert_eq!(misfit, None, "{plugin}:\n{example}");
        }
    }
}

/// The plugins that the protocol and Greengrass' variables speak of.
const OF_THE_WIRE: [&str; 5] = ["http", "iot-analytics", "kinesis", "s3", "sitewise"];

/// The sources below a folder, without those of tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn the_host_knows_no_plugin_by_name_but_those_of_the_wire() {
    let mut files = Vec::new();
    for part in ["daemon", "protocol", "runtime", "streams"] {
        sources(
            &repository().join("host").join(part).join("src"),
            &mut files,
        );
    }
    assert!(files.len() > 100);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("\nmod tests {").next().unwrap();
        for (plugin, _) in documented() {
            // `file` is a word of the configuration too: where a secret is.
            if OF_THE_WIRE.contains(&plugin.as_str()) || plugin == "file" {
                continue;
            }
            let named = code.contains(&format!("\"{plugin}\""));
            assert!(!named, "{} names {plugin}", file.display());
        }
    }
}
