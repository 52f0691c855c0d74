//! TLS in front of servers that speak none: a CA of this run, a certificate of
//! its for `localhost`, and the bundle by which the functions trust it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::Outcome;

/// A CA of this run and what stands under it. Its bundle is gone with it.
pub(crate) struct Authority {
    acceptor: TlsAcceptor,
    bundle: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Outcome<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let own = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &ca)?;
        let chain = vec![own.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key.into())?;

        let name = format!("magpie-startup-{}.pem", std::process::id());
        let bundle = std::env::temp_dir().join(name);
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let mut text: String = mozilla.map(|der| pem(der)).collect();
        text.push_str(&ca.pem());
        std::fs::write(&bundle, text)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            bundle,
        })
    }

    /// The certificates that a function is to trust.
    pub(crate) fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// Speaks TLS for the server at this address; its address as clients see it.
    pub(crate) async fn before(
        &self,
        server: SocketAddr,
        tasks: &mut JoinSet<()>,
    ) -> Outcome<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let acceptor = self.acceptor.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((outside, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(acceptor.clone(), outside, server));
            }
        });
        Ok(format!("https://localhost:{port}"))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.bundle);
    }
}

/// One connection, until a side ends it. A client that is killed is no error.
async fn pass(acceptor: TlsAcceptor, outside: TcpStream, server: SocketAddr) -> Option<()> {
    outside.set_nodelay(true).ok()?;
    let mut outside = acceptor.accept(outside).await.ok()?;
    let mut inside = TcpStream::connect(server).await.ok()?;
    inside.set_nodelay(true).ok()?;
    copy_bidirectional(&mut outside, &mut inside).await.ok()?;
    Some(())
}

/// A certificate as bundles carry it.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}
