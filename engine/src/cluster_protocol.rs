//! What servers and executors and a scheduler of its own process say to each other over gRPC, beside Ballista's calls.
//!
//! Ballista's own calls are not enough: they name a job only once it runs, so that one which waits for an executor cannot
//! be cancelled; they forget to cancel the jobs of a server that is gone; and they do not tell what the cluster has.

use ballista_core::serde::protobuf::{JobStatus, KeyValuePair, job_status};
use ballista_core::serde::scheduler::PartitionLocation;
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::cluster::JobEvent;
use crate::config::MESSAGE_BYTES_MAX;

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

/// The scheduler at the other end of a channel.
pub fn client(channel: Channel) -> tonic::client::Grpc<Channel> {
    tonic::client::Grpc::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// A call with one answer.
pub async fn call<Q, A>(channel: Channel, path: &'static str, question: Q) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut client = client(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = client.unary(Request::new(question), PathAndQuery::from_static(path), ProstCodec::default()).await?;
    Ok(answer.into_inner())
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
