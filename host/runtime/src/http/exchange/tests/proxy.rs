//! Requests through a proxy.

use super::*;

fn exchange_behind(proxy: &Server, hosts: &[&str]) -> Exchange {
    let matcher = Matcher::builder()
        .all(format!("http://user:secret@127.0.0.1:{}", proxy.port))
        .build();
    let mut host = host(no_credentials());
    host.client = HttpClient::new(Proxies::new(matcher));
    let sandbox = sandbox(&host, granting(hosts, &[]));
    Exchange::new(Arc::new(host), &sandbox)
}

/// "user:secret", lower-cased as everything that the server keeps.
const PROXY_AUTHORIZATION: &str = "proxy-authorization: basic dxnlcjpzzwnyzxq=\r\n";

#[tokio::test]
async fn a_proxy_gets_plain_requests_whole_and_with_its_credentials() {
    let proxy = Server::answering(OK).await;
    let exchange = exchange_behind(&proxy, &["a.example"]);
    let response = perform(&exchange, post("http://a.example/path?q=1", "ping"))
        .await
        .unwrap();
    assert_eq!(text(response).await, "hello");
    let requests = proxy.requests();
    let request = &requests[0];
    let start = "post http://a.example/path?q=1 http/1.1\r\n";
    assert!(request.starts_with(start), "{request}");
    assert!(request.contains(PROXY_AUTHORIZATION), "{request}");
    assert!(request.contains("host: a.example\r\n"), "{request}");
}

#[tokio::test]
async fn a_request_with_tls_asks_the_proxy_for_a_tunnel_and_shows_it_nothing_else() {
    let proxy = Server::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let exchange = exchange_behind(&proxy, &["a.example"]);
    let error = perform(&exchange, post("https://a.example/path?q=1", "ping"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DestinationUnavailable), "{error}");
    let requests = proxy.requests();
    let request = &requests[0];
    let start = "connect a.example:443 http/1.1\r\n";
    assert!(request.starts_with(start), "{request}");
    assert!(request.contains(PROXY_AUTHORIZATION), "{request}");
    assert!(!request.contains("path"), "{request}");
}

#[tokio::test]
async fn in_the_tunnel_of_a_proxy_tls_begins() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Server {
        port: listener.local_addr().unwrap().port(),
        ..Server::default()
    };
    let tunnel = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            connection.read_buf(&mut head).await.unwrap();
        }
        connection
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .await
            .unwrap();
        let mut record = [0; 3];
        connection.read_exact(&mut record).await.unwrap();
        record
    };
    let exchange = exchange_behind(&proxy, &["a.example"]);
    let request = perform(&exchange, get("https://a.example/"));
    let (record, failed) = tokio::join!(tunnel, request);
    // A record of the kind "handshake" (RFC 8446, 5.1).
    assert_eq!((record[0], record[1]), (0x16, 3));
    assert!(failed.is_err());
}

#[tokio::test]
async fn the_way_through_a_proxy_needs_a_grant_and_leads_nowhere_near() {
    let proxy = Server::answering(OK).await;
    let server = Server::answering(OK).await;
    let denied = perform(
        &exchange_behind(&proxy, &["a.example"]),
        get("http://b.example/"),
    )
    .await;
    assert!(matches!(denied, Err(Error::HttpRequestDenied)));
    let near = get(&server.uri("localhost"));
    let prohibited = perform(&exchange_behind(&proxy, &["*"]), near).await;
    assert!(matches!(prohibited, Err(Error::DestinationIpProhibited)));
    let near = get(&server.uri("127.0.0.1"));
    perform(&exchange_behind(&proxy, &["127.0.0.1"]), near)
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 0);
}
