//! The whole life of `arbalest-executor`.

use std::process::ExitCode;

use engine::ObjectStores;
use process::admin::{self, AdminPort};
use process::data_dir::ScratchDir;
use process::readiness::Readiness;
use process::resident;
use process::runtime::{self, Failure};
use process::shutdown::Shutdown;

use crate::options::ProcessConfig;
use crate::{Executor, ExecutorConfig};

/// Runs tasks until a signal: then until the running ones have ended.
pub fn serve(config: ProcessConfig) -> ExitCode {
    runtime::run(&config.process.clone(), |shutdown| async move { run(config, shutdown).await })
}

async fn run(config: ProcessConfig, shutdown: Shutdown) -> Result<(), Failure> {
    let handle = process::metrics::install().map_err(Failure::start)?;
    let allowance = resident::allowance(config.memory_bytes, config.cache_bytes);
    resident::hold_down(allowance).map_err(Failure::start)?;
    // Several executors may share a parent; what those that are gone have left there is removed.
    let scratch_dir = ScratchDir::create(&config.work_dir)
        .map_err(|error| Failure::Start(format!("{error}; choose another with --work-dir")))?;
    let executor = Executor::build(ExecutorConfig {
        scheduler: config.scheduler,
        listen: config.listen,
        port: config.port,
        advertise_host: config.advertise_host,
        advertise_port: config.advertise_port,
        work_dir: scratch_dir.path().join("work"),
        vcores: config.vcores,
        memory_bytes: usize::try_from(config.memory_bytes).unwrap_or(usize::MAX),
        object_stores: ObjectStores::new(config.secrets, config.cache_bytes),
    })
    .await
    .map_err(Failure::start)?;
    let readiness = Readiness::new();
    readiness.end_with(&shutdown);
    let scheduler = readiness.condition("scheduler");
    let mut web = AdminPort::bind(config.web).await.map_err(Failure::start)?;
    let mut addresses = format!("executor={}", executor.address());
    if let Some(address) = web.address() {
        addresses.push_str(&format!(" web={address}"));
    }
    web.start(admin::routes(readiness, handle));
    runtime::announce(addresses)?;
    let ran = executor.run(shutdown, scheduler).await;
    web.end().await;
    ran.map_err(Failure::run)
}
