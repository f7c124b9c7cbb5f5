//! Encryption of what clients send and get.

use std::path::PathBuf;

use clap::Args;
use process::tls::TlsFiles;

#[derive(Args, Debug)]
pub(super) struct TlsOptions {
    /// Certificate of the server in PEM form, with those of the authorities between; read again when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Authorities of client certificates in PEM form; without them clients are not asked for one
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

impl TlsOptions {
    pub(super) fn into_files(self) -> Option<TlsFiles> {
        let (certificate, key) = self.tls_cert.zip(self.tls_key)?;
        Some(TlsFiles { certificate, key, client_authorities: self.tls_client_ca })
    }
}
