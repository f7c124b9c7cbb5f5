//! The whole life of `arbalest-scheduler`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use engine::Cluster;
use process::admin::{self, AdminPort};
use process::readiness::{Condition, Readiness};
use process::runtime::{self, Failure};
use process::shutdown::Shutdown;
use tokio::time::sleep;

use crate::options::ProcessConfig;
use crate::{Scheduler, metrics};

/// How often it is asked whether there are executors.
const EXECUTORS_POLL: Duration = Duration::from_millis(500);
/// Executors and servers hear of the end before the port closes.
const DRAIN_POLL: Duration = Duration::from_millis(100);

/// Serves until a signal: then until the running jobs have ended.
pub fn serve(config: ProcessConfig) -> ExitCode {
    runtime::run(&config.process.clone(), |shutdown| async move { run(config, shutdown).await })
}

async fn run(config: ProcessConfig, shutdown: Shutdown) -> Result<(), Failure> {
    let handle = process::metrics::install().map_err(Failure::start)?;
    let scheduler = Scheduler::build(config.scheduler).await.map_err(Failure::start)?;
    let readiness = Readiness::new();
    readiness.end_with(&shutdown);
    let executors = readiness.condition("executors");
    handle.add_source("scheduler", metrics::render);
    let mut web = AdminPort::bind(config.web).await.map_err(Failure::start)?;
    let mut addresses = format!("scheduler={}", scheduler.address());
    if let Some(address) = web.address() {
        addresses.push_str(&format!(" web={address}"));
    }
    web.start(admin::routes(readiness, handle));
    let cluster = scheduler.cluster();
    let idle = scheduler.idle();
    let watched = [tokio::spawn(watch(cluster, executors)), tokio::spawn(scheduler.probe())];
    runtime::announce(addresses)?;
    let ended = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.draining().await;
            while !idle() {
                sleep(DRAIN_POLL).await;
            }
        }
    };
    let served = scheduler.run(shutdown, ended).await;
    watched.iter().for_each(tokio::task::JoinHandle::abort);
    web.end().await;
    served.map_err(Failure::run)
}

/// Keeps the condition true to whether anybody could run a task.
async fn watch(cluster: Arc<dyn Cluster>, executors: Condition) {
    loop {
        match cluster.vcores().await {
            0 => executors.unmet("none is registered"),
            _ => executors.met(),
        }
        sleep(EXECUTORS_POLL).await;
    }
}
