//! A proxy that holds TLS, and the authority that has issued its certificate.

#![allow(dead_code, reason = "every target shows its own certificates")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::harness::random;

/// Which certificate a proxy shows.
#[derive(Clone, Copy)]
pub(crate) enum Names {
    /// Its own.
    Own,
    /// One of another name.
    Other,
    /// One whose time is over.
    Expired,
    /// One whose time has not come.
    Early,
}

/// Who issues certificates. Its bundle is gone with it.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    bundle: PathBuf,
}

/// A proxy; it stops when it is dropped.
pub(crate) struct Front {
    pub(crate) origin: String,
    _server: JoinSet<()>,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let bundle = folder.join(format!("authority-{:016x}.pem", random()));
        std::fs::write(&bundle, issuer.pem()).unwrap();
        Authority { issuer, bundle }
    }

    /// The certificates by which it is trusted.
    pub(crate) fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// Puts a proxy before a server.
    pub(crate) async fn before(&self, server: SocketAddr, names: Names) -> Front {
        let name = match names {
            Names::Other => "shop.example.com",
            _ => "localhost",
        };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        match names {
            Names::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Names::Early => params.not_before = date_time_ymd(4000, 1, 1),
            Names::Own | Names::Other => {}
        }
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut callers = JoinSet::new();
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                callers.spawn(pass(acceptor.clone(), caller, server));
            }
        });
        Front {
            origin,
            _server: tasks,
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.bundle);
    }
}

/// One connection, until a side ends it: whoever does not trust us ends it at once.
async fn pass(acceptor: TlsAcceptor, outside: TcpStream, server: SocketAddr) -> Option<()> {
    let mut outside = acceptor.accept(outside).await.ok()?;
    let mut inside = TcpStream::connect(server).await.ok()?;
    copy_bidirectional(&mut outside, &mut inside).await.ok()?;
    Some(())
}
