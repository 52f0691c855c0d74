//! The one HTTP client, for WeChat and for desks: where it may go, how long it
//! waits, and what a failure says about whether the request arrived.
//!
//! Invariant: an address that is neither WeChat's nor public is reached only
//! if the operator listed it. Names are resolved here, so that a public name
//! for a private address does not help.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::{Host, Url};

/// The longest answer that is read, in bytes.
pub const ANSWER_MAX: usize = 256 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// WeChat closes idle connections without a word; ours are gone before.
const IDLE: Duration = Duration::from_secs(10);

/// A request on its way out.
#[derive(Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The address. It may carry a token: it is in no log.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take from the first byte to the last.
    pub timeout: Duration,
}

impl Outgoing {
    /// A POST of JSON.
    #[must_use]
    pub fn json(url: Url, body: Vec<u8>, timeout: Duration) -> Self {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        Self {
            method: Method::POST,
            url,
            headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]),
            body,
            timeout,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(url: Url, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            timeout,
        }
    }

    /// Adds a header, if its value can be one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`ANSWER_MAX`].
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The request did not go out: it is certain that it did not arrive.
    #[error("the far side cannot be reached")]
    NotSent(#[source] Option<reqwest::Error>),
    /// The request went out and its answer was lost.
    #[error("the far side's answer was lost")]
    Lost(#[source] Option<reqwest::Error>),
    /// The address is not allowed.
    #[error("the address is not public and not on the list of allowed endpoints")]
    Forbidden,
}

/// Where requests are answered in this process.
#[cfg(feature = "embedded")]
pub type Peers = std::sync::Arc<
    dyn Fn(Outgoing) -> futures_util::future::BoxFuture<'static, Result<Answer, Trouble>>
        + Send
        + Sync,
>;

/// The client.
pub struct Http {
    wire: Wire,
    allowed: Allowed,
}

enum Wire {
    /// Made when it is first needed: that reads the trusted certificates, and
    /// most functions call nobody but AWS.
    Network(OnceLock<reqwest::Client>),
    #[cfg(feature = "embedded")]
    InProcess(Peers),
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// A client of the network, with ring below its TLS. It is made by
    /// [`Self::ready`] or by the first request.
    #[must_use]
    pub fn network(allowed: Allowed) -> Self {
        Self {
            wire: Wire::Network(OnceLock::new()),
            allowed,
        }
    }

    /// Makes the client now. It fails where no TLS can be had, which no request
    /// mends: a process that lives by its requests asks for it at its start.
    pub fn ready(&self) -> Result<(), reqwest::Error> {
        match &self.wire {
            Wire::Network(made) => self.client(made).map(|_| ()),
            #[cfg(feature = "embedded")]
            Wire::InProcess(_) => Ok(()),
        }
    }

    fn client<'a>(
        &self,
        made: &'a OnceLock<reqwest::Client>,
    ) -> Result<&'a reqwest::Client, reqwest::Error> {
        if let Some(client) = made.get() {
            return Ok(client);
        }
        // A second install in one process changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "the one owner of the client")]
        let client = reqwest::Client::builder()
            .user_agent(concat!("magpie/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .dns_resolver(PublicNames(self.allowed.clone()))
            .build()?;
        Ok(made.get_or_init(|| client))
    }

    /// A client whose peers answer in this process.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn in_process(peers: Peers, allowed: Allowed) -> Self {
        Self {
            wire: Wire::InProcess(peers),
            allowed,
        }
    }

    /// The addresses that may be reached beside public ones.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&self, request: Outgoing) -> Result<Answer, Trouble> {
        if !self.allowed.may_reach(&request.url) {
            return Err(Trouble::Forbidden);
        }
        let timeout = request.timeout;
        let sent = async {
            match &self.wire {
                Wire::Network(made) => match self.client(made) {
                    Ok(client) => over_network(client, request).await,
                    Err(error) => Err(Trouble::NotSent(Some(error))),
                },
                #[cfg(feature = "embedded")]
                Wire::InProcess(peers) => peers(request).await,
            }
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Lost(None)),
        }
    }
}

async fn over_network(client: &reqwest::Client, request: Outgoing) -> Result<Answer, Trouble> {
    let sent = client
        .request(request.method, request.url)
        .headers(request.headers)
        .body(request.body)
        .send()
        .await;
    let mut response = match sent {
        Ok(response) => response,
        // The address may carry a token: it is taken out of the error.
        Err(error) if error.is_connect() => {
            return Err(Trouble::NotSent(Some(error.without_url())));
        }
        Err(error) => return Err(Trouble::Lost(Some(error.without_url()))),
    };
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_MAX => body.extend(chunk),
            Ok(Some(_)) => return Err(Trouble::Lost(None)),
            Ok(None) => break,
            Err(error) => return Err(Trouble::Lost(Some(error.without_url()))),
        }
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

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

    fn lists_host(&self, host: &str) -> bool {
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

/// Resolves names and forgets addresses that are not public.
struct PublicNames(Allowed);

impl reqwest::dns::Resolve for PublicNames {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let listed = self.0.lists_host(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| listed || is_public(address.ip()))
                .collect();
            if found.is_empty() {
                return Err("the name stands for no public address".into());
            }
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
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
