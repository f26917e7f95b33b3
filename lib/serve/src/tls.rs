//! TLS: a certificate chain and its key, as PEM.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use types::{Error, Kind, Result};

/// What a server proves its name with.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads a certificate, with those between it and its authority after it, and its private key.
    ///
    /// # Errors
    /// `Invalid` if they are none, or do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self> {
        let bad =
            |what: &'static str, e: rustls::pki_types::pem::Error| Error::because(Kind::Invalid, what, e);
        let certs: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| bad("read the certificate", e))?;
        if certs.is_empty() {
            return Err(Error::new(Kind::Invalid, "there is no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| bad("read the key", e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certs, key))
            .map_err(|e| Error::because(Kind::Invalid, "use certificate and key", e))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}
