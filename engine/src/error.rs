//! What can go wrong between a logical plan and its rows.

use datafusion::error::DataFusionError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Planning or running failed in DataFusion; the root decides what the user is told.
    #[error("{}", .0.find_root().strip_backtrace())]
    DataFusion(#[from] DataFusionError),

    /// `arbalest.execution_mode = distributed`, and the cluster cannot run this plan.
    #[error("the query cannot run in distributed mode: {reason}")]
    NotDistributable { reason: String },

    /// There is no scheduler to send the query to.
    #[error("no cluster is configured")]
    NoCluster,

    /// The scheduler or an executor reported that the job failed.
    #[error("{message}")]
    JobFailed { message: String },

    /// Somebody asked for the job to stop.
    #[error("job was cancelled")]
    JobCancelled,

    /// The scheduler lost the job without a verdict, such as after a panic while planning.
    #[error("the scheduler gave up the job without saying why")]
    JobLost,

    /// Nobody is there to run it.
    #[error("the cluster cannot run the query: {message}")]
    NoExecutors { message: String },

    /// As many jobs wait as may wait.
    #[error("the cluster does not take the query: {message}")]
    QueueFull { message: String },

    /// Talking to the scheduler or to an executor failed.
    #[error("cannot reach {peer}: {message}")]
    Unreachable { peer: String, message: String },

    /// A defect: an operator panicked.
    #[error("the query failed: {message}")]
    Panicked { message: String },

    #[error("cannot start threads: {source}")]
    Threads { source: std::io::Error },

    /// A file or directory that a table is made of cannot be used.
    #[error("{location}: {message}")]
    Location { location: String, message: String },
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::DataFusion(error.into())
    }
}
