//! Requests against small servers on the loopback address.

mod proxy;
mod signing;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials as AwsCredentials;
use http::{HeaderValue, StatusCode};
use http_body_util::Empty;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::credentials::{AwsOptions, Credentials, CredentialsSource};
use crate::guest::bounded;
use crate::http::bandwidth::Bandwidth;
use crate::http::client::HttpClient;
use crate::http::clock_watch::ClockWatch;
use crate::http::pace::Line;
use crate::http::proxy::Proxies;
use crate::secrets::{Secret, SecretName, SecretSource};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers every request with the same bytes, and keeps what it was asked.
#[derive(Default)]
struct Server {
    port: u16,
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    async fn answering(answer: &'static str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self {
            port,
            ..Self::default()
        });
        let serving = Arc::clone(&server);
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&serving).serve(connection, answer));
            }
        });
        server
    }

    async fn serve(self: Arc<Self>, mut connection: TcpStream, answer: &'static str) {
        let mut bytes = Vec::new();
        while let Ok(1..) = connection.read_buf(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let wanted = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() == wanted && !head.contains("chunked") || body.ends_with("0\r\n\r\n") {
                self.requests.lock().unwrap().push(text);
                bytes.clear();
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn uri(&self, host: &str) -> String {
        format!("http://{host}:{}/path?q=1", self.port)
    }
}

fn host(credentials: Credentials) -> HttpHost {
    HttpHost {
        client: HttpClient::new(Proxies::new(Matcher::builder().build())),
        credentials,
        clock: ClockWatch::default(),
        secrets: Arc::default(),
        line: None,
        total: TrafficCounter::new(),
    }
}

fn sandbox(host: &HttpHost, grants: Grants) -> Sandbox {
    Sandbox {
        traffic: TrafficCounter::within(&host.total),
        ..crate::testing::sandbox(grants)
    }
}

fn exchange_with(grants: Grants, credentials: Credentials) -> Exchange {
    let host = host(credentials);
    let sandbox = sandbox(&host, grants);
    Exchange::new(Arc::new(host), &sandbox)
}

fn exchange(hosts: &[&str]) -> Exchange {
    exchange_with(granting(hosts, &[]), no_credentials())
}

fn granting(hosts: &[&str], services: &[&str]) -> Grants {
    Grants {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        aws_services: services.iter().map(|&service| service.into()).collect(),
        ..Grants::default()
    }
}

fn no_credentials() -> Credentials {
    Credentials::new(AwsOptions {
        credentials: CredentialsSource::None,
        ..AwsOptions::default()
    })
}

fn known() -> Credentials {
    Credentials::of(AwsCredentials::new(
        "AKID",
        "secret",
        Some("token".into()),
        None,
        "test",
    ))
}

fn get(uri: &str) -> Request<WasiBody> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Request::get(uri).body(body).unwrap()
}

fn post(uri: &str, body: impl Into<Bytes>) -> Request<WasiBody> {
    let body = Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    Request::post(uri).body(body).unwrap()
}

async fn perform(
    exchange: &Exchange,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, Error> {
    exchange.perform(request, RequestOptions::default()).await
}

async fn text(response: Response<WasiBody>) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .into(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_granted_address_is_reached_and_bytes_are_counted() {
    let server = Server::answering(OK).await;
    let exchange = exchange(&["127.0.0.1"]);
    let response = perform(&exchange, post(&server.uri("127.0.0.1"), "ping"))
        .await
        .unwrap();
    assert_eq!(text(response).await, "hello");
    let requests = server.requests();
    assert!(
        requests[0].starts_with("post /path?q=1 http/1.1\r\n"),
        "{requests:?}"
    );
    assert!(requests[0].contains(&format!("host: 127.0.0.1:{}\r\n", server.port)));
    let traffic = exchange.traffic.snapshot();
    // What the client adds of its own does not count.
    let sent = requests[0].len() - "content-length: 4\r\n".len();
    assert_eq!(
        (traffic.requests, traffic.sent, traffic.received),
        (1, sent as u64, 5)
    );
    assert_eq!(exchange.host.total.snapshot(), traffic);
}

#[tokio::test]
async fn a_request_gets_through_a_line_that_needs_longer_than_a_call_may_take() {
    let server = Server::answering(OK).await;
    let mut host = host(no_credentials());
    // 10,000 bytes a second.
    let bandwidth = Bandwidth::from_kilobits(80.try_into().unwrap());
    host.line = Some(Line::new(bandwidth));
    let mut sandbox = sandbox(&host, granting(&["127.0.0.1"], &[]));
    sandbox.limits.call_deadline = Duration::from_secs(1);
    let exchange = Exchange::new(Arc::new(host), &sandbox);
    let components = crate::testing::Host::new();
    let call = async {
        let request = post(&server.uri("127.0.0.1"), vec![b'x'; 15_000]);
        Ok(perform(&exchange, request).await)
    };
    let answer = bounded(&components.runtime, &sandbox, call).await.unwrap();
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::OK);
    assert!(sandbox.waits.total() > sandbox.limits.call_deadline);
    let sent = server.requests()[0].len() as u64;
    assert!(sandbox.traffic.snapshot().sent.abs_diff(sent) < 100);
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::answering(OK).await;
    let exchange = exchange(&["127.0.0.1"]);
    for _ in 0..3 {
        text(
            perform(&exchange, get(&server.uri("127.0.0.1")))
                .await
                .unwrap(),
        )
        .await;
    }
    assert_eq!(server.requests().len(), 3);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_host_without_a_grant_is_denied() {
    let server = Server::answering(OK).await;
    for hosts in [
        &[][..],
        &["example.com"],
        &["127.0.0.1:1"],
        &["https://127.0.0.1"],
    ] {
        let error = perform(&exchange(hosts), get(&server.uri("127.0.0.1")))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_stands_for_the_device_needs_a_grant_that_says_so() {
    let server = Server::answering(OK).await;
    let error = perform(&exchange(&["*"]), get(&server.uri("localhost")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    perform(&exchange(&["localhost"]), get(&server.uri("localhost")))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_number_that_the_system_reads_as_an_address_is_refused_like_one() {
    // The C library takes 2130706433 for 127.0.0.1; where it does not, the name is not found.
    let server = Server::answering(OK).await;
    perform(&exchange(&["*"]), get(&server.uri("2130706433")))
        .await
        .unwrap_err();
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_of_a_wider_grant_does_not_serve_a_narrower_one() {
    let server = Server::answering(OK).await;
    let wide = exchange(&["localhost"]);
    text(perform(&wide, get(&server.uri("localhost"))).await.unwrap()).await;
    let mut narrow = exchange(&["*"]);
    narrow.host = Arc::clone(&wide.host);
    let error = perform(&narrow, get(&server.uri("localhost")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
}

#[tokio::test]
async fn a_guest_that_still_writes_learns_why_its_request_failed() {
    let (mut guest, frames) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = Channel(frames).boxed_unsync();
    let request = Request::post("http://example.com/").body(body).unwrap();
    let writing = async {
        for _ in 0..10 {
            guest.send(Bytes::from_static(b"more")).await.unwrap();
        }
        guest = tokio::sync::mpsc::channel(1).0;
    };
    let exchange = exchange(&[]);
    let (outcome, ()) = tokio::join!(perform(&exchange, request), writing);
    assert!(matches!(outcome, Err(Error::HttpRequestDenied)));
}

/// A body that comes piece by piece.
struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0
            .poll_recv(context)
            .map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(answer).await;
    let response = perform(&exchange(&["127.0.0.1"]), get(&server.uri("127.0.0.1")))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_refused_connection_is_told_from_a_silent_server() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let exchange = exchange(&["127.0.0.1"]);
    let error = perform(&exchange, get(&format!("http://{closed}")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ConnectionRefused), "{error}");

    let server = Server::answering("").await;
    let options = RequestOptions {
        first_byte_timeout: Some(Duration::from_millis(50)),
        ..RequestOptions::default()
    };
    let error = exchange
        .perform(get(&server.uri("127.0.0.1")), options)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_guest_learns_of_a_silent_server_before_its_call_is_cut_off() {
    let server = Server::answering("").await;
    let host = host(no_credentials());
    let mut sandbox = sandbox(&host, granting(&["127.0.0.1"], &[]));
    sandbox.limits.call_deadline = Duration::from_secs(1);
    let exchange = Exchange::new(Arc::new(host), &sandbox);
    let components = crate::testing::Host::new();
    let call = async { Ok(perform(&exchange, get(&server.uri("127.0.0.1"))).await) };
    let answer = bounded(&components.runtime, &sandbox, call).await.unwrap();
    let error = answer.unwrap().unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_response_that_stalls_or_breaks_off_ends_with_an_error() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let options = RequestOptions {
        between_bytes_timeout: Some(Duration::from_millis(50)),
        ..RequestOptions::default()
    };
    let response = exchange(&["127.0.0.1"])
        .perform(get(&server.uri("127.0.0.1")), options)
        .await
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_secret_reaches_the_hosts_it_belongs_to_and_no_others() {
    let (home, elsewhere) = (Server::answering(OK).await, Server::answering(OK).await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "hush\n").unwrap();
    let name: SecretName = "token".parse().unwrap();
    let secret = Secret {
        source: SecretSource::File(path.clone()),
        hosts: vec![format!("http://127.0.0.1:{}", home.port).parse().unwrap()],
    };
    let mut host = host(Credentials::new(AwsOptions {
        credentials: CredentialsSource::None,
        ..AwsOptions::default()
    }));
    host.secrets = Arc::new([(name.clone(), secret)].into_iter().collect());
    let mut grants = granting(&["127.0.0.1"], &[]);
    grants.secrets = vec![name];
    let granted = sandbox(&host, grants);
    let bare = sandbox(&host, granting(&["127.0.0.1"], &[]));
    let host = Arc::new(host);
    let (granted, bare) = (
        Exchange::new(Arc::clone(&host), &granted),
        Exchange::new(host, &bare),
    );
    let asking = |server: &Server| {
        let mut request = post(&server.uri("127.0.0.1"), "the body");
        let asked = HeaderValue::from_static("authorization Bearer {token}");
        request.headers_mut().insert("x-millstream-secret", asked);
        request
    };

    let answer = perform(&granted, asking(&home)).await.unwrap();
    assert_eq!(text(answer).await, "hello");
    let requests = home.requests();
    assert!(
        requests[0].contains("authorization: bearer hush\r\n"),
        "{requests:?}"
    );
    assert!(!requests[0].contains("x-millstream-secret"), "{requests:?}");
    // A new secret counts from the next request on.
    std::fs::write(&path, "hush2\n").unwrap();
    perform(&granted, asking(&home)).await.unwrap();
    assert!(home.requests()[1].contains("bearer hush2\r\n"));

    for (exchange, server, remedy) in [
        (&granted, &elsewhere, "[secrets.token] hosts"),
        (&bare, &home, "[plugin.test.grants] secrets"),
    ] {
        let answer = perform(exchange, asking(server)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(answer.headers().contains_key("x-millstream-refused"));
        let reason = text(answer).await;
        assert!(
            reason.contains(remedy) && !reason.contains("hush"),
            "{reason}"
        );
    }
    assert_eq!(home.requests().len(), 2);
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}
