//! What the host does for all plugins that use AWS: region and address, credentials, signatures, and a
//! word about the clock.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_tests::{
    Host, HttpAnswer, HttpRequest, HttpSink, RawClient, eventually, repository, run_script,
};
use serde_json::{Value, json};

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
];

/// Configuration with an `[aws]` table, whose Kinesis plugin may reach an address and has no settings
/// of its own.
fn config(aws: &str, granted: &str) -> String {
    format!(
        "[exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n{aws}\n\
         [plugin.kinesis]\ncall-interval = \"0s\"\n[plugin.kinesis.grants]\nhosts = \
         [\"{granted}\"]\naws-services = [\"kinesis\"]\n"
    )
}

/// Makes the stream `s`, which is exported to the Kinesis stream `k`, and appends a message.
fn append(host: &Host) {
    run_script("create_kinesis.py", &[&host.port().to_string(), "s", "k"]);
    append_to(host, "s", "a message".to_owned());
}

fn append_to(host: &Host, stream: &str, message: String) {
    let (name, payload) = (stream.parse().unwrap(), message.into());
    let call = millstream_protocol::Call::Append { name, payload };
    let response = RawClient::connect(host.port()).call("a", call);
    assert!(response.outcome.is_ok(), "{response:?}");
}

fn wait_for_delivery(host: &Host) {
    host.wait_for_export("s", "has delivered the message", |export| {
        export["exportedMessagesCount"] == 1
    });
}

/// Takes every record of a call.
fn taken(request: &HttpRequest) -> HttpAnswer {
    let call: Value = serde_json::from_slice(&request.body).unwrap();
    let count = call["Records"].as_array().unwrap().len();
    let record = json!({ "SequenceNumber": "1", "ShardId": "shardId-000000000000" });
    let answer = json!({ "FailedRecordCount": 0, "Records": vec![record; count] });
    let json = ("content-type", "application/x-amz-json-1.1".to_owned());
    HttpAnswer::Status(200, vec![json], answer.to_string())
}

/// What STS answers to `AssumeRole`.
fn assumed() -> HttpAnswer {
    let answer = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:press-4</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/plant-7/press-4</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
         <SecretAccessKey>a-secret-of-the-role</SecretAccessKey>\
         <SessionToken>a-token-of-the-role</SessionToken>\
         <Expiration>2099-01-31T23:59:59Z</Expiration></Credentials>\
         </AssumeRoleResult></AssumeRoleResponse>";
    let xml = ("content-type", "text/xml".to_owned());
    HttpAnswer::Status(200, vec![xml], answer.to_owned())
}

/// STS and Kinesis at one address.
fn sts_and_kinesis() -> HttpSink {
    HttpSink::scripted(|_, request| {
        if request.header("x-amz-target").is_empty() {
            assumed()
        } else {
            taken(request)
        }
    })
}

const ROLE: &str = "[aws.assume-role]\nrole-arn = \"arn:aws:iam::123456789012:role/plant-7\"\n\
     session-name = \"press-4\"\nexternal-id = \"theirs\"\nduration = \"30m\"\n";

#[test]
fn a_role_is_assumed_and_its_credentials_sign() {
    let sink = sts_and_kinesis();
    let aws = format!("[aws]\nendpoint = \"{}\"\n{ROLE}", sink.endpoint());
    let mut environment = CREDENTIALS.to_vec();
    environment.push(("AWS_REGION", "eu-central-1"));
    let host = Host::start_with(&config(&aws, &sink.endpoint()), &environment);
    append(&host);
    wait_for_delivery(&host);

    let requests = sink.requests();
    let (sts, kinesis) = (&requests[0], &requests[1]);
    let asked = String::from_utf8_lossy(&sts.body);
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fplant-7",
        "RoleSessionName=press-4",
        "ExternalId=theirs",
        "DurationSeconds=1800",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    let signed_by = |request: &HttpRequest, who: &str| {
        let authorization = request.header("authorization");
        let expected = format!("AWS4-HMAC-SHA256 Credential={who}");
        assert!(authorization.starts_with(&expected), "{authorization}");
    };
    signed_by(sts, "AKIDEXAMPLE/");
    signed_by(kinesis, "ASIAROLE/");
    let scope = "/eu-central-1/kinesis/aws4_request";
    assert!(kinesis.header("authorization").contains(scope));
    assert_eq!(
        kinesis.header("x-amz-security-token"),
        "a-token-of-the-role"
    );
    assert_eq!(requests.len(), 2);
    assert!(!host.log().contains("a-secret-of-the"), "{}", host.log());
}

