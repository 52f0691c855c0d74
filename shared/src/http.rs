//! The one HTTP client, for WeChat and for desks: where it may go, how long it
//! waits, and what a failure says about whether the request arrived.
//!
//! Invariant: an address that is neither WeChat's nor public is reached only
//! if the operator listed it. Names are resolved here, so that a public name
//! for a private address does not help.

mod allowed;
mod certificate;
mod files;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

pub use allowed::{Allowed, is_public};
pub use certificate::Certificate;
pub use files::{Downloaded, NoFile, collect};

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

impl Trouble {
    /// What is wrong with the far side's certificate, if that was it.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        match self {
            Self::NotSent(Some(error)) | Self::Lost(Some(error)) => Certificate::of(error),
            _ => None,
        }
    }
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
    read(begin(client, request).await?).await
}

async fn begin(client: &reqwest::Client, request: Outgoing) -> Result<reqwest::Response, Trouble> {
    let sent = client
        .request(request.method, request.url)
        .headers(request.headers)
        .body(request.body)
        .send();
    arrived(sent.await)
}

/// What became of a request on its way there.
fn arrived(sent: Result<reqwest::Response, reqwest::Error>) -> Result<reqwest::Response, Trouble> {
    sent.map_err(|error| {
        let connects = error.is_connect();
        // The address may carry a token: it is taken out of the error.
        let error = Some(error.without_url());
        if connects {
            Trouble::NotSent(error)
        } else {
            Trouble::Lost(error)
        }
    })
}

async fn read(mut response: reqwest::Response) -> Result<Answer, Trouble> {
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
