//! Changing the configuration file.
//!
//! The text is changed only where it has to be, so that what people have written stays. A table that is
//! new goes to the end: in between, it would come before keys that are commented out and belong to the
//! table above. What was changed is read back and checked before it replaces the file.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Config, ConfigProblem};
use crate::replace::replace;

/// What a new file begins with.
const HEAD: &str =
    "# Millstream. `millstream init --stdout` prints every setting, with what it means.\n";

/// Stands above the line for the arguments of a new producer. At the end of the file, where one would write
/// them, they would be taken for a grant.
const ARGUMENTS: &str = "# Its arguments, if it takes any, stand here, above the grants:";

/// A configuration file that is being changed.
#[derive(Debug)]
pub(crate) struct Edit {
    path: PathBuf,
    text: String,
}

impl Edit {
    /// Reads a file; one that is not there yet is made by [`Self::save`].
    ///
    /// # Errors
    ///
    /// [`ConfigProblem`] if it cannot be read.
    pub(crate) fn of(path: &Path) -> Result<Self, ConfigProblem> {
        let text = match path.exists() {
            true => std::fs::read_to_string(path)
                .map_err(|error| ConfigProblem::unreadable(path, &error))?,
            false => HEAD.to_owned(),
        };
        // What a link leads to is changed, not the link.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, text })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds to what a plugin is granted. What is granted already stays, and is not named twice.
    ///
    /// # Errors
    ///
    /// A sentence, if the file is written in a way that leaves no place for it.
    pub(crate) fn grant(
        &mut self,
        plugin: &str,
        grants: &BTreeMap<&'static str, Array>,
    ) -> Result<(), String> {
        let mut document = self.document()?;
        let there = document
            .get_mut("plugin")
            .and_then(|plugins| plugins.get_mut(plugin))
            .and_then(|settings| settings.get_mut("grants"))
            // Asking for what is not there makes an item that is nothing.
            .filter(|grants| !grants.is_none());
        match there {
            None if grants.is_empty() => {}
            None => {
                self.append(&format!("[plugin.{}.grants]", key(plugin)), grants);
            }
            Some(there) => {
                let table = there.as_table_like_mut().ok_or_else(|| {
                    format!(
                        "plugin.{plugin}.grants in {} is no table",
                        self.path.display()
                    )
                })?;
                add(table, grants)?;
                self.text = document.to_string();
            }
        }
        Ok(())
    }

    /// Adds a producer of this name. If there is one that runs the same component, its grants are added to
    /// instead; what is granted already stays. A new one comes with a place for its arguments, as a comment.
    ///
    /// # Errors
    ///
    /// A sentence, if the file is no TOML, or leaves open which producer is meant.
    pub(crate) fn add_producer(
        &mut self,
        name: &str,
        grants: &BTreeMap<&'static str, Array>,
    ) -> Result<(), String> {
        let mut document = self.document()?;
        let is = |producer: &Table, key| producer.get(key).and_then(Item::as_str) == Some(name);
        let producers = document
            .get_mut("producer")
            .and_then(Item::as_array_of_tables_mut);
        let mut running: Vec<&mut Table> = producers
            .into_iter()
            .flat_map(ArrayOfTables::iter_mut)
            .filter(|producer| is(producer, "component"))
            .collect();
        if running.len() > 1 {
            running.retain(|producer| is(producer, "name"));
            if running.is_empty() {
                return Err(format!(
                    "several producers in {} run {name}, and none has its name; write there what each is \
                     granted",
                    self.path.display()
                ));
            }
        }
        let Some(producer) = running.into_iter().next() else {
            let quoted = Value::from(name).to_string();
            let args = arguments(grants);
            let head = format!(
                "[[producer]]\nname = {quoted}\ncomponent = {quoted}\n{ARGUMENTS}\n# args = {args}"
            );
            self.append(&head, &BTreeMap::new());
            if !grants.is_empty() {
                self.append("[producer.grants]", grants);
            }
            return Ok(());
        };
        if !grants.is_empty() {
            let there = producer
                .entry("grants")
                .or_insert_with(|| Item::Value(InlineTable::new().into()));
            let table = there.as_table_like_mut().ok_or_else(|| {
                format!(
                    "the grants of the producer in {} are no table",
                    self.path.display()
                )
            })?;
            add(table, grants)?;
            self.text = document.to_string();
        }
        Ok(())
    }

    /// Whether the changed text can be the configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), ConfigProblem> {
        Config::check_text(&self.path, &self.text)
    }