#[test]
fn a_role_that_cannot_be_assumed_is_an_error_of_the_export() {
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
         <Message>not you</Message></Error></ErrorResponse>";
    let sink = HttpSink::scripted(move |_, _| HttpAnswer::Status(403, vec![], refused.to_owned()));
    let aws = format!(
        "[aws]\nregion = \"eu-central-1\"\nendpoint = \"{}\"\n{ROLE}",
        sink.endpoint()
    );
    let host = Host::start_with(&config(&aws, &sink.endpoint()), &CREDENTIALS);
    append(&host);
    host.wait_for_export("s", "names the role", |export| {
        let error = export["errorMessage"].as_str().unwrap();
        error.contains("arn:aws:iam::123456789012:role/plant-7 cannot be assumed")
            && error.contains("AccessDenied")
    });
}

#[test]
fn credentials_come_from_the_provider_of_iot_for_the_devices_certificate() {
    let iot = IotProvider::start();
    let sink = sts_and_kinesis();
    let aws = format!(
        "[aws]\nregion = \"eu-central-1\"\nendpoint = \"{}\"\n{ROLE}{}",
        sink.endpoint(),
        iot.config()
    );
    let host = Host::start(&config(&aws, &sink.endpoint()));
    append(&host);
    wait_for_delivery(&host);
    let requests = sink.requests();
    let by = |request: &HttpRequest| request.header("authorization").to_owned();
    assert!(by(&requests[0]).contains("Credential=ASIAIOT/"));
    assert_eq!(requests[0].header("x-amz-security-token"), "a-token-of-iot");
    assert!(by(&requests[1]).contains("Credential=ASIAROLE/"));
    let checked = host.command(&["check"]);
    let printed = String::from_utf8_lossy(&checked.stdout);
    assert!(
        printed.contains("device.pem can be shown to AWS IoT"),
        "{printed}"
    );
    assert!(!host.log().contains("a-token-of-iot"), "{}", host.log());
}

/// A provider that takes only its own device's certificate.
struct IotProvider {
    folder: tempfile::TempDir,
    server: std::process::Child,
}

impl IotProvider {
    fn start() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let server = millstream_tests::python()
            .arg(repository().join("tests/python/iot_provider.py"))
            .arg(folder.path())
            .spawn()
            .unwrap();
        Self { folder, server }
    }

    /// The configuration of its device.
    fn config(&self) -> String {
        let port = eventually("the provider listens", || {
            std::fs::read_to_string(self.folder.path().join("port")).ok()
        });
        let file = |name: &str| format!("{:?}", self.folder.path().join(name));
        format!(
            "[aws.iot-credentials]\nendpoint = \"localhost:{port}\"\nrole-alias = \"Edge\"\n\
             thing-name = \"press-4\"\ncertificate = {}\nprivate-key = {}\nca = {}\n",
            file("device.pem"),
            file("device.key"),
            file("ca.pem")
        )
    }
}

impl Drop for IotProvider {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn files_that_cannot_be_shown_to_iot_are_found_by_check() {
    let host = Host::start(
        "[aws.iot-credentials]\nendpoint = \"abc.credentials.iot.eu-central-1.amazonaws.com\"\n\
         role-alias = \"Edge\"\ncertificate = \"keys/device.pem\"\nprivate-key = \"device.key\"\n",
    );
    let checked = host.command(&["check"]);
    let printed = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        printed.contains("WRONG  The file keys/device.pem cannot be used"),
        "{printed}"
    );
}

