//! The scheduler and executor inside this process: what runs large queries unless `--scheduler` names a cluster.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Cluster, ObjectStores};
use executor::{Executor, ExecutorConfig};
use process::readiness::Readiness;
use process::shutdown::Shutdown;
use scheduler::config::RESULT_PATIENCE;
use scheduler::{Scheduler, SchedulerConfig};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::EngineSettings;
use crate::error::Error;

/// Nobody outside this machine talks to them.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Under the scratch directory: shuffle files, and what tasks spill.
const WORK_DIR: &str = "cluster";
/// The executor registers over loopback; on a machine that swaps it takes a moment.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(30);
const REGISTRATION_POLL: Duration = Duration::from_millis(2);
/// Nothing is running when they are told to end, so this is only for saying goodbye.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// The scheduler and executor with their ports bound. They do not know one another yet.
pub(crate) struct Embedded {
    scheduler: Scheduler,
    executor: Executor,
}

/// The running scheduler and executor. Dropping it ends both.
pub(crate) struct RunningEmbedded {
    /// Not the process's: they serve until the front ends have drained.
    shutdown: Shutdown,
    executor: JoinHandle<Result<(), executor::Error>>,
    scheduler: JoinHandle<Result<(), scheduler::Error>>,
}

impl Embedded {
    /// Binds loopback ports that the operating system picks. `scratch_dir` is this process's own; what is written there
    /// goes with the process.
    pub(crate) async fn build(
        settings: &EngineSettings,
        memory_bytes: usize,
        scratch_dir: &Path,
        object_stores: Arc<ObjectStores>,
    ) -> Result<Self, Error> {
        let (jobs_max, result_patience) = (usize::MAX, RESULT_PATIENCE);
        let config = SchedulerConfig { listen: LOOPBACK, port: 0, jobs_max, result_patience };
        let scheduler = Scheduler::build(config).await?;
        let executor = Executor::build(ExecutorConfig {
            scheduler: format!("http://{}", scheduler.address()),
            listen: LOOPBACK,
            port: 0,
            advertise_host: None,
            advertise_port: None,
            work_dir: scratch_dir.join(WORK_DIR),
            vcores: settings.vcores,
            memory_bytes,
            object_stores,
        })
        .await?;
        Ok(Self { scheduler, executor })
    }

    /// Where the engine submits jobs.
    pub(crate) fn cluster(&self) -> Arc<dyn Cluster> {
        self.scheduler.cluster()
    }

    /// Starts both and waits until one knows the other.
    pub(crate) async fn start(self) -> Result<RunningEmbedded, Error> {
        let cluster = self.cluster();
        let Self { scheduler, executor } = self;
        let shutdown = Shutdown::new();
        let executor_ended = CancellationToken::new();
        let scheduler = tokio::spawn(scheduler.run(shutdown.clone(), executor_ended.clone().cancelled_owned()));
        let executor = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                // The executor takes its leave at the scheduler, which therefore ends after it, whatever happens.
                let _executor_ended = executor_ended.drop_guard();
                executor.run(shutdown, Readiness::new().condition("scheduler")).await
            }
        });
        let mut running = RunningEmbedded { shutdown, executor, scheduler };
        tokio::select! {
            error = running.ended_early() => return Err(error),
            registered = timeout(REGISTRATION_TIMEOUT, executor_registered(cluster)) => {
                registered.map_err(|_| Error::Embedded { reason: "the executor did not register".into() })?;
            }
        }
        Ok(running)
    }
}

impl RunningEmbedded {
    /// Waits for either to end by itself, which is an error: the server would go on with half of its queries failing.
    pub(crate) async fn ended_early(&mut self) -> Error {
        let reason = tokio::select! {
            ended = &mut self.executor => why("executor", ended),
            ended = &mut self.scheduler => why("scheduler", ended),
        };
        Error::Embedded { reason }
    }

    /// Ends both: the front ends have drained, so nothing is running that anyone waits for.
    pub(crate) async fn end(mut self) {
        self.shutdown.start_drain();
        let ended = async {
            // One that ended early was seen to.
            if !self.executor.is_finished() {
                let reason = why("executor", (&mut self.executor).await);
                debug!(reason, "drained");
            }
            if !self.scheduler.is_finished() {
                let reason = why("scheduler", (&mut self.scheduler).await);
                debug!(reason, "drained");
            }
        };
        if timeout(END_TIMEOUT, ended).await.is_err() {
            warn!("the embedded scheduler and executor did not end in time");
            self.shutdown.force();
        }
    }
}

impl Drop for RunningEmbedded {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

async fn executor_registered(cluster: Arc<dyn Cluster>) {
    while cluster.vcores().await == 0 {
        sleep(REGISTRATION_POLL).await;
    }
}

fn why<E: Display>(name: &str, ended: Result<Result<(), E>, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => format!("the {name} ended"),
        Ok(Err(error)) => format!("the {name} ended: {error}"),
        Err(panic) => format!("the {name} ended: {panic}"),
    }
}
