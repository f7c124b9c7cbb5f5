//! The scheduler as servers of other processes see it: `engine::cluster_protocol` over gRPC.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ballista_core::extension::SessionConfigHelperExt;
use ballista_core::serde::protobuf::{JobStatus, job_status};
use datafusion::prelude::SessionContext;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use engine::cluster_protocol::{self as protocol, ClusterState, Done, JobReference, JobReferences, JobUpdate, SubmitJob};
use engine::{Cluster, JobId, MESSAGE_BYTES_MAX};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use metrics::gauge;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tracing::{info, warn};

use crate::Ballista;
use crate::cluster::{InProcessCluster, STATUSES_MAX};
use crate::leases::Leases;
use crate::losses::{Losses, lost};

/// How long a query waits for a first executor, which may be about to start.
const EXECUTOR_PATIENCE: Duration = Duration::from_secs(10);
const EXECUTOR_POLL: Duration = Duration::from_millis(100);

/// Takes jobs, tells how they go, cancels and forgets them.
#[derive(Clone)]
pub(crate) struct ClusterService {
    server: Ballista,
    cluster: Arc<InProcessCluster>,
    losses: Arc<Losses>,
    leases: Arc<Leases>,
    /// How many jobs wait or run now, and may.
    jobs: Arc<AtomicUsize>,
    jobs_max: usize,
}

impl ClusterService {
    pub(crate) fn new(
        server: Ballista,
        cluster: Arc<InProcessCluster>,
        losses: Arc<Losses>,
        leases: Arc<Leases>,
        jobs_max: usize,
    ) -> Self {
        Self { server, cluster, losses, leases, jobs: Arc::default(), jobs_max }
    }

    async fn submit(&self, job: SubmitJob) -> Result<BoxStream<'static, Result<JobUpdate, Status>>, Status> {
        let counted = Counted::new(&self.jobs);
        if counted.number > self.jobs_max {
            let message = format!("{} queries wait or run, and no more may; try again later", self.jobs_max);
            return Err(Status::resource_exhausted(message));
        }
        let with_executors = async {
            while self.cluster.vcores().await == 0 {
                sleep(EXECUTOR_POLL).await;
            }
        };
        if timeout(EXECUTOR_PATIENCE, with_executors).await.is_err() {
            return Err(Status::failed_precondition("it has no executors"));
        }
        let config = engine::cluster_session_config().update_from_key_value_pair(&job.settings);
        let state = engine::cluster_session_state(config, None).map_err(|error| Status::internal(error.to_string()))?;
        let context = Arc::new(SessionContext::new_with_state(state));
        let plan = PhysicalPlanNode::decode(job.plan.as_slice())
            .map_err(|error| Status::invalid_argument(format!("the plan cannot be read: {error}")))?
            .try_into_physical_plan(context.task_ctx().as_ref(), engine::physical_codec().as_ref())
            .map_err(|error| Status::invalid_argument(format!("the plan cannot be read: {error}")))?;
        let (statuses, received) = mpsc::channel(STATUSES_MAX);
        let job_id = self
            .server
            .submit_physical_plan(&job.name, context, plan, Some(statuses))
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?
            .to_string();
        self.leases.submitted(&job_id);
        let updates = Updates {
            job_id: job_id.clone(),
            statuses: received,
            cluster: Arc::clone(&self.cluster),
            losses: Arc::clone(&self.losses),
            leases: Arc::clone(&self.leases),
            changes: self.losses.changes(),
            ended: false,
            given_up: false,
            _counted: counted,
        };
        let updates = stream::unfold(updates, |mut updates| async move { updates.next().await.map(|update| (Ok(update), updates)) });
        let first = JobUpdate { job_id, status: None };
        Ok(stream::once(async move { Ok(first) }).chain(updates).boxed())
    }

    async fn cancel(self, job: JobReference) -> Result<Done, Status> {
        self.cluster.cancel(&JobId(job.job_id)).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Done {})
    }

    async fn clean(self, job: JobReference) -> Result<Done, Status> {
        self.cluster.clean(&JobId(job.job_id)).await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Done {})
    }

    async fn renew(self, jobs: JobReferences) -> Result<Done, Status> {
        self.leases.renew(jobs.job_ids);
        Ok(Done {})
    }

    async fn unwanted(self, jobs: JobReferences) -> Result<JobReferences, Status> {
        Ok(JobReferences { job_ids: self.leases.unwanted(jobs.job_ids) })
    }

    async fn state(self, _: Done) -> Result<ClusterState, Status> {
        Ok(self.cluster.state().await)
    }
}