    /// Checks the changed text and puts it in the place of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or what the system says; the file is then as before.
    pub(crate) fn save(&self) -> Result<(), ConfigProblem> {
        self.check()?;
        let old = std::fs::metadata(&self.path);
        let mode = old.map_or(0o644, |old| old.permissions().mode() & 0o777);
        replace(&self.path, self.text.as_bytes(), mode).map_err(|error| {
            ConfigProblem::invalid(&self.path, format!("cannot be written: {error}"))
        })
    }

    fn document(&self) -> Result<DocumentMut, String> {
        self.text
            .parse()
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn append(&mut self, head: &str, grants: &BTreeMap<&'static str, Array>) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&format!("\n{head}\n"));
        for (key, values) in grants {
            self.text.push_str(&format!("{key} = {values}\n"));
        }
    }
}

/// Arguments as most producers take them: the stream to append to, if one is granted.
fn arguments(grants: &BTreeMap<&'static str, Array>) -> Array {
    let stream = grants
        .get("append")
        .and_then(|streams| streams.get(0)?.as_str())
        // With a line end in it, it would go on behind the comment.
        .filter(|stream| !stream.contains(char::is_control))
        .unwrap_or("…");
    ["--stream", stream].into_iter().collect()
}

/// Adds what is not there yet.
fn add(table: &mut dyn TableLike, grants: &BTreeMap<&'static str, Array>) -> Result<(), String> {
    for (key, values) in grants {
        let there = table
            .entry(key)
            .or_insert_with(|| Item::Value(Array::new().into()));
        let there = there.as_array_mut().ok_or_else(|| {
            format!("the grant {key} is written as tables of its own; add to them by hand")
        })?;
        for value in values {
            let is_there = there.iter().any(|old| plain(old) == plain(value));
            if !is_there {
                there.push(value.clone());
            }
        }
    }
    Ok(())
}

/// A value without the spaces around it.
fn plain(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str) -> Edit {
        Edit {
            path: "millstream.toml".into(),
            text: text.into(),
        }
    }

