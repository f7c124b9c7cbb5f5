//! Ballista's executor with our engine: runs the tasks that a scheduler pushes, keeps their shuffle files, serves them.
//!
//! One port serves both the scheduler's calls and the reads of shuffle files. `ballista-executor`'s own process loop is
//! not used: it needs ports chosen beforehand, catches the process's signals itself, and allows one executor a process.

pub mod config;
mod error;
mod failure;
mod garbage;
mod heartbeat;
mod metrics;
mod options;
mod resources;
mod serve;
mod service;
mod settings;
mod stage;
mod status;
mod task;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use ballista_core::BALLISTA_PROTOCOL_VERSION;
use ballista_core::serde::protobuf::executor_grpc_server::ExecutorGrpcServer;
use ballista_core::serde::protobuf::executor_resource::Resource;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    ExecutorOperatingSystemSpecification, ExecutorRegistration, ExecutorResource, ExecutorSpecification,
    ExecutorStoppedParams, RegisterExecutorParams,
};
use ballista_executor::flight_service::BallistaFlightService;
use engine::{MESSAGE_BYTES_MAX, SLOTS_PER_VCORE};
use process::readiness::Condition;
use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::transport::server::TcpIncoming;
use tracing::{info, warn};
use uuid::Uuid;

pub use config::ExecutorConfig;
pub use error::Error;
pub use options::ProcessConfig;
pub use serve::serve;

use service::TaskService;
use status::StatusReporter;
use task::TaskRunner;

const REGISTRATION_RETRY: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The scheduler answers everything at once, or not at all.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How often an executor that is to end looks whether its files are still needed.
const JOBS_POLL: Duration = Duration::from_millis(50);

/// HTTP/2 windows large enough that a reader of shuffle files is not held back by round trips.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// An executor whose port is bound and whose directory is empty. It knows no scheduler yet.
pub struct Executor {
    config: ExecutorConfig,
    listener: TcpListener,
    address: SocketAddr,
    runner: Arc<TaskRunner>,
    registration: ExecutorRegistration,
}