/// One of the jobs that wait or run, until it is dropped.
struct Counted {
    jobs: Arc<AtomicUsize>,
    /// How many there were with this one.
    number: usize,
}

impl Counted {
    fn new(jobs: &Arc<AtomicUsize>) -> Self {
        gauge!("arbalest_scheduler_jobs").increment(1.0);
        Self { number: jobs.fetch_add(1, Ordering::Relaxed) + 1, jobs: Arc::clone(jobs) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("arbalest_scheduler_jobs").decrement(1.0);
        self.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The statuses of a job. Dropped before the last, as when its server is gone, they cancel it.
struct Updates {
    job_id: String,
    statuses: mpsc::Receiver<JobStatus>,
    cluster: Arc<InProcessCluster>,
    losses: Arc<Losses>,
    leases: Arc<Leases>,
    changes: watch::Receiver<()>,
    /// The job has ended.
    ended: bool,
    /// It goes on, and nobody wants its result.
    given_up: bool,
    _counted: Counted,
}

impl Updates {
    async fn next(&mut self) -> Option<JobUpdate> {
        if self.given_up {
            return None;
        }
        loop {
            let status = tokio::select! {
                Ok(()) = self.changes.changed() => {
                    if !self.losses.has_lost(&self.job_id) {
                        continue;
                    }
                    self.given_up = true;
                    lost(&self.job_id)
                }
                status = self.statuses.recv() => {
                    let status = status?;
                    if is_last(&status) {
                        self.ended = true;
                        self.leases.ended(&self.job_id);
                    }
                    self.losses.checked(&self.job_id, status)
                }
            };
            return Some(JobUpdate { job_id: self.job_id.clone(), status: Some(status) });
        }
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        // Outside a runtime the process is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.ended {
            return;
        }
        let (cluster, id) = (Arc::clone(&self.cluster), JobId(self.job_id.clone()));
        let mut statuses = std::mem::replace(&mut self.statuses, mpsc::channel(1).1);
        runtime.spawn(async move {
            info!(job_id = %id, "nobody waits for this job any more, it is cancelled");
            if let Err(error) = cluster.cancel(&id).await {
                warn!(job_id = %id, %error, "cannot cancel job");
            }
            while statuses.recv().await.is_some_and(|status| !is_last(&status)) {}
            if let Err(error) = cluster.clean(&id).await {
                warn!(job_id = %id, %error, "cannot remove the files of a cancelled job");
            }
        });
    }
}

fn is_last(status: &JobStatus) -> bool {
    matches!(status.status, Some(job_status::Status::Failed(_) | job_status::Status::Successful(_)))
}

type Handler<Q, A> = fn(ClusterService, Q) -> BoxFuture<'static, Result<A, Status>>;

/// A call with one answer.
struct Unary<Q, A>(ClusterService, Handler<Q, A>);

impl<Q: Send + 'static, A: Send + 'static> UnaryService<Q> for Unary<Q, A> {
    type Response = A;
    type Future = BoxFuture<'static, Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = self.1(self.0.clone(), request.into_inner());
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

struct Submit(ClusterService);

impl ServerStreamingService<SubmitJob> for Submit {
    type Response = JobUpdate;
    type ResponseStream = BoxStream<'static, Result<JobUpdate, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<SubmitJob>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.submit(request.into_inner()).await.map(Response::new) })
    }
}

impl NamedService for ClusterService {
    const NAME: &'static str = protocol::SERVICE;
}

impl Service<http::Request<Body>> for ClusterService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                protocol::SUBMIT => grpc().server_streaming(Submit(service), request).await,
                protocol::CANCEL => unary(service, request, |service, job| service.cancel(job).boxed()).await,
                protocol::CLEAN => unary(service, request, |service, job| service.clean(job).boxed()).await,
                protocol::RENEW => unary(service, request, |service, jobs| service.renew(jobs).boxed()).await,
                protocol::UNWANTED => unary(service, request, |service, jobs| service.unwanted(jobs).boxed()).await,
                protocol::STATE => unary(service, request, |service, question| service.state(question).boxed()).await,
                path => Status::unimplemented(format!("there is no {path}")).into_http(),
            })
        })
    }
}

async fn unary<Q, A>(service: ClusterService, request: http::Request<Body>, handler: Handler<Q, A>) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    grpc().unary(Unary(service, handler), request).await
}

fn grpc<Q: Message + Default + 'static, A: Message + 'static>() -> Grpc<ProstCodec<A, Q>> {
    Grpc::new(ProstCodec::default())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}
