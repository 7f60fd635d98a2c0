//! A task: what a message of the stream asks to be uploaded (specification 5.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::file_url;
use crate::key::KeyTemplate;

/// A task as its message has it, and as the messages about it show it again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub(crate) input_url: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_metadata: Option<BTreeMap<String, String>>,
}

impl Definition {
    /// Reads a message's payload. Keys that a task does not have are passed over.
    ///
    /// # Errors
    ///
    /// A sentence that names what is wrong.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(payload)
            .map_err(|error| format!("The message is not a task in JSON: {error}."))?;
        // serde would read a list as the fields in their order.
        if !value.is_object() {
            return Err("The message is not a task: it is no JSON object.".to_owned());
        }
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            match path.as_str() {
                "." => format!("The message is not a task: {}.", error.into_inner()),
                _ => format!("`{path}` of the task is wrong: {}.", error.into_inner()),
            }
        })
    }
}

/// A task that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The absolute path of the file.
    pub(crate) path: String,
    pub(crate) bucket: String,
    pub(crate) key: KeyTemplate,
    /// Names in lower case, as S3 keeps them.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl TryFrom<&Definition> for Task {
    type Error = String;

    /// Checks each part; the error is a sentence that names the one that is wrong.
    fn try_from(definition: &Definition) -> Result<Self, String> {
        let wrong =
            |what: &str, reason: String| format!("`{what}` of the task is wrong: {reason}.");
        if !is_bucket(&definition.bucket) {
            return Err(wrong(
                "bucket",
                "the name of a bucket has 3 to 63 lower-case letters, digits, hyphens and full stops, \
                 and is no address"
                    .to_owned(),
            ));
        }
        Ok(Self {
            path: file_url::path_of(&definition.input_url)
                .map_err(|reason| wrong("inputUrl", reason))?,
            bucket: definition.bucket.clone(),
            key: KeyTemplate::parse(&definition.key).map_err(|reason| wrong("key", reason))?,
            metadata: metadata(definition.user_metadata.as_ref())
                .map_err(|reason| wrong("userMetadata", reason))?,
        })
    }
}

/// The bucket's pattern of specification 5.1: labels of letters, digits and inner hyphens.
fn is_bucket(name: &str) -> bool {
    let is_label = |label: &str| {
        let ends_well = !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ends_well && label.bytes().all(allowed)
    };
    let looks_like_an_address = name.contains('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (3..=63).contains(&name.len()) && name.split('.').all(is_label) && !looks_like_an_address
}

/// Names become parts of header names, and values header values, so both are checked for that.
fn metadata(given: Option<&BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, String> {
    let mut metadata = BTreeMap::new();
    for (name, value) in given.into_iter().flatten() {
        let lower = name.to_ascii_lowercase();
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if lower.is_empty() || !lower.bytes().all(is_token) {
            return Err(format!(
                "the name `{name}` cannot be a part of an HTTP header's name"
            ));
        }
        if lower.starts_with("x-amz-meta-") {
            return Err(format!(
                "give the name `{name}` without the prefix `x-amz-meta-`"
            ));
        }
        if lower.starts_with("$aws-gg-") {
            return Err(format!("the name `{name}` is reserved"));
        }
        if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(format!(
                "the value of `{name}` has characters other than those of printable ASCII"
            ));
        }
        if metadata.insert(lower, value.trim().to_owned()).is_some() {
            return Err(format!(
                "the name `{name}` stands there twice, but for upper and lower case"
            ));
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(json: &str) -> Result<Task, String> {
        Task::try_from(&Definition::parse(json.as_bytes())?)
    }

    #[test]
    fn a_task_of_an_sdk_is_read() {
        let task = task(
            r#"{"inputUrl": "file:/in/a.txt", "bucket": "my-bucket.eu",
                "key": "p/!{timestamp:yyyy/MM/dd}/f.txt", "userMetadata": {"Plant": "7 b"}, "more": 1}"#,
        )
        .unwrap();
        assert_eq!(task.path, "/in/a.txt");
        assert_eq!(task.bucket, "my-bucket.eu");
        assert_eq!(
            task.metadata,
            BTreeMap::from([("plant".into(), "7 b".into())])
        );
    }

    #[test]
    fn absent_and_null_metadata_are_none() {
        for more in ["", r#", "userMetadata": null"#, r#", "userMetadata": {}"#] {
            let json = format!(r#"{{"inputUrl": "file:/a", "bucket": "abc", "key": "k"{more}}}"#);
            assert!(task(&json).unwrap().metadata.is_empty(), "{more}");
        }
    }

    #[test]
    fn what_is_shown_again_is_what_was_asked_without_nulls() {
        let json = r#"{"inputUrl":"file:/a","bucket":"abc","key":"k","userMetadata":null,"x":2}"#;
        let definition = Definition::parse(json.as_bytes()).unwrap();
        assert_eq!(
            serde_json::to_string(&definition).unwrap(),
            r#"{"inputUrl":"file:/a","bucket":"abc","key":"k"}"#
        );
    }

    #[test]
    fn each_fault_is_named() {
        let with = |key: &str, value: &str| {
            let mut json =
                serde_json::json!({ "inputUrl": "file:/a", "bucket": "abc", "key": "k" });
            json[key] = serde_json::from_str(value).unwrap();
            task(&json.to_string()).unwrap_err()
        };
        for bucket in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "1.2.3.4",
            "127.0.0.1",
            ".ab",
            "a/b",
            "äbc",
        ] {
            let reason = with("bucket", &format!("\"{bucket}\""));
            assert!(reason.starts_with("`bucket` of the task"), "{reason}");
        }
        for (key, value, expected) in [
            ("inputUrl", "\"http://a\"", "`inputUrl` of the task"),
            ("inputUrl", "7", "`inputUrl` of the task"),
            ("key", "\"a b\"", "`key` of the task"),
            (
                "userMetadata",
                r#"{"a": 1}"#,
                "`userMetadata.a` of the task",
            ),
            ("userMetadata", r#"{"x-amz-meta-a": "b"}"#, "prefix"),
            ("userMetadata", r#"{"$AWS-gg-a": "b"}"#, "reserved"),
            ("userMetadata", r#"{"a b": "c"}"#, "HTTP header"),
            ("userMetadata", r#"{"a": "b\nc"}"#, "ASCII"),
            ("userMetadata", r#"{"a": "é"}"#, "ASCII"),
            ("userMetadata", r#"{"A": "b", "a": "c"}"#, "twice"),
        ] {
            let reason = with(key, value);
            assert!(reason.contains(expected), "{reason}");
        }
        for payload in [
            "",
            "hello",
            "[1]",
            "7",
            "{}",
            r#"{"inputUrl": "file:/a", "bucket": "abc"}"#,
        ] {
            assert!(
                task(payload).unwrap_err().contains("is not a task"),
                "{payload}"
            );
        }
    }

    #[test]
    fn digits_alone_are_a_bucket_but_no_address() {
        assert!(is_bucket("123") && is_bucket("1.a") && is_bucket(&"a".repeat(63)));
        assert!(!is_bucket("1.2") && !is_bucket(&"a".repeat(64)));
    }
}
