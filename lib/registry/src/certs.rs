//! `containers-certs.d(5)`: certificates for a registry that the system's do not cover.
//!
//! A directory `HOST[:PORT]` has authorities in `*.crt` and, for a registry that wants to know who we are, a
//! certificate `NAME.cert` with its key `NAME.key`. What is there and wrong is an error that names the file:
//! a registry that is spoken to with other certificates than its owner meant is none of ours.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::blocking::ClientBuilder;
use reqwest::{Certificate, Identity};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use types::{Context, Error, Kind, Result};

use crate::credentials::canonical;

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    roots: Vec<Certificate>,
    identity: Option<Identity>,
}

/// The directory for a host: the first one that is there. Docker Hub's may have its name of every day.
pub(crate) fn directory(places: &[PathBuf], host: &str) -> Option<PathBuf> {
    if host.is_empty() || host.contains('/') || host.starts_with('.') {
        return None;
    }
    let names = [host.to_owned(), canonical(host)];
    places.iter().flat_map(|place| names.iter().map(|name| place.join(name))).find(|dir| dir.is_dir())
}

impl Certificates {
    /// Reads a directory.
    ///
    /// # Errors
    /// Those of the file system; `Invalid` if a file is not what its name says.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let mut found = Self::default();
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("read {dir:?}"))? {
            names.push(entry.with_context(|| format!("read {dir:?}"))?.path());
        }
        names.sort();
        for path in names {
            let what = || format!("read {path:?}");
            match path.extension().and_then(|e| e.to_str()) {
                Some("crt") => found.roots.extend(roots(&path).with_context(what)?),
                Some("cert") if found.identity.is_some() => {
                    let err = Error::new(Kind::Unsupported, format!("a second client certificate: {path:?}"));
                    return Err(err.hint("leave one NAME.cert and NAME.key in the directory"));
                }
                Some("cert") => found.identity = Some(identity(&path).with_context(what)?),
                Some("key") if !path.with_extension("cert").exists() => {
                    return Err(Error::new(Kind::Invalid, "its certificate, NAME.cert, is missing"))
                        .with_context(what);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Gives a client all of it or, for a server that is not the registry itself, the authorities only.
    pub(crate) fn apply(&self, builder: ClientBuilder, own: bool) -> ClientBuilder {
        let builder = builder.tls_certs_merge(self.roots.iter().cloned());
        match &self.identity {
            Some(identity) if own => builder.identity(identity.clone()),
            _ => builder,
        }
    }
}

fn roots(path: &Path) -> Result<Vec<Certificate>> {
    let pem = fs::read(path).context("open it")?;
    let bad = || Error::new(Kind::Invalid, "it is no certificate in PEM");
    let mut roots = Vec::new();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let der = der.map_err(|_| bad())?;
        // Only this looks into it.
        RootCertStore::empty().add(der.clone()).map_err(|e| Error::because(Kind::Invalid, "use it", e))?;
        roots.push(Certificate::from_der(&der).map_err(|_| bad())?);
    }
    if roots.is_empty() { Err(bad()) } else { Ok(roots) }
}

fn identity(cert: &Path) -> Result<Identity> {
    let key = cert.with_extension("key");
    let mut pem = fs::read(cert).context("open it")?;
    pem.push(b'\n');
    match fs::read(&key) {
        Ok(text) => pem.extend(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(Kind::Invalid, format!("its key {key:?} is missing"))
                .hint("certificates of authorities are called *.crt"));
        }
        Err(e) => return Err(Error::io(format!("read {key:?}"), e)),
    }
    Identity::from_pem(&pem)
        .map_err(|_| Error::new(Kind::Invalid, format!("it and {key:?} are no certificate and key in PEM")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_found_by_host_and_port() {
        let dir = tempfile::tempdir().expect("tempdir");
        let places = [dir.path().join("first"), dir.path().join("second")];
        for name in ["first/a.example:5000", "second/a.example:5000", "second/docker.io", "second/[::1]:5000"]
        {
            fs::create_dir_all(dir.path().join(name)).expect("mkdir");
        }
        let found = |host: &str| {
            let path = directory(&places, host)?;
            Some(path.strip_prefix(dir.path()).expect("prefix").to_string_lossy().into_owned())
        };
        assert_eq!(found("a.example:5000").as_deref(), Some("first/a.example:5000"));
        assert_eq!(found("registry-1.docker.io").as_deref(), Some("second/docker.io"));
        assert_eq!(found("[::1]:5000").as_deref(), Some("second/[::1]:5000"));
        for host in ["a.example", "a.example:5001", "..", ".", "", "../first/a.example:5000"] {
            assert_eq!(found(host), None, "{host}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (files, want) in [
            (vec![("ca.crt", "no PEM")], "ca.crt\": it is no certificate"),
            (
                vec![("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")],
                "ca.crt\": use it",
            ),
            (vec![("client.cert", "x")], "client.key\" is missing"),
            (vec![("client.key", "x")], "client.key\": its certificate"),
            (vec![("client.cert", "x"), ("client.key", "x")], "are no certificate and key"),
        ] {
            let dir = tempfile::tempdir().expect("tempdir");
            for (name, text) in &files {
                fs::write(dir.path().join(name), text).expect("write");
            }
            let err = Certificates::read(dir.path()).expect_err(want);
            let text = types::error::chain(&err);
            assert!(text.contains(want) && !text.contains("AAAA"), "{text}");
        }
        let dir = tempfile::tempdir().expect("tempdir");
        fs::write(dir.path().join("README"), "x").expect("write");
        assert!(Certificates::read(dir.path()).is_ok(), "other files are nobody's business");
    }
}
