//! The host names under which Magpie answers.
//!
//! Invariant: a page of another name that has its name resolved to our address
//! (DNS rebinding) gets nothing from us.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use url::Url;

/// The names that are let in.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
    /// Where every address of the machine is listened on, any of them will do:
    /// an address is no name that somebody could have resolved.
    any_address: Option<u16>,
}

impl Hosts {
    /// The listener's own names, and the public one.
    pub(crate) fn new(listener: SocketAddr, public: Option<&Url>) -> Self {
        let port = listener.port();
        let mut names = vec![listener.to_string()];
        if listener.ip().is_loopback() || listener.ip().is_unspecified() {
            names.push(format!("localhost:{port}"));
        }
        if port == 80 {
            let bare: Vec<_> = names
                .iter()
                .filter_map(|name| name.strip_suffix(":80"))
                .map(str::to_owned)
                .collect();
            names.extend(bare);
        }
        if let Some(host) = public.and_then(Url::host_str) {
            let port = public.and_then(Url::port);
            names.extend(port.is_none().then(|| host.to_owned()));
            let port = port.or(public.and_then(Url::port_or_known_default));
            names.extend(port.map(|port| format!("{host}:{port}")));
        }
        Self {
            names,
            any_address: listener.ip().is_unspecified().then_some(port),
        }
    }

    /// The names, as they stand in a `Host` header.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a call for this host is let in.
    pub(crate) fn let_in(&self, host: &str) -> bool {
        self.names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host))
            || self.any_address.is_some_and(|port| is_address(host, port))
    }
}

fn is_address(host: &str, port: u16) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let bare = authority.host().trim_matches(['[', ']']);
    authority.port_u16().unwrap_or(80) == port
        && bare.parse::<IpAddr>().is_ok()
        && !authority.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_let_in() {
        let shop = "https://Shop.example";
        let table: [(&str, &str, &[&str], &[&str]); 5] = [
            (
                "127.0.0.1:8080",
                "",
                &["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"],
                &[
                    "",
                    "127.0.0.1",
                    "localhost",
                    "localhost:80",
                    "evil.example:8080",
                    "127.0.0.2:8080",
                ],
            ),
            (
                "127.0.0.1:8080",
                shop,
                &["localhost:8080", "shop.example", "Shop.Example:443"],
                &[
                    "shop.example:8080",
                    "evil.example",
                    "shop.example.evil.example",
                    "x@shop.example",
                ],
            ),
            (
                "10.0.0.5:80",
                "http://shop.example:8000",
                &["10.0.0.5", "10.0.0.5:80", "shop.example:8000"],
                &["localhost", "shop.example"],
            ),
            (
                "[::1]:8080",
                "",
                &["[::1]:8080", "localhost:8080"],
                &["[::2]:8080"],
            ),
            (
                "0.0.0.0:8080",
                "",
                &["localhost:8080", "192.168.1.5:8080", "[fd00::1]:8080"],
                &["shop.example:8080", "192.168.1.5", "u@192.168.1.5:8080"],
            ),
        ];
        for (listener, public, inside, outside) in table {
            let public = (!public.is_empty()).then(|| Url::parse(public).unwrap());
            let hosts = Hosts::new(listener.parse().unwrap(), public.as_ref());
            for host in inside {
                assert!(hosts.let_in(host), "{host} at {listener}");
            }
            for host in outside {
                assert!(!hosts.let_in(host), "{host} at {listener}");
            }
        }
    }
}
