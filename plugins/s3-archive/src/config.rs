//! The configuration: what stands in the host's file, and what the rest of the crate works with.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::ConfigError;
use millstream_plugin::http::Address;
use millstream_plugin::json_line::Payload;
use serde::Deserialize;

use crate::format::{Compression, Format, Pages};
use crate::template::{self, Template};

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    bucket: BucketName,
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
    #[serde(default)]
    use_path_style: bool,
    key: Option<Template>,
    #[serde(default)]
    format: FormatName,
    #[serde(default)]
    compression: Compression,
    #[serde(default)]
    payload: Payload,
    storage_class: Option<StorageClass>,
    server_side_encryption: Option<Encryption>,
    kms_key_id: Option<KmsKey>,
}

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the bucket is; the path ends with `/`.
    pub(crate) bucket: Address,
    pub(crate) bucket_name: String,
    pub(crate) region: Region,
    pub(crate) key: Template,
    pub(crate) format: Format,
    /// What every request asks for besides: names and values of headers.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        let format = config.format()?;
        let headers = config.headers()?;
        let variant = Variant {
            fips: config.use_fips,
            dual_stack: config.use_dual_stack,
        };
        let key = match config.key {
            Some(key) => key,
            None => Template::try_from(template::USUAL.to_owned())
                .map_err(|why| ConfigError::field("key", why))?,
        };
        let place = Place::new("s3-archive", config.region, config.endpoint, variant)?;
        Ok(Self {
            bucket: place.bucket(&config.bucket.0, config.use_path_style)?,
            region: place.region().clone(),
            bucket_name: config.bucket.0,
            key,
            format,
            headers,
        })
    }
}

impl Config {
    fn format(&self) -> Result<Format, ConfigError> {
        let text = match (self.format, self.payload) {
            (FormatName::JsonLines, payload) => {
                return Ok(Format::JsonLines(payload, self.compression));
            }
            (FormatName::Parquet, Payload::Auto) => false,
            (FormatName::Parquet, Payload::Text) => true,
            (FormatName::Parquet, Payload::Base64 | Payload::Json) => {
                return Err(ConfigError::field(
                    "payload",
                    "A Parquet file has payloads as bytes (`auto`) or as text (`text`); `base64` and \
                     `json` belong to JSON lines.",
                ));
            }
        };
        let gzip = match self.compression {
            Compression::None => false,
            Compression::Gzip => true,
            Compression::Zstd => {
                return Err(ConfigError::field(
                    "compression",
                    "A Parquet file is compressed with `gzip`, or with `none`; `zstd` belongs to JSON \
                     lines.",
                ));
            }
        };
        Ok(Format::Parquet(Pages { text, gzip }))
    }

    fn headers(&self) -> Result<Vec<(&'static str, String)>, ConfigError> {
        let mut headers = Vec::new();
        if let Some(StorageClass(class)) = &self.storage_class {
            headers.push(("x-amz-storage-class", class.clone()));
        }
        if let Some(encryption) = self.server_side_encryption {
            headers.push(("x-amz-server-side-encryption", encryption.name().to_owned()));
        }
        if let Some(KmsKey(key)) = &self.kms_key_id {
            if !matches!(
                self.server_side_encryption,
                Some(Encryption::Kms | Encryption::DualLayerKms)
            ) {
                return Err(ConfigError::field(
                    "kmsKeyId",
                    "A key of KMS is used with `serverSideEncryption` set to `aws:kms` or \
                     `aws:kms:dsse`; set it, or leave the key out.",
                ));
            }
            headers.push(("x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
        }
        Ok(headers)
    }
}

/// The form of the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FormatName {
    #[default]
    JsonLines,
    Parquet,
}

/// How S3 encrypts objects, where that is not left to the bucket (API reference of `PutObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Encryption {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
    #[serde(rename = "aws:kms:dsse")]
    DualLayerKms,
}

impl Encryption {
    fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::DualLayerKms => "aws:kms:dsse",
        }
    }
}

/// The name of a bucket: 3 to 63 of lower-case letters, digits, dots and hyphens, a letter or digit at
/// both ends (Amazon S3 User Guide, "General purpose bucket naming rules").
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct BucketName(String);

impl TryFrom<String> for BucketName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends_are_plain = name.bytes().next().is_some_and(is_plain)
            && name.bytes().next_back().is_some_and(is_plain);
        if name.starts_with("arn:") {
            Err("give the name of the bucket, not its ARN".to_owned())
        } else if name.contains('/') {
            Err("give the name of the bucket alone; folders belong into `key`".to_owned())
        } else if (3..=63).contains(&name.len())
            && ends_are_plain
            && name.bytes().all(|b| is_plain(b) || b == b'.' || b == b'-')
            && !name.contains("..")
        {
            Ok(Self(name))
        } else {
            Err(
                "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, with a \
                 letter or digit at both ends"
                    .to_owned(),
            )
        }
    }
}

/// A storage class. Which there are is the service's matter.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct StorageClass(String);

impl TryFrom<String> for StorageClass {
    type Error = String;

    fn try_from(class: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=64).contains(&class.len()) && class.bytes().all(allowed) {
            Ok(Self(class))
        } else {
            Err("a storage class looks like `STANDARD_IA`".to_owned())
        }
    }
}

/// The id, ARN or alias of a key of KMS. It becomes a header.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct KmsKey(String);

