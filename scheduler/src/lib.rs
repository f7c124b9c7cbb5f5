//! Ballista's scheduler with our engine: cuts plans into stages, sends tasks to executors, retries what was lost.

mod cluster;
mod cluster_service;
pub mod config;
mod error;
mod executors;
mod fairness;
mod leases;
mod losses;
pub mod metrics;
mod options;
mod probe;
mod serve;
mod watchdog;
mod watched_state;

use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::serde::BallistaCodec;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_scheduler::cluster::{BallistaCluster, ClusterState};
use ballista_scheduler::metrics::default_metrics_collector;
use ballista_scheduler::scheduler_server::SchedulerServer;
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use engine::{Cluster, MESSAGE_BYTES_MAX};
use process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use config::SchedulerConfig;
pub use error::Error;
pub use options::ProcessConfig;
pub use serve::serve;

use cluster::InProcessCluster;
use cluster_service::ClusterService;
use executors::{Executors, Unreachable};
use fairness::FairShares;
use leases::Leases;
use losses::Losses;
use watched_state::WatchedState;

pub(crate) type Ballista = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// A scheduler whose port is bound and whose event loop runs. It has no executors yet.
pub struct Scheduler {
    listener: TcpListener,
    address: SocketAddr,
    server: Ballista,
    state: Arc<WatchedState>,
    losses: Arc<Losses>,
    leases: Arc<Leases>,
    executors: Arc<Executors>,
    unreachable: Arc<Unreachable>,
    cluster: Arc<InProcessCluster>,
    jobs_max: usize,
}

impl Scheduler {
    /// Binds the port and starts the event loop.
    pub async fn build(config: SchedulerConfig) -> Result<Self, Error> {
        let listen = SocketAddr::new(config.listen, config.port);
        let listener = TcpListener::bind(listen).await.map_err(|source| Error::Bind { address: listen, source })?;
        let address = listener.local_addr().map_err(|source| Error::Bind { address: listen, source })?;
        let unreachable = Arc::new(Unreachable::default());
        let policy = Arc::new(FairShares::new(Arc::clone(&unreachable)));
        let ballista_config = Arc::new(config.ballista(address.port(), Arc::clone(&policy)));
        let memory = BallistaCluster::new_memory(
            ballista_config.scheduler_id.clone(),
            Arc::new(|config: SessionConfig| engine::cluster_session_state(config, None)),
            Arc::new(engine::cluster_session_config),
        );
        let state = Arc::new(WatchedState::new(memory.cluster_state(), Arc::clone(&unreachable)));
        let cluster = BallistaCluster::new(Arc::clone(&state) as Arc<dyn ClusterState>, memory.job_state());
        policy.set_cluster(Arc::clone(&state) as Arc<dyn ClusterState>);
        let mut server = Ballista::new(
            ballista_config.scheduler_endpoint(),
            cluster,
            BallistaCodec::new(engine::logical_codec(), engine::physical_codec()),
            ballista_config,
            default_metrics_collector()?,
        );
        server.init().await?;
        let losses = Arc::new(Losses::new(Arc::clone(&policy)));
        tokio::spawn(Arc::clone(&losses).watch(server.cluster_state_events().await?));
        let executors = Arc::new(Executors::new(Arc::clone(&state) as Arc<dyn ClusterState>));
        let leases = Arc::new(Leases::new(config.result_patience));
        let cluster =
            InProcessCluster::new(server.clone(), Arc::clone(&executors), policy, Arc::clone(&losses), Arc::clone(&leases));
        let (cluster, jobs_max) = (Arc::new(cluster), config.jobs_max);
        Ok(Self { listener, address, server, state, losses, leases, executors, unreachable, cluster, jobs_max })
    }

    /// Where executors register.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// This scheduler for a server in the same process: plans need not be serialised.
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        Arc::clone(&self.cluster) as Arc<dyn Cluster>
    }

    /// Removes executors as soon as their ports are closed or silent. Does not end.
    pub(crate) fn probe(&self) -> impl Future<Output = ()> + Send + 'static {
        probe::run(Arc::clone(&self.executors), Arc::clone(&self.unreachable))
    }

    /// Tells whether no job waits or runs.
    pub(crate) fn idle(&self) -> impl Fn() -> bool + Send + 'static {
        let server = self.server.clone();
        move || server.pending_job_number() + server.running_job_number() == 0
    }

    /// Answers executors and servers until `shutdown` is forced or `ended` completes. Fails when scheduling has stopped: only
    /// another process can help.
    pub async fn run(self, shutdown: Shutdown, ended: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let leases = Arc::clone(&self.leases);
        let servers =
            ClusterService::new(self.server.clone(), Arc::clone(&self.cluster), self.losses, self.leases, self.jobs_max);
        let leases = leases.enforce(Arc::clone(&self.cluster));
        let (interval, patience) = (watchdog::INTERVAL, watchdog::PATIENCE);
        let stopped = watchdog::run(self.server.clone(), Arc::clone(&self.cluster), self.state, interval, patience);
        let idle = metrics::while_idle(self.server.clone(), self.cluster);
        let service = SchedulerGrpcServer::new(self.server)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let stop = async move {
            tokio::select! {
                () = shutdown.forced() => {}
                () = ended => {}
            }
        };
        // The builder's own setting is for listeners it binds itself. Without it every answer waits 40 ms for an ACK.
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let served = Server::builder()
            .add_service(service)
            .add_service(servers)
            .serve_with_incoming_shutdown(incoming, stop);
        tokio::select! {
            served = served => served.map_err(|source| Error::Serve { address: self.address, source }),
            () = stopped => Err(Error::Stopped),
            () = idle => Ok(()),
            () = leases => Ok(()),
        }
    }
}
