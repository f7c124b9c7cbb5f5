//! TLS of what listens, with a certificate that can be renewed while the process runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::reload::Reloaded;

/// Files in PEM form.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, then those of the authorities between it and the root.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Of the authorities whose client certificates are taken; without it clients are not asked for one.
    pub client_authorities: Option<PathBuf>,
}

/// TLS as the files say.
#[derive(Debug)]
pub struct Tls {
    /// TLS 1.2 and 1.3.
    pub config: Arc<ServerConfig>,
    /// The file of the server's certificate, for channel binding.
    pub certificate_pem: Vec<u8>,
}

/// For one application protocol, which clients need not name. The error says which file is wrong, and how.
pub fn load(files: TlsFiles, protocol: &'static [u8]) -> Result<Reloaded<Tls>, String> {
    let paths = [&files.certificate, &files.key].into_iter().chain(&files.client_authorities).cloned().collect();
    Reloaded::new("the TLS certificate", paths, move || read(&files, protocol))
}

fn read(files: &TlsFiles, protocol: &[u8]) -> Result<Tls, String> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| format!("{}: there is no private key: {error}", files.key.display()))?;
    let certificate_pem = std::fs::read(&files.certificate).map_err(|error| format!("{}: {error}", files.certificate.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = match &files.client_authorities {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|error| format!("{}: {error}", path.display()))?;
            }
            // Who may connect without one is for the host rules to say.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        format!("{} and {} do not go together: {error}", files.certificate.display(), files.key.display())
    })?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Tls { config: Arc::new(config), certificate_pem })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
    let all = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    match all.is_empty() {
        true => Err(format!("{}: there is no certificate", path.display())),
        false => Ok(all),
    }
}
