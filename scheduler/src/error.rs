//! Why a scheduler could not start or had to stop.

use std::net::SocketAddr;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: std::io::Error },

    #[error("the scheduler's port {address} closed: {source}")]
    Serve { address: SocketAddr, source: tonic::transport::Error },

    #[error("the scheduler has stopped scheduling, which is a defect; start it again")]
    Stopped,

    #[error("the scheduler cannot start: {0}")]
    Ballista(#[from] ballista_core::error::BallistaError),
}
