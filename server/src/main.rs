//! `arbalest`: loads the configuration, builds the server, runs it until it is signalled.

use std::process::ExitCode;

use process::config::Sources;
use process::runtime::{self, Failure};
use server::{Server, ServerConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match ServerConfig::load(Sources::of_this_process()) {
        Ok(config) => config,
        Err(error) => return error.report(),
    };
    runtime::run(&config.process.clone(), |shutdown| async move {
        let server = tokio::select! {
            built = Server::build(config) => built.map_err(Failure::start)?,
            () = shutdown.draining() => return Ok(()),
        };
        runtime::announce(server.addresses())?;
        server.run(shutdown).await.map_err(Failure::run)
    })
}