#[test]
fn addresses_with_fips_and_ipv6_are_used_if_the_host_says_so() {
    // The names are those of the endpoint rules of the services.
    let (fips, dual_stack) = ("use-fips = true\n", "use-dual-stack = true\n");
    for (switches, kinesis, s3) in [
        (
            fips.to_owned(),
            "kinesis-fips.us-east-2.amazonaws.com",
            "bucket.s3-fips.us-east-2.amazonaws.com",
        ),
        (
            dual_stack.to_owned(),
            "kinesis.us-east-2.api.aws",
            "bucket.s3.dualstack.us-east-2.amazonaws.com",
        ),
        (
            format!("{fips}{dual_stack}"),
            "kinesis-fips.us-east-2.api.aws",
            "bucket.s3-fips.dualstack.us-east-2.amazonaws.com",
        ),
    ] {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("f"), "a file").unwrap();
        let mut environment = CREDENTIALS.to_vec();
        environment.push(("AWS_DEFAULT_REGION", "us-east-2"));
        // Nothing but a name that is never looked up is granted.
        let granted = "https://nobody.invalid";
        let aws = format!("[aws]\n{switches}");
        let config = config(&aws, granted) + &uploads(folder.path(), granted);
        let host = Host::start_with(&config, &environment);
        append(&host);
        let url = format!("file:{}/f", folder.path().display());
        let task = json!({ "inputUrl": url, "bucket": "bucket", "key": "k" });
        append_to(&host, "uploads", task.to_string());
        for name in [kinesis, s3] {
            host.wait_for_log(&format!("refused a request to https://{name}: "));
        }
    }
}

/// Tables for the stream `uploads`, whose S3 plugin may read a folder and reach an address.
fn uploads(folder: &Path, granted: &str) -> String {
    format!(
        "[plugin.s3.grants]\nhosts = [\"{granted}\"]\naws-services = [\"s3\"]\n\
         folders = [{{ path = {folder:?}, as = {folder:?} }}]\n\
         [[stream]]\nname = \"uploads\"\n[[stream.export]]\nidentifier = \"to-s3\"\n\
         plugin = \"s3\"\nconfig = {{}}\n"
    )
}

#[test]
fn a_clock_that_is_wrong_is_said_once_and_shown_with_the_export() {
    let right = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&right);
    let sink = HttpSink::scripted(move |_, request| {
        if set.load(Ordering::SeqCst) {
            return taken(request);
        }
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        let error = json!({
            "__type": "InvalidSignatureException",
            "message": "Signature expired: 20260131T000000Z is now earlier than 20260131T003700Z"
        });
        HttpAnswer::Status(400, vec![date], error.to_string())
    });
    let aws = format!(
        "[aws]\nregion = \"eu-central-1\"\nendpoint = \"{}\"\n",
        sink.endpoint()
    );
    let host = Host::start_with(&config(&aws, &sink.endpoint()), &CREDENTIALS);
    append(&host);
    let sentence = format!("years ahead of the one of {}; AWS", sink.address());
    host.wait_for_export("s", "shows how wrong the clock is", |export| {
        export["errorMessage"].as_str().unwrap().contains(&sentence)
    });
    eventually("it was tried again", || {
        (sink.requests().len() > 2).then_some(())
    });
    right.store(true, Ordering::SeqCst);
    wait_for_delivery(&host);
    let log = host.log();
    let said = log.lines().filter(|line| line.contains("ERROR"));
    assert_eq!(
        said.filter(|line| line.contains(&sentence)).count(),
        1,
        "{log}"
    );
    assert!(log.contains("agrees with the one of"), "{log}");
}

#[test]
fn the_corpus_of_signatures_is_what_botocore_makes_today() {
    let made = run_script("sigv4_corpus.py", &[]);
    let path = repository().join("tests/fixtures/sigv4.json");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        made == kept,
        "tests/python/sigv4_corpus.py prints something else than tests/fixtures/sigv4.json has"
    );
}
