use super::*;

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn file(folder: &tempfile::TempDir, content: &[u8]) -> Secret {
    let path = folder.path().join("secret");
    std::fs::write(&path, content).unwrap();
    Secret {
        source: SecretSource::File(path),
        hosts: Vec::new(),
    }
}

fn readable(secrets: [(&str, Secret); 1], granted: &str) -> ReadableSecrets {
    let secrets = secrets.map(|(key, secret)| (name(key), secret));
    let grants = Grants {
        secrets: vec![name("other")],
        readable_secrets: vec![name(granted)],
        ..Grants::default()
    };
    ReadableSecrets {
        secrets: Arc::new(secrets.into_iter().collect()),
        grants: Arc::new(grants),
        section: "plugin.test.grants".into(),
        log: PluginLog::new("test"),
    }
}

#[test]
fn a_name_is_plain_and_a_wrong_one_is_shown_harmlessly() {
    assert_eq!(name("influx-token_2").to_string(), "influx-token_2");
    for wrong in ["", "a b", "a}", "ä", &"x".repeat(65)] {
        assert!(wrong.parse::<SecretName>().is_err(), "{wrong}");
    }
    let error = "a\nb".parse::<SecretName>().unwrap_err().to_string();
    assert!(error.starts_with("`a\\nb` is not"), "{error}");
}

#[test]
fn a_file_counts_whole_but_for_one_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &[u8]); 5] = [
        (b"token", b"token"),
        (b"token\n", b"token"),
        (b"token\r\n", b"token"),
        (b" two words \n\n", b" two words \n"),
        (b"\0\xff", b"\0\xff"),
    ];
    for (content, expected) in cases {
        let secret = file(&folder, content);
        assert_eq!(read(&secret.source).unwrap().bytes(), expected);
    }
    let longest = file(&folder, &[vec![b'x'; MAX_SECRET], b"\n".to_vec()].concat());
    assert_eq!(read(&longest.source).unwrap().bytes().len(), MAX_SECRET);
}

#[test]
fn what_cannot_be_a_secret_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let empty = file(&folder, b"\n").check().unwrap_err().to_string();
    assert!(empty.ends_with("secret is empty"), "{empty}");
    let long = file(&folder, &vec![b'x'; MAX_SECRET + 1]);
    let long = long.check().unwrap_err().to_string();
    assert!(
        long.contains("more than 65536 bytes") && !long.contains("xx"),
        "{long}"
    );
    let missing = Secret {
        source: SecretSource::Variable("MILLSTREAM_TEST_NOT_SET".into()),
        hosts: Vec::new(),
    };
    let missing = missing.check().unwrap_err().to_string();
    assert_eq!(
        missing,
        "the environment variable MILLSTREAM_TEST_NOT_SET cannot be read: it is not set"
    );
}

#[test]
fn a_file_that_everybody_can_read_is_told_from_one_that_a_group_can() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let secret = file(&folder, b"hush");
    let path = folder.path().join("secret");
    for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(secret.is_open_to_all(), open, "{mode:o}");
    }
}

#[test]
fn a_value_does_not_show_itself() {
    let folder = tempfile::tempdir().unwrap();
    let value = read(&file(&folder, b"hush").source).unwrap();
    assert_eq!(format!("{value:?}"), "SecretValue(hidden)");
}

#[tokio::test]
async fn only_a_secret_that_may_be_read_is_read_and_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = readable([("broker", file(&folder, b"first"))], "broker");
    assert_eq!(secrets.get("broker").await.unwrap(), "first");
    file(&folder, b"second\n");
    assert_eq!(secrets.get("broker").await.unwrap(), "second");
    file(&folder, b"\xff");
    let error = secrets.get("broker").await.unwrap_err();
    assert!(
        matches!(error, wit::SecretError::Unavailable(_)),
        "{error:?}"
    );
    for (there, granted, asked) in [
        ("broker", "other", "broker"),
        ("broker", "broker", "other"),
        ("other", "broker", "other"),
        ("other", "broker", "broker"),
    ] {
        let secrets = readable([(there, file(&folder, b"first"))], granted);
        let error = secrets.get(asked).await.unwrap_err();
        assert!(matches!(error, wit::SecretError::NotGranted), "{error:?}");
    }
}
