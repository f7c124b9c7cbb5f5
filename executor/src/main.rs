//! `arbalest-executor`: loads the configuration and runs tasks until it is signalled.

use std::process::ExitCode;

use executor::ProcessConfig;
use process::config::Sources;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match ProcessConfig::load(Sources::of_this_process()) {
        Ok(config) => executor::serve(config),
        Err(error) => error.report(),
    }
}
