//! Why an executor could not start or had to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the work directory {} cannot be used: {source}", path.display())]
    WorkDir { path: PathBuf, source: std::io::Error },

    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: std::io::Error },

    #[error("cannot start the threads that run tasks: {source}")]
    Threads { source: std::io::Error },

    #[error("\"{url}\" is not the URL of a scheduler: {source}")]
    SchedulerUrl { url: String, source: tonic::transport::Error },

    #[error("the scheduler does not accept this executor: {status}")]
    Register { status: Box<tonic::Status> },

    #[error(transparent)]
    Engine(#[from] datafusion::error::DataFusionError),
}
