//! The addresses from which WeChat calls callbacks, as it lists them itself: addresses and
//! ranges, which change without notice.
//! <https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_the_WeChat_server_IP_address.html>

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

use super::account::Ask;

/// How many entries of a list are believed; WeChat's has some hundred.
const MOST: usize = 1000;
/// How many bits of an address of the new family come before an old one that it maps.
const MAPPED: u8 = 96;

/// What WeChat lists.
#[derive(Debug, Deserialize)]
pub struct CallbackAddresses {
    /// Addresses, and ranges in CIDR notation.
    pub ip_list: Vec<String>,
}

impl Ask {
    /// For the addresses from which WeChat calls callbacks.
    #[must_use]
    pub fn callback_addresses() -> Self {
        Self::get("/cgi-bin/getcallbackip")
    }
}

/// Who may call: a list that is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers(Vec<IpNet>);

impl Callers {
    /// Reads a list. What of it is neither an address nor a range is left out; `None` if
    /// nothing is left then.
    #[must_use]
    pub fn parse<T: AsRef<str>>(list: &[T]) -> Option<Self> {
        let entries = list.iter().take(MOST);
        let nets: Vec<_> = entries.filter_map(|entry| net(entry.as_ref())).collect();
        (!nets.is_empty()).then_some(Self(nets))
    }

    /// How many entries it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The list as it is kept.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether an address is one of them. One that maps an old address is that one.
    #[must_use]
    pub fn include(&self, caller: IpAddr) -> bool {
        let caller = caller.to_canonical();
        self.0.iter().any(|net| net.contains(&caller))
    }
}

/// One entry; a range of mapped addresses is the range of the old ones.
fn net(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    let mapped = |net: &IpNet| match net {
        IpNet::V6(net) => {
            let length = net.prefix_len().checked_sub(MAPPED)?;
            Ipv4Net::new(net.addr().to_ipv4_mapped()?, length).ok()
        }
        IpNet::V4(_) => None,
    };
    Some(mapped(&net).map_or(net, IpNet::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges_of_both_families_are_known() {
        let list = [
            "127.0.0.1",
            " 101.226.103.0/25 ",
            "2001:db8::/32",
            "::ffff:203.0.113.0/120",
            "::ffff:198.51.100.7",
            "nonsense",
            "10.0.0.0/33",
            "10.0.0",
            "",
        ];
        let callers = Callers::parse(&list).unwrap();
        assert_eq!(callers.count(), 5);
        for (caller, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("101.226.103.0", true),
            ("101.226.103.127", true),
            ("101.226.103.128", false),
            ("::ffff:101.226.103.60", true),
            ("::ffff:101.226.103.200", false),
            ("2001:db8:7::1", true),
            ("2001:db9::1", false),
            ("203.0.113.200", true),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            // A compatible address is no mapped one.
            ("::127.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(
                callers.include(caller.parse().unwrap()),
                expected,
                "{caller}"
            );
        }
        assert_eq!(Callers::parse(&callers.texts()), Some(callers));
    }

    #[test]
    fn a_list_that_lets_nobody_in_is_none() {
        assert_eq!(Callers::parse::<&str>(&[]), None);
        assert_eq!(Callers::parse(&["", "*", "weixin.qq.com"]), None);
        let many = vec!["192.0.2.1"; 5_000];
        assert_eq!(Callers::parse(&many).unwrap().count(), MOST);
    }
}
