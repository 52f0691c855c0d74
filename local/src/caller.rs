//! Whose address a call comes from.
//!
//! Invariant: what a caller says of itself is not believed. A header counts only where the
//! operator says that a proxy stands in front, and of it only what that proxy has added.
//! <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The header in which proxies say who has called them, the nearest one last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// How a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// By its connection.
    Nobody,
    /// By what the proxy says that stands in front.
    Proxy,
}

impl Front {
    /// The caller's address; `None` if the proxy does not say it.
    pub(crate) fn caller(self, peer: SocketAddr, headers: &HeaderMap) -> Option<IpAddr> {
        match self {
            Self::Nobody => Some(peer.ip()),
            Self::Proxy => {
                let last = headers.get_all(FORWARDED_FOR).iter().next_back()?;
                let hop = last.to_str().ok()?.rsplit(',').next()?.trim();
                let with_port = || hop.parse().ok().map(|hop: SocketAddr| hop.ip());
                hop.parse().ok().or_else(with_port)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_the_proxy_has_added_is_believed() {
        let peer: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        for (headers, expected) in [
            (&["101.226.103.60"][..], Some("101.226.103.60")),
            (&["203.0.113.7, 101.226.103.60"], Some("101.226.103.60")),
            (&["203.0.113.7", "198.51.100.7"], Some("198.51.100.7")),
            (&["198.51.100.7:5123"], Some("198.51.100.7")),
            (&["[2001:db8::1]:5123"], Some("2001:db8::1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["198.51.100.7", "unknown"], None),
            (&["198.51.100.7,"], None),
            (&[], None),
        ] {
            let values = headers.iter().map(|value| {
                let name = http::HeaderName::from_static(FORWARDED_FOR);
                (name, HeaderValue::from_static(value))
            });
            let mut map = HeaderMap::new();
            map.extend(values);
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(Front::Proxy.caller(peer, &map), expected, "{headers:?}");
            assert_eq!(Front::Nobody.caller(peer, &map), Some(peer.ip()));
        }
    }
}
