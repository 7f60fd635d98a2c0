//! What scenarios have in common whose stream `s` is exported to a server of the test.

use millstream_protocol::Call;
use millstream_tests::{Host, RawClient};

/// A configuration with short pauses, in which the plugin `http` may reach the server, rejected messages may go
/// to the stream `dead`, and the exports of the stream `s` are these tables.
pub(crate) fn config(endpoint: &str, exports: &str) -> String {
    format!(
        r#"[exports]
linger = "10ms"
retry-first = "20ms"
retry-longest = "200ms"

[http]
listen = "127.0.0.1:0"

[plugin.http.grants]
hosts = ["{endpoint}"]

[[stream]]
name = "dead"

[[stream]]
name = "s"
{exports}"#
    )
}

/// Appends messages one by one.
pub(crate) fn append(host: &Host, stream: &str, payloads: impl IntoIterator<Item = String>) {
    let mut client = RawClient::connect(host.port());
    for payload in payloads {
        let name = stream.parse().unwrap();
        let payload = payload.into();
        let response = client.call("a", Call::Append { name, payload });
        assert!(response.outcome.is_ok(), "{response:?}");
    }
}
