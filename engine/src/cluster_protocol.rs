//! What a server and a scheduler of its own process say to each other over gRPC.
//!
//! Ballista's own calls are not enough: they name a job only once it runs, so that one which waits for an executor cannot
//! be cancelled; they forget to cancel the jobs of a server that is gone; and they do not tell what the cluster has.

use ballista_core::serde::protobuf::{JobStatus, KeyValuePair, job_status};
use ballista_core::serde::scheduler::PartitionLocation;
use prost::Message;

use crate::cluster::JobEvent;

/// The name of the service, which its paths begin with.
pub const SERVICE: &str = "arbalest.Cluster";
/// [`SubmitJob`] → a stream of [`JobUpdate`]s. Dropping the stream cancels the job.
pub const SUBMIT: &str = "/arbalest.Cluster/Submit";
/// [`JobReference`] → [`Done`].
pub const CANCEL: &str = "/arbalest.Cluster/Cancel";
/// [`JobReference`] → [`Done`]: the job's files are removed.
pub const CLEAN: &str = "/arbalest.Cluster/Clean";
/// [`JobReferences`] → [`Done`]: a server reads the results of these, which are kept for a while more. What no server says so
/// of is removed.
pub const RENEW: &str = "/arbalest.Cluster/Renew";
/// [`JobReferences`] of which an executor has files → those that nobody wants.
pub const UNWANTED: &str = "/arbalest.Cluster/Unwanted";
/// [`Done`] → [`ClusterState`].
pub const STATE: &str = "/arbalest.Cluster/State";

#[derive(Clone, PartialEq, Message)]
pub struct SubmitJob {
    /// What people see in lists of jobs.
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub settings: Vec<KeyValuePair>,
    /// A physical plan, by the engine's codec.
    #[prost(bytes = "vec", tag = "3")]
    pub plan: Vec<u8>,
}

/// The first has the job's name at the scheduler and no status.
#[derive(Clone, PartialEq, Message)]
pub struct JobUpdate {
    #[prost(string, tag = "1")]
    pub job_id: String,
    #[prost(message, optional, tag = "2")]
    pub status: Option<JobStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct JobReference {
    #[prost(string, tag = "1")]
    pub job_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct JobReferences {
    #[prost(string, repeated, tag = "1")]
    pub job_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Done {}

#[derive(Clone, PartialEq, Message)]
pub struct ClusterState {
    /// Live executors that take work.
    #[prost(uint32, tag = "1")]
    pub executors: u32,
    /// Cores of those.
    #[prost(uint32, tag = "2")]
    pub vcores: u32,
}

/// What the scheduler calls a job that was cancelled.
const CANCELLED: &str = "Cancelled";

/// A status in our words; `None` if it says nothing.
pub fn event_of(status: JobStatus) -> Option<JobEvent> {
    use job_status::Status as S;
    Some(match status.status? {
        S::Queued(_) | S::Running(_) => JobEvent::Progress,
        S::Failed(failed) if failed.error == CANCELLED => JobEvent::Cancelled,
        S::Failed(failed) => JobEvent::Failed(failed.error),
        S::Successful(job) => {
            let locations: Result<Vec<PartitionLocation>, _> =
                job.partition_location.into_iter().map(TryInto::try_into).collect();
            match locations {
                Ok(locations) => JobEvent::Finished(locations),
                Err(error) => JobEvent::Failed(format!("the result's locations cannot be read: {error}")),
            }
        }
    })
}
