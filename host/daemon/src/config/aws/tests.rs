use super::*;

fn parse(text: &str) -> Result<Aws, String> {
    let aws: Aws = toml::from_str(text).map_err(|error| error.to_string())?;
    aws.check().map(|()| aws)
}

const ROLE: &str = "[assume-role]\nrole-arn = \"arn:aws:iam::123456789012:role/edge/press\"\n";
const IOT: &str = "[iot-credentials]\nendpoint = \"abc.credentials.iot.eu-central-1.amazonaws.com\"\n\
    role-alias = \"Edge\"\ncertificate = \"keys/device.pem\"\nprivate-key = \"/etc/device.key\"\n";

#[test]
fn without_a_word_the_standard_chain_signs() {
    let options = parse("").unwrap().options(Path::new("/base"));
    assert_eq!(options, runtime::AwsOptions::default());
}

#[test]
fn what_is_said_reaches_the_runtime() {
    let text = format!("region = \"eu-central-1\"\nuse-fips = true\n{ROLE}{IOT}");
    let options = parse(&text).unwrap().options(Path::new("/base"));
    assert_eq!(options.region.as_deref(), Some("eu-central-1"));
    assert!(options.use_fips && !options.use_dual_stack);
    let role = options.role.unwrap();
    assert_eq!(role.session_name, "millstream");
    assert_eq!(role.duration, Some(std::time::Duration::from_secs(3600)));
    let runtime::CredentialsSource::Iot(iot) = options.credentials else {
        panic!("not from IoT");
    };
    assert_eq!(iot.certificate, Path::new("/base/keys/device.pem"));
    assert_eq!(iot.private_key, Path::new("/etc/device.key"));
    assert_eq!((iot.thing_name, iot.ca), (None, None));
}

#[test]
fn a_region_that_the_file_does_not_name_comes_from_the_environment() {
    let region = |file: &str, variables: &[(&str, &str)]| {
        let mut aws = parse(file).unwrap();
        let found = |name: &str| {
            let variable = variables.iter().find(|(known, _)| *known == name)?;
            Some(variable.1.to_owned())
        };
        aws.complete(found)
            .map(|()| aws.region.map(|region| region.0))
    };
    let both = [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "x")];
    assert_eq!(region("", &both), Ok(Some("eu-west-1".into())));
    let empty = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-2")];
    assert_eq!(region("", &empty), Ok(Some("us-east-2".into())));
    assert_eq!(region("region = \"a-1\"", &both), Ok(Some("a-1".into())));
    assert_eq!(region("", &[]), Ok(None));
    let (name, problem) = region("", &[("AWS_REGION", "Frankfurt")]).unwrap_err();
    assert_eq!(name, "AWS_REGION");
    assert!(problem.contains("eu-central-1"), "{problem}");
}

#[test]
fn each_wrong_value_is_named_with_what_would_be_right() {
    let role = |line: &str| format!("{ROLE}{line}\n");
    let iot = |from: &str, to: &str| IOT.replace(from, to);
    for (text, key, expected) in [
        ("region = \"EU\"".into(), "region", "eu-central-1"),
        (
            "endpoint = \"minio:9000\"".into(),
            "endpoint",
            "https://host",
        ),
        (
            "endpoint = \"https://u:p@host\"".into(),
            "endpoint",
            "https://host",
        ),
        (
            "endpoint = \"http://a:1\"\nuse-fips = true".into(),
            "aws.endpoint",
            "set either",
        ),
        (
            ROLE.replace(":role/", ":user/"),
            "assume-role.role-arn",
            "arn:aws:iam::123456789012:role/NAME",
        ),
        (
            role("session-name = \"a b\""),
            "assume-role.session-name",
            "2 to 64",
        ),
        (
            role("external-id = \"?\""),
            "assume-role.external-id",
            "2 to 1224",
        ),
        (role("duration = \"1m\""), "assume-role.duration", "15m"),
        (
            format!("{}{IOT}", role("duration = \"2h\"")),
            "assume-role.duration",
            "at most 1h",
        ),
        (
            iot("abc.", "https://abc."),
            "iot-credentials.endpoint",
            "without https://",
        ),
        (
            iot("abc.credentials.", "abc-ats."),
            "iot-credentials.endpoint",
            "iot:CredentialProvider",
        ),
        (
            iot(".com", ".com:no"),
            "iot-credentials.endpoint",
            "must be a host name",
        ),
        (
            iot("Edge", "arn:aws:iot:x"),
            "iot-credentials.role-alias",
            "is not an ARN",
        ),
        (
            format!("{IOT}thing-name = \"a/b\"\n"),
            "iot-credentials.thing-name",
            "1 to 128",
        ),
    ] {
        let problem = parse(&text).unwrap_err();
        assert!(
            problem.contains(key) && problem.contains(expected),
            "{text}: {problem}"
        );
    }
}
