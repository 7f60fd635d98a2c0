use super::*;
use crate::http::Reach;
use crate::testing::sandbox;

/// Names are learnt as if they had been looked up, so that no test asks a name server.
fn access(grants: &[&str], private: &[&str]) -> Arc<SocketAccess> {
    let parse = |text: &&str| text.parse::<AddressGrant>().unwrap();
    let mut addresses: Vec<AddressGrant> = grants.iter().map(parse).collect();
    addresses.extend(private.iter().map(parse).map(AddressGrant::privately));
    SocketAccess::new(&sandbox(Grants {
        addresses,
        ..Grants::default()
    }))
}

fn learn(access: &SocketAccess, name: &str, address: &str) {
    let now = Instant::now();
    access.names.learn(name, &[address.parse().unwrap()], now);
    access.names.is_due(name, now);
}

async fn connects(access: &Arc<SocketAccess>, address: &str) -> bool {
    let address = address.parse().unwrap();
    Arc::clone(access)
        .allows(address, SocketAddrUse::TcpConnect)
        .await
}

#[tokio::test]
async fn sockets_reach_granted_addresses_and_never_listen() {
    let access = access(&["10.0.0.5:1883"], &[]);
    let broker: SocketAddr = "10.0.0.5:1883".parse().unwrap();
    let other: SocketAddr = "10.0.0.6:1883".parse().unwrap();
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    for (address, purpose, expected) in [
        (broker, SocketAddrUse::TcpConnect, true),
        (broker, SocketAddrUse::UdpReceive, true),
        (anywhere, SocketAddrUse::TcpBind, true),
        (other, SocketAddrUse::UdpSend, false),
        (other, SocketAddrUse::UdpReceive, false),
        (broker, SocketAddrUse::TcpListen, false),
        (broker, SocketAddrUse::TcpBind, false),
    ] {
        let allowed = Arc::clone(&access).allows(address, purpose).await;
        assert_eq!(allowed, expected, "{purpose:?} {address}");
    }
    let nothing = self::access(&[], &[]);
    assert!(!nothing.allows(broker, SocketAddrUse::UdpSend).await);
}

#[tokio::test]
async fn a_name_leads_to_the_addresses_it_stands_for_on_its_port() {
    let access = access(&["broker.example:1883"], &[]);
    learn(&access, "broker.example", "1.1.1.1");
    learn(&access, "broker.example", "1.1.1.2");
    assert!(connects(&access, "1.1.1.1:1883").await);
    assert!(connects(&access, "[::ffff:1.1.1.2]:1883").await);
    assert!(!connects(&access, "1.1.1.1:1884").await);
    assert!(!connects(&access, "1.1.1.3:1883").await);
}

#[tokio::test]
async fn a_name_leads_into_the_own_network_only_if_its_grant_says_so() {
    for private in ["127.0.0.1", "10.0.0.5", "169.254.169.254", "fe80::1"] {
        let target = SocketAddr::new(private.parse().unwrap(), 1883).to_string();
        let refused = access(&["broker.example:1883"], &[]);
        learn(&refused, "broker.example", private);
        assert!(!connects(&refused, &target).await, "{private}");
        let verdict = refused.judge(target.parse().unwrap()).await;
        assert_eq!(verdict, Verdict::Private("broker.example".into()));
        let allowed = access(&[], &["broker.example:1883"]);
        learn(&allowed, "broker.example", private);
        assert!(connects(&allowed, &target).await, "{private}");
    }
}

#[tokio::test]
async fn localhost_is_looked_up_and_means_the_device_alone() {
    let access = access(&["localhost:1883"], &[]);
    assert!(connects(&access, "127.0.0.1:1883").await);
    learn(&access, "localhost", "10.0.0.5");
    assert!(!connects(&access, "10.0.0.5:1883").await);
}

#[test]
fn only_granted_names_are_looked_up() {
    let access = access(&["a.example:1", "10.0.0.1"], &["B.example"]);
    assert_eq!(access.grants.looks_up("A.example"), Some(Reach::Public));
    assert_eq!(access.grants.looks_up("b.example"), Some(Reach::Private));
    for other in ["example", "x.a.example", "a.example.", "10.0.0.1"] {
        assert_eq!(access.grants.looks_up(other), None, "{other}");
    }
}
