//! The frame of every binary: logs, metrics and signals around one future, and the exit code at its end.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::config::ProcessOptions;
use crate::shutdown::Shutdown;
use crate::{build_info, logging, metrics};

/// Planning recurses over expressions and plans: a thousand joins or ten thousand OR terms need more than the 2 MiB
/// threads get. Stacks are mapped, not filled: what is not used costs address space only.
const THREAD_STACK_BYTES: usize = 32 << 20;
/// How long cancelled work may take to notice. After that the process ends without it.
const FORCED_END: Duration = Duration::from_secs(5);

/// Why a process ends before it is told to.
#[derive(Debug)]
pub enum Failure {
    /// It could not start. Exit code 2.
    Start(String),
    /// It could not go on. Exit code 1.
    Run(String),
}

impl Failure {
    pub fn start(error: impl Display) -> Self {
        Self::Start(error.to_string())
    }

    pub fn run(error: impl Display) -> Self {
        Self::Run(error.to_string())
    }
}

/// Runs a process: `body` is to return soon after the shutdown it gets starts to drain.
///
/// Exit code 0 after a clean end, 2 when it could not start, 1 when it failed later or was forced to leave work behind.
pub fn run<B, F>(options: &ProcessOptions, body: B) -> ExitCode
where
    B: FnOnce(Shutdown) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    match try_run(options, body) {
        Ok(exit_code) => exit_code,
        Err(Failure::Start(sentence)) => {
            eprintln!("error: {sentence}");
            ExitCode::from(2)
        }
        Err(Failure::Run(sentence)) => {
            error!(reason = sentence, "cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn try_run<B, F>(options: &ProcessOptions, body: B) -> Result<ExitCode, Failure>
where
    B: FnOnce(Shutdown) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    logging::init(options.log_format, &options.log_level).map_err(Failure::start)?;
    // One provider for every TLS user in the process; an error means it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = metrics::install().map_err(Failure::start)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(THREAD_STACK_BYTES)
        .thread_name("arbalest")
        .enable_all()
        .build()
        .map_err(|error| Failure::Start(format!("cannot start threads: {error}")))?;

    let shutdown = Shutdown::new();
    let ended = runtime.block_on(async {
        shutdown
            .listen_for_signals(options.shutdown_grace)
            .map_err(|error| Failure::Start(format!("cannot listen for signals: {error}")))?;
        tokio::spawn(metrics.keep_up(shutdown.clone()));
        // On a thread of the runtime: this one has the stack that `ulimit -s` gives it.
        let body = tokio::spawn(body(shutdown.clone()));
        tokio::select! {
            result = body => result.unwrap_or_else(|panic| Err(Failure::Run(panic.to_string()))),
            () = forced_end(&shutdown) => {
                warn!("cancelled work did not end in time");
                Ok(())
            }
        }
    });
    runtime.shutdown_timeout(FORCED_END);
    ended?;
    if shutdown.is_forced() {
        warn!("ended, with work cancelled");
        return Ok(ExitCode::FAILURE);
    }
    info!("ended");
    Ok(ExitCode::SUCCESS)
}

async fn forced_end(shutdown: &Shutdown) {
    shutdown.forced().await;
    tokio::time::sleep(FORCED_END).await;
}

/// Prints the line that tells scripts that every listener accepts: `ready postgres=127.0.0.1:5432 …`.
pub fn announce(addresses: impl Display) -> Result<(), Failure> {
    info!(%addresses, version = build_info::VERSION, commit = build_info::COMMIT, "ready");
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", format!("ready {addresses}").trim_end())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::Start(format!("cannot write to standard output: {error}")))
}
