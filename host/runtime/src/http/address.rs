//! Which addresses a name may stand for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a grant reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Addresses of the public internet only.
    Public,
    /// The device itself: the grant names `localhost`.
    Loopback,
    /// Every address of one machine: the grant says so, or names the address.
    Private,
}

impl Reach {
    /// Whether a name under such a grant may stand for this address.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Public => is_public(address),
            Self::Loopback => address.is_loopback(),
            Self::Private => {
                !address.is_unspecified()
                    && !address.is_multicast()
                    && address != IpAddr::V4(Ipv4Addr::BROADCAST)
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the IANA registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // Shared address space of carriers (RFC 6598), and of overlay networks.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments (RFC 6890) and benchmarking (RFC 2544).
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

/// Global unicast, and IPv4 in disguise judged by the IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    match (a, b) {
        // NAT64 (RFC 6052), as networks without IPv4 have it.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(embedded(g, h)),
        // 6to4 (RFC 3056).
        (0x2002, _) => is_public_v4(embedded(b, c)),
        // Teredo and the other protocol assignments (RFC 2928), and documentation.
        (0x2001, 0..0x200) | (0x2001, 0xdb8) | (0x3fff, 0..0x1000) => false,
        _ => a & 0xe000 == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(reach: Reach, address: &str) -> bool {
        reach.allows(address.parse().unwrap())
    }

    #[test]
    fn public_means_public_however_an_address_is_spelled() {
        for address in [
            "1.1.1.1",
            "52.94.5.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(allows(Reach::Public, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b:1::1",
            // IPv4 as mapped, compatible, NAT64 and 6to4 addresses.
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:c0a8:101::",
        ] {
            assert!(!allows(Reach::Public, address), "{address}");
        }
    }

    #[test]
    fn localhost_is_the_device_and_nothing_else() {
        assert!(allows(Reach::Loopback, "127.0.0.1"));
        assert!(allows(Reach::Loopback, "::1"));
        assert!(allows(Reach::Loopback, "::ffff:127.0.0.1"));
        assert!(!allows(Reach::Loopback, "192.168.1.1"));
        assert!(!allows(Reach::Loopback, "1.1.1.1"));
    }

    #[test]
    fn private_reaches_machines_and_not_groups_of_them() {
        assert!(allows(Reach::Private, "192.168.1.1"));
        assert!(allows(Reach::Private, "fe80::1"));
        for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            assert!(!allows(Reach::Private, address), "{address}");
        }
    }
}
