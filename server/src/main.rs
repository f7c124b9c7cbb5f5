//! `arbalest`: loads the configuration and serves until it is signalled.

use std::process::ExitCode;

use process::config::Sources;
use server::ServerConfig;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match ServerConfig::load(Sources::of_this_process()) {
        Ok(config) => server::serve(config),
        Err(error) => error.report(),
    }
}
