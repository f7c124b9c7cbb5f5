//! `arbalest-scheduler`: loads the configuration and schedules until it is signalled.

use std::process::ExitCode;

use process::config::Sources;
use scheduler::ProcessConfig;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match ProcessConfig::load(Sources::of_this_process()) {
        Ok(config) => scheduler::serve(config),
        Err(error) => error.report(),
    }
}