impl Executor {
    /// Binds the port, empties the work directory, starts the threads that run tasks.
    pub async fn build(config: ExecutorConfig) -> Result<Self, Error> {
        engine::sweep_directory(&config.work_dir)
            .map_err(|source| Error::WorkDir { path: config.work_dir.clone(), source })?;
        let listen = SocketAddr::new(config.listen, config.port);
        let listener = TcpListener::bind(listen).await.map_err(|source| Error::Bind { address: listen, source })?;
        let address = listener.local_addr().map_err(|source| Error::Bind { address: listen, source })?;
        let advertised_port = u32::from(config.advertise_port.unwrap_or(address.port()));
        let registration = ExecutorRegistration {
            // A scheduler refuses an id it still knows, so that every start has its own.
            id: Uuid::new_v4().to_string(),
            host: Some(config.advertised_host()),
            port: advertised_port,
            grpc_port: advertised_port,
            specification: Some(ExecutorSpecification {
                resources: vec![ExecutorResource { resource: Some(Resource::Vcores(slots(&config) as u32)) }],
            }),
            os_info: Some(ExecutorOperatingSystemSpecification::default()),
            ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
        };
        let runner = Arc::new(TaskRunner::new(&config, registration.clone())?);
        Ok(Self { config, listener, address, runner, registration })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> &str {
        &self.registration.id
    }

    /// Registers with the scheduler and runs tasks until `shutdown` drains and the running tasks have ended. `answers`
    /// holds while the scheduler answers.
    pub async fn run(self, shutdown: Shutdown, answers: Condition) -> Result<(), Error> {
        let tasks = Tasks::new();
        let stop_serving = CancellationToken::new();
        let Self { config, listener, address, runner, registration } = self;
        listen(listener, Arc::clone(&runner), &config, &tasks, stop_serving.clone());
        let channel = connect(&config.scheduler)?;
        let scheduler = SchedulerGrpcClient::new(channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        runner.report_to(StatusReporter::start(&tasks, scheduler.clone(), registration.id.clone()));
        match register(scheduler.clone(), &registration, &shutdown, &answers).await {
            Ok(true) => {}
            ended => {
                stop_serving.cancel();
                return ended.map(drop);
            }
        }
        answers.met();
        info!(executor_id = %registration.id, %address, vcores = config.vcores, "executor registered");
        let heartbeat = heartbeat::start(&tasks, scheduler.clone(), registration.clone(), shutdown.clone(), answers);
        let garbage = garbage::start(&tasks, channel, config.work_dir.clone());
        shutdown.draining().await;
        let drained = async {
            runner.drained().await;
            no_jobs(&config.work_dir).await;
        };
        tokio::select! {
            () = drained => {}
            () = shutdown.forced() => warn!("executor stops with tasks running, or with files that queries have not read"),
        }
        // Otherwise the last heartbeat could come after the goodbye.
        garbage.abort();
        heartbeat.abort();
        let _ = heartbeat.await;
        let goodbye = ExecutorStoppedParams { executor_id: registration.id.clone(), reason: "shut down".into() };
        if let Err(status) = scheduler.clone().executor_stopped(goodbye).await {
            warn!(%status, "cannot tell the scheduler that this executor stops");
        }
        stop_serving.cancel();
        Ok(())
    }
}

/// Ends when no query needs what its tasks have left here: the directory of a job goes when its rows were read.
async fn no_jobs(work_dir: &Path) {
    while !garbage::jobs(work_dir).await.is_empty() {
        tokio::time::sleep(JOBS_POLL).await;
    }
}

/// Tasks that run at a time.
pub(crate) fn slots(config: &ExecutorConfig) -> usize {
    config.vcores.saturating_mul(SLOTS_PER_VCORE)
}

/// Answers the scheduler and readers of shuffle files until `stop`.
fn listen(
    listener: TcpListener,
    runner: Arc<TaskRunner>,
    config: &ExecutorConfig,
    tasks: &Tasks,
    stop: CancellationToken,
) {
    let task_service = ExecutorGrpcServer::new(TaskService::new(runner, config.work_dir.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let flight = FlightServiceServer::new(BallistaFlightService::new(config.work_dir.display().to_string()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    // The builder's own setting is for listeners it binds itself. Without it every answer waits 40 ms for an ACK.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(task_service)
        .add_service(flight);
    tasks.spawn("executor port", async move {
        let served = server.serve_with_incoming_shutdown(incoming, stop.cancelled()).await;
        if let Err(error) = served {
            warn!(%error, "executor port closed");
        }
    });
}

fn connect(scheduler: &str) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(scheduler.to_owned())
        .map_err(|source| Error::SchedulerUrl { url: scheduler.to_owned(), source })?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .tcp_nodelay(true);
    Ok(engine::watched(endpoint).connect_lazy())
}

/// Tries until the scheduler, which may not have started yet, takes this executor; `false` if `shutdown` drains before.
async fn register(
    mut scheduler: SchedulerGrpcClient<Channel>,
    registration: &ExecutorRegistration,
    shutdown: &Shutdown,
    answers: &Condition,
) -> Result<bool, Error> {
    let mut has_warned = false;
    loop {
        let params = RegisterExecutorParams { metadata: Some(registration.clone()) };
        let status = match scheduler.register_executor(params).await {
            Ok(response) if response.get_ref().success => return Ok(true),
            Ok(_) => tonic::Status::internal("the scheduler refused"),
            Err(status) => status,
        };
        // Another version of the scheduler stays another version.
        if status.code() == tonic::Code::FailedPrecondition {
            return Err(Error::Register { status: Box::new(status) });
        }
        if !std::mem::replace(&mut has_warned, true) {
            warn!(%status, "cannot register, will try again until the scheduler answers");
        }
        answers.unmet(format!("it does not take this executor: {}", status.message()));
        tokio::select! {
            () = tokio::time::sleep(REGISTRATION_RETRY) => {}
            () = shutdown.draining() => return Ok(false),
        }
    }
}
