//! Why a server cannot start or cannot go on.

use std::io;
use std::net::SocketAddr;

use process::data_dir;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("port {} on {} is in use; choose another with {flag} (0 picks one, off disables)", address.port(), address.ip())]
    PortInUse { address: SocketAddr, flag: &'static str },
    #[error("cannot listen on {address} ({flag}): {source}")]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("cannot tell which port was picked for {flag}: {source}")]
    PickedPort { flag: &'static str, source: io::Error },
    #[error("{0}; choose another with --data-dir")]
    DataDir(#[source] data_dir::Error),
    #[error("{0}; choose another with --spill-dir")]
    SpillDir(#[source] data_dir::Error),
    #[error(transparent)]
    Sample(#[from] crate::sample::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("{place}: {source}")]
    Catalog { place: String, source: sql::catalog::store::StoreError },
    #[error("{place}: {reason}; choose another with --warehouse")]
    Warehouse { place: String, reason: String },
    #[error("{place}: {reason}; choose another with --export-dir")]
    ExportDir { place: String, reason: String },
    #[error("TLS cannot be served: {0}")]
    Tls(String),
    #[error("clients cannot be authenticated: {0}")]
    Authentication(String),
    #[error("{0}; choose another with --secret-key")]
    SecretKey(String),
    #[error("{0}")]
    Tables(#[source] sql::Error),
    #[error(transparent)]
    Scheduler(#[from] scheduler::Error),
    #[error(transparent)]
    Executor(#[from] executor::Error),
    #[error("the embedded engine failed: {reason}")]
    Embedded { reason: String },
    #[error("cannot record metrics: {0}")]
    Metrics(String),
    #[error("the {front_end} front end ended: {reason}")]
    FrontEnd { front_end: &'static str, reason: String },
}
