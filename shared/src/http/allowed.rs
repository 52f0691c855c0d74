//! Where requests may go: public addresses, and what the operator lists.

use std::net::IpAddr;

use url::{Host, Url};

/// The origins that an operator allows beside public ones
/// (`MAGPIE_ALLOW_ENDPOINTS`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Origin>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    /// `None` allows every port.
    port: Option<u16>,
}

impl Allowed {
    /// Reads origins separated by commas; an origin without a port allows
    /// every port. The error is the number of the first that cannot be read: what
    /// was written there may hold a password.
    pub fn parse(text: &str) -> Result<Self, usize> {
        text.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .zip(1_usize..)
            .map(|(origin, number)| {
                let url = Url::parse(origin).map_err(|_| number)?;
                let bare = matches!(url.path(), "" | "/")
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty();
                let host = url.host_str().filter(|_| bare && is_http(&url));
                Ok(Origin {
                    scheme: url.scheme().to_owned(),
                    host: host.ok_or(number)?.to_owned(),
                    // `Url` hides a port that is the scheme's own; the text has it.
                    port: written_port(origin),
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Adds an origin of our own making, such as the simulator's.
    pub fn add(&mut self, url: &Url) {
        if let Some(host) = url.host_str() {
            self.0.push(Origin {
                scheme: url.scheme().to_owned(),
                host: host.to_owned(),
                port: url.port_or_known_default(),
            });
        }
    }

    /// Whether the operator listed this address.
    #[must_use]
    pub fn lists(&self, url: &Url) -> bool {
        self.0.iter().any(|origin| {
            origin.scheme == url.scheme()
                && Some(origin.host.as_str()) == url.host_str()
                && origin
                    .port
                    .is_none_or(|port| Some(port) == url.port_or_known_default())
        })
    }

    pub(super) fn lists_host(&self, host: &str) -> bool {
        self.0.iter().any(|origin| origin.host == host)
    }

    /// Whether a request may go to this address: one that is listed, or https
    /// to a name or a public address. What a name stands for is checked when it
    /// is resolved.
    #[must_use]
    pub fn may_reach(&self, url: &Url) -> bool {
        if self.lists(url) {
            return true;
        }
        // Of a host that is listed, what is listed and nothing else.
        if url.host_str().is_some_and(|host| self.lists_host(host)) {
            return false;
        }
        let public = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let top = name.rsplit_once('.').map(|(_, top)| top);
                top.is_some_and(|top| !matches!(top, "localhost" | "local" | "internal"))
            }
            Some(Host::Ipv4(ip)) => is_public(ip.into()),
            Some(Host::Ipv6(ip)) => is_public(ip.into()),
            None => false,
        };
        public && url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn written_port(origin: &str) -> Option<u16> {
    let authority = origin.split("://").nth(1)?.split('/').next()?;
    let after_v6 = authority.rsplit(']').next()?;
    after_v6.rsplit_once(':')?.1.parse().ok()
}

/// Whether an address is one of the public internet.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || a == 0
                || a >= 240
                // Shared by carriers, protocol assignments, benchmarks, relays.
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(ip) => {
            if let Some(v4) = ip.to_ipv4_mapped() {
                return is_public(v4.into());
            }
            let [first, second, ..] = ip.segments();
            // Global unicast is 2000::/3; without documentation, Teredo, 6to4
            // and other ways to write an IPv4 address.
            (first & 0xe000) == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
                && first != 0x3fff
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_and_what_is_listed_is_reached() {
        let none = Allowed::default();
        for (address, public) in [
            ("https://example.com/hook", true),
            ("https://example.com:8443/", true),
            ("http://example.com/", false),
            ("https://user@example.com/", false),
            ("https://localhost/", false),
            ("https://printer.local/", false),
            ("https://vault.internal/", false),
            ("https://8.8.8.8/", true),
            ("https://127.0.0.1/", false),
            ("https://127.1/", false),
            ("https://0x7f000001/", false),
            ("https://10.0.0.1/", false),
            ("https://169.254.169.254/", false),
            ("https://100.64.0.1/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:127.0.0.1]/", false),
            ("https://[fd00::1]/", false),
            ("https://[2002:7f00:1::]/", false),
            ("https://[2606:4700::1111]/", true),
            ("ftp://example.com/", false),
        ] {
            assert_eq!(
                none.may_reach(&Url::parse(address).unwrap()),
                public,
                "{address}"
            );
        }
        let some = Allowed::parse("http://127.0.0.1, https://desk.lan:8443").unwrap();
        for (address, listed) in [
            ("http://127.0.0.1:9/x", true),
            ("https://127.0.0.1/", false),
            ("https://desk.lan:8443/", true),
            ("https://desk.lan/", false),
            ("http://desk.lan:8443/", false),
            ("https://desk.lan:22/", false),
        ] {
            let address = Url::parse(address).unwrap();
            assert_eq!(some.lists(&address), listed, "{address}");
            assert_eq!(some.may_reach(&address), listed, "{address}");
        }
        for wrong in ["127.0.0.1", "ftp://a.b", "http://a.b/path", "http://u@a.b"] {
            assert_eq!(Allowed::parse(wrong), Err(1));
        }
    }
}