impl TryFrom<String> for KmsKey {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        if (1..=2048).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(key))
        } else {
            Err("a key of KMS is named by its id, its ARN or an alias".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    fn settings(more: &str) -> Result<Settings, ConfigError> {
        let json = format!(r#"{{"bucket": "plant-archive", "region": "eu-central-1"{more}}}"#);
        parse::<Config>(&json)?.try_into()
    }

    fn wrong_field(json: &str) -> (String, String) {
        let error = parse::<Config>(json)
            .and_then(Settings::try_from)
            .unwrap_err();
        (error.field.unwrap(), error.message)
    }

    #[test]
    fn a_bucket_and_a_region_are_enough() {
        let settings = settings("").unwrap();
        assert_eq!(
            settings.bucket.url(),
            "https://plant-archive.s3.eu-central-1.amazonaws.com/"
        );
        let usual = Template::try_from(template::USUAL.to_owned()).unwrap();
        assert_eq!(settings.key, usual);
        let format = Format::JsonLines(Payload::Auto, Compression::Gzip);
        assert_eq!(settings.format, format);
        assert!(settings.headers.is_empty());
    }

    #[test]
    fn an_endpoint_of_its_own_gets_the_bucket_in_the_path() {
        let settings = settings(r#", "endpoint": "http://127.0.0.1:9000""#).unwrap();
        assert_eq!(
            settings.bucket.url(),
            "http://127.0.0.1:9000/plant-archive/"
        );
    }

    #[test]
    fn what_s3_shall_do_with_objects_becomes_headers() {
        let settings = settings(
            r#", "storageClass": "STANDARD_IA", "serverSideEncryption": "aws:kms", "kmsKeyId": "alias/a""#,
        )
        .unwrap();
        let expected = [
            ("x-amz-storage-class", "STANDARD_IA".to_owned()),
            ("x-amz-server-side-encryption", "aws:kms".to_owned()),
            (
                "x-amz-server-side-encryption-aws-kms-key-id",
                "alias/a".to_owned(),
            ),
        ];
        assert_eq!(settings.headers, expected);
    }

    #[test]
    fn parquet_has_bytes_or_text_and_pages_with_gzip() {
        let text = settings(r#", "format": "parquet", "payload": "text""#).unwrap();
        let pages = Pages {
            text: true,
            gzip: true,
        };
        assert_eq!(text.format, Format::Parquet(pages));
        let plain = settings(r#", "format": "parquet", "compression": "none""#).unwrap();
        let pages = Pages {
            text: false,
            gzip: false,
        };
        assert_eq!(plain.format, Format::Parquet(pages));
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        let base = r#""bucket": "abc", "region": "x""#;
        for (json, expected) in [
            (r#"{"region": "x"}"#.to_owned(), "bucket"),
            (r#"{"bucket": "ab", "region": "x"}"#.to_owned(), "bucket"),
            (r#"{"bucket": "Abc", "region": "x"}"#.to_owned(), "bucket"),
            (r#"{"bucket": "abc/d", "region": "x"}"#.to_owned(), "bucket"),
            (
                r#"{"bucket": "arn:aws:s3:::a", "region": "x"}"#.to_owned(),
                "bucket",
            ),
            (r#"{"bucket": "abc"}"#.to_owned(), "region"),
            (
                r#"{"bucket": "abc", "region": "x\r\ny"}"#.to_owned(),
                "region",
            ),
            (format!(r#"{{{base}, "endpoint": "ftp://b"}}"#), "endpoint"),
            (format!(r#"{{{base}, "key": "{{last}}"}}"#), "key"),
            (format!(r#"{{{base}, "format": "csv"}}"#), "format"),
            (
                format!(r#"{{{base}, "compression": "lz4"}}"#),
                "compression",
            ),
            (format!(r#"{{{base}, "payload": "xml"}}"#), "payload"),
            (
                format!(r#"{{{base}, "format": "parquet", "compression": "zstd"}}"#),
                "compression",
            ),
            (
                format!(r#"{{{base}, "format": "parquet", "payload": "json"}}"#),
                "payload",
            ),
            (
                format!(r#"{{{base}, "storageClass": "cold"}}"#),
                "storageClass",
            ),
            (
                format!(r#"{{{base}, "serverSideEncryption": "des"}}"#),
                "serverSideEncryption",
            ),
            (format!(r#"{{{base}, "kmsKeyId": "k"}}"#), "kmsKeyId"),
            (
                format!(r#"{{{base}, "serverSideEncryption": "AES256", "kmsKeyId": "k"}}"#),
                "kmsKeyId",
            ),
            (
                format!(r#"{{{base}, "serverSideEncryption": "aws:kms", "kmsKeyId": "a b"}}"#),
                "kmsKeyId",
            ),
            (format!(r#"{{{base}, "retries": 3}}"#), "retries"),
        ] {
            assert_eq!(wrong_field(&json).0, expected, "{json}");
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let (_, message) = wrong_field(r#"{"?????????????????????????": 1}"#);
        let listed = message
            .trim_end_matches('.')
            .rsplit_once(" are ")
            .unwrap()
            .1;
        let listed: Vec<_> = listed.split(", ").collect();
        assert_eq!(listed.len(), properties.len(), "{message}");
        assert!(listed.iter().all(|key| properties.contains_key(*key)));
    }
}
