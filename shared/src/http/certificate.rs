//! What is wrong with a far side's certificate, for who has to mend it.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as Tls};

/// Why a certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Its time is over.
    Expired,
    /// Its time has not come, or this machine's clock is slow.
    Early,
    /// It is of another name.
    OtherName,
    /// Nobody whom this machine trusts has issued it, or a certificate between is
    /// not sent along.
    UnknownIssuer,
    /// Something else.
    Other,
}

impl Certificate {
    /// Looks for it in an error and below.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(tls) = error.downcast_ref::<Tls>() {
            return Self::of_tls(tls);
        }
        // An error of IO does not name what it holds as its source.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match held {
            Some(held) => Self::of(held),
            None => Self::of(error.source()?),
        }
    }

    fn of_tls(error: &Tls) -> Option<Self> {
        let Tls::InvalidCertificate(error) = error else {
            return None;
        };
        Some(match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::Early
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            _ => Self::Other,
        })
    }
}
