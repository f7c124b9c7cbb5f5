//! A scheduler in a process of its own as a [`Cluster`].

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::extension::SessionConfigHelperExt;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::cluster::{Cluster, JobEvent, JobId, JobSubmission, PartitionFetcher};
use crate::cluster_protocol::{
    self as protocol, CANCEL, CLEAN, ClusterState, Done, JobReference, JobReferences, JobUpdate, RENEW, STATE, SUBMIT, SubmitJob, event_of,
};
use crate::codec::physical_codec;
use crate::endpoint::watched;
use crate::error::{Error, Result};
use crate::fetcher::PooledFetcher;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A call that is not a stream is answered at once, or not at all.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long what is known of the executors is good enough to plan with.
const STATE_LIFE: Duration = Duration::from_secs(1);
/// How often the scheduler is told which results are still read, several times as often as it must be.
const RENEWAL: Duration = Duration::from_secs(3);
/// Updates of one job that nobody has looked at yet.
const UPDATES_MAX: usize = 64;

/// A scheduler at a URL. Connections are made at first use, and again when they break.
#[derive(Debug)]
pub struct RemoteCluster {
    calls: Calls,
    fetcher: Arc<PooledFetcher>,
    state: Mutex<Option<(Instant, ClusterState)>>,
    /// Jobs that were submitted and whose files are not removed.
    jobs: Arc<Mutex<HashSet<String>>>,
}

/// Calls of the scheduler.
#[derive(Clone, Debug)]
struct Calls {
    url: String,
    channel: Channel,
}

impl RemoteCluster {
    /// `url`: `http://host:port`. Must be called inside a runtime.
    pub fn new(url: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| Error::Unreachable { peer: peer(url), message: error.to_string() })?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let calls = Calls { url: url.to_owned(), channel: watched(endpoint).connect_lazy() };
        let jobs = Arc::default();
        tokio::spawn(renew(calls.clone(), Arc::downgrade(&jobs)));
        Ok(Self { calls, fetcher: Arc::default(), state: Mutex::default(), jobs })
    }

    /// What the cluster has now.
    pub async fn state(&self) -> Result<ClusterState> {
        let known = self.state.lock().clone();
        if let Some((_, state)) = known.filter(|(at, _)| at.elapsed() < STATE_LIFE) {
            return Ok(state);
        }
        let state: ClusterState = self.calls.call(STATE, Done {}).await?;
        *self.state.lock() = Some((Instant::now(), state.clone()));
        Ok(state)
    }
}

impl Calls {
    async fn call<Q, A>(&self, path: &'static str, question: Q) -> Result<A>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        match timeout(CALL_TIMEOUT, protocol::call(self.channel.clone(), path, question)).await {
            Ok(answer) => answer.map_err(|status| self.error(&status)),
            Err(_) => Err(self.error(&Status::deadline_exceeded("it does not answer"))),
        }
    }

    async fn stream(&self, job: SubmitJob) -> Result<Streaming<JobUpdate>, Status> {
        let mut grpc = protocol::client(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let updates =
            grpc.server_streaming(Request::new(job), PathAndQuery::from_static(SUBMIT), ProstCodec::default()).await?;
        Ok(updates.into_inner())
    }

    fn error(&self, status: &Status) -> Error {
        match status.code() {
            Code::ResourceExhausted => Error::QueueFull { message: status.message().to_owned() },
            Code::FailedPrecondition => Error::NoExecutors { message: status.message().to_owned() },
            _ => Error::Unreachable { peer: peer(&self.url), message: status.message().to_owned() },
        }
    }
}

fn peer(url: &str) -> String {
    format!("the scheduler at {url}")
}

#[async_trait]
impl Cluster for RemoteCluster {
    async fn submit(&self, submission: JobSubmission) -> Result<(JobId, mpsc::Receiver<JobEvent>)> {
        let JobSubmission { name, context, plan } = submission;
        let plan = PhysicalPlanNode::try_from_physical_plan(plan, physical_codec().as_ref())?.encode_to_vec();
        let settings = context.copied_config().to_key_value_pairs();
        let mut updates =
            self.calls.stream(SubmitJob { name, settings, plan }).await.map_err(|status| self.calls.error(&status))?;
        let first = updates.message().await.map_err(|status| self.calls.error(&status))?.ok_or(Error::JobLost)?;
        self.jobs.lock().insert(first.job_id.clone());
        let (events, job_events) = mpsc::channel(UPDATES_MAX);
        tokio::spawn(forward(updates, events));
        Ok((JobId(first.job_id), job_events))
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        self.calls.call::<_, Done>(CANCEL, JobReference { job_id: job.0.clone() }).await.map(drop)
    }

    async fn clean(&self, job: &JobId) -> Result<()> {
        self.jobs.lock().remove(&job.0);
        self.calls.call::<_, Done>(CLEAN, JobReference { job_id: job.0.clone() }).await.map(drop)
    }

    fn is_embedded(&self) -> bool {
        false
    }

    async fn vcores(&self) -> usize {
        // A plan for one core is a plan; whether anybody runs it is said when it is submitted.
        self.state().await.map_or(1, |state| state.vcores as usize)
    }

    fn fetcher(&self) -> Arc<dyn PartitionFetcher> {
        Arc::clone(&self.fetcher) as Arc<dyn PartitionFetcher>
    }
}

/// Tells the scheduler which results are still read, for as long as the cluster is there.
async fn renew(calls: Calls, jobs: Weak<Mutex<HashSet<String>>>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let Some(jobs) = jobs.upgrade() else { return };
        let job_ids: Vec<String> = jobs.lock().iter().cloned().collect();
        if job_ids.is_empty() {
            continue;
        }
        // The next one is better than a late one.
        match timeout(RENEWAL, calls.call::<_, Done>(RENEW, JobReferences { job_ids })).await {
            Ok(Ok(Done {})) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the scheduler cannot be told which results are read"),
            Err(_) => tracing::debug!("the scheduler does not answer who tells it which results are read"),
        }
    }
}

/// Updates as events until the job ends, nobody listens, or the scheduler is gone.
async fn forward(mut updates: Streaming<JobUpdate>, events: mpsc::Sender<JobEvent>) {
    loop {
        let update = tokio::select! {
            update = updates.message() => update,
            () = events.closed() => return,
        };
        match update {
            Ok(Some(update)) => {
                let Some(event) = update.status.and_then(event_of) else { continue };
                let is_last = event.is_terminal();
                if events.send(event).await.is_err() || is_last {
                    return;
                }
            }
            Ok(None) => return,
            Err(status) => {
                tracing::warn!(%status, "the scheduler broke off while a job ran");
                return;
            }
        }
    }
}
