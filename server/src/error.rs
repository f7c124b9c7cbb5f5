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
    #[error("cannot record metrics: {0}")]
    Metrics(String),
    #[error("the {front_end} front end ended: {reason}")]
    FrontEnd { front_end: &'static str, reason: String },
}