    fn hosts(hosts: &[&str]) -> BTreeMap<&'static str, Array> {
        BTreeMap::from([("hosts", hosts.iter().copied().collect())])
    }

    #[test]
    fn a_new_table_goes_to_the_end_and_everything_else_stays() {
        let mut edit = edit("[log] # mine\nlevel = \"info\"\n#format = \"json\"");
        edit.grant("my-sink", &hosts(&["a.example"])).unwrap();
        edit.grant("other.one", &hosts(&["b.example"])).unwrap();
        assert_eq!(
            edit.text,
            "[log] # mine\nlevel = \"info\"\n#format = \"json\"\n\n[plugin.my-sink.grants]\nhosts = \
             [\"a.example\"]\n\n[plugin.\"other.one\".grants]\nhosts = [\"b.example\"]\n"
        );
        Config::check_text(&edit.path, &edit.text).unwrap();
    }

    #[test]
    fn what_is_granted_already_stays_and_is_not_named_twice() {
        let written =
            "[plugin.my-sink.grants]\n# the old one\nhosts = [\"a.example\"] # keep\n\n[log]\n";
        let mut edit = edit(written);
        edit.grant("my-sink", &hosts(&["a.example"])).unwrap();
        assert_eq!(edit.text, written);
        edit.grant("my-sink", &hosts(&["b.example"])).unwrap();
        assert_eq!(
            edit.text,
            "[plugin.my-sink.grants]\n# the old one\nhosts = [\"a.example\", \"b.example\"] # keep\n\n[log]\n"
        );
    }

    #[test]
    fn a_table_within_a_line_is_added_to_as_well() {
        let mut edit = edit("plugin.my-sink = { grants = { hosts = [] } }\n");
        edit.grant("my-sink", &hosts(&["b.example"])).unwrap();
        assert_eq!(
            edit.text,
            "plugin.my-sink = { grants = { hosts = [\"b.example\"] } }\n"
        );
    }

    #[test]
    fn a_producer_is_added_once() {
        let mut edit = edit("");
        for _ in 0..2 {
            edit.add_producer("ticks", &hosts(&["a.example"])).unwrap();
        }
        assert_eq!(
            edit.text,
            format!(
                "\n[[producer]]\nname = \"ticks\"\ncomponent = \"ticks\"\n{ARGUMENTS}\n\
                 # args = [\"--stream\", \"…\"]\n\n[producer.grants]\nhosts = [\"a.example\"]\n"
            )
        );
        Config::check_text(&edit.path, &edit.text).unwrap();
    }

    #[test]
    fn the_line_for_the_arguments_of_a_producer_is_right_where_it_stands() {
        let mut edit = edit("");
        let append: Array = ["readings"].into_iter().collect();
        let grants = BTreeMap::from([("append", append)]);
        edit.add_producer("ticks", &grants).unwrap();
        let text = edit.text.replace("# args = ", "args = ");
        let config = Config::parse(&edit.path, &text).unwrap();
        assert_eq!(config.producer[0].args, ["--stream", "readings"]);

        let append: Array = ["a\n[http]\nb"].into_iter().collect();
        let two_lines = arguments(&BTreeMap::from([("append", append)]));
        assert_eq!(two_lines.to_string(), "[\"--stream\", \"…\"]");
    }

    #[test]
    fn the_grants_of_a_producer_that_is_there_are_added_to() {
        let written = "[[producer]]\nname = \"other\"\ncomponent = \"o\"\n\n[[producer]]\nname = \"mine\" # \
                       keep\ncomponent = \"ticks\"\n#stdout = \"s\"\n\n[log]\n";
        let mut edit = edit(written);
        edit.add_producer("ticks", &BTreeMap::new()).unwrap();
        assert_eq!(edit.text, written);
        for host in ["a.example", "b.example", "a.example"] {
            edit.add_producer("ticks", &hosts(&[host])).unwrap();
        }
        let added =
            "component = \"ticks\"\ngrants = { hosts = [\"a.example\", \"b.example\"] }\n#stdout";
        assert!(edit.text.contains(added), "{}", edit.text);
        Config::check_text(&edit.path, &edit.text).unwrap();

        let two = "[[producer]]\nname = \"1\"\ncomponent = \"ticks\"\n[producer.grants]\nhosts = []\n\
                   [[producer]]\nname = \"2\"\ncomponent = \"ticks\"\n";
        edit.text = two.into();
        let problem = edit.add_producer("ticks", &hosts(&["a.example"]));
        assert!(problem.unwrap_err().contains("several producers"));
        edit.text = two.replace("\"1\"", "\"ticks\"");
        edit.add_producer("ticks", &hosts(&["a.example"])).unwrap();
        assert!(
            edit.text
                .contains("[producer.grants]\nhosts = [\"a.example\"]\n"),
            "{}",
            edit.text
        );
    }

    #[test]
    fn a_grant_that_is_none_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("millstream.toml");
        std::fs::write(&path, "# mine\n").unwrap();
        let mut edit = Edit::of(&path).unwrap();
        edit.grant("my-sink", &hosts(&["not a host"])).unwrap();
        let problem = edit.save().unwrap_err().to_string();
        assert!(problem.contains("not a host"), "{problem}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
    }
}
