//! How a process ends: a drain that lets running work finish, then force.
//!
//! The first Ctrl-C or SIGTERM starts the drain. A second one, or the end of the grace period, forces: whatever still
//! runs is cancelled. Everything that waits in this process also waits on one of the two.

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The state of this process's end, shared by clones.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    force: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// No new work from now on; running work may finish.
    pub fn start_drain(&self) {
        self.drain.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Ends when the drain starts; at once when it has started already.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Running work is cancelled. Starts the drain too, if nobody did.
    pub fn force(&self) {
        self.drain.cancel();
        self.force.cancel();
    }

    pub fn is_forced(&self) -> bool {
        self.force.is_cancelled()
    }

    /// Ends when running work is to be cancelled.
    pub async fn forced(&self) {
        self.force.cancelled().await;
    }

    /// Ties this shutdown to Ctrl-C and SIGTERM, and to the grace period: `grace` after the drain started, for whatever
    /// reason it started, it is forced. Must be called inside a runtime.
    pub fn listen_for_signals(&self, grace: Duration) -> io::Result<()> {
        let mut signals = Signals::install()?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                signal = signals.next() => {
                    info!(signal, grace_ms = grace.as_millis() as u64, "draining; a second signal ends at once");
                    shutdown.start_drain();
                }
                () = shutdown.draining() => {}
            }
            tokio::select! {
                signal = signals.next() => warn!(signal, "second signal, running statements are cancelled"),
                () = tokio::time::sleep(grace) => warn!("grace period is over, running statements are cancelled"),
                () = shutdown.forced() => {}
            }
            shutdown.force();
            let signal = signals.next().await;
            warn!(signal, "third signal, not waiting any longer");
            std::process::exit(1);
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn force_starts_the_drain_too() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_draining());
        shutdown.clone().force();
        shutdown.draining().await;
        shutdown.forced().await;
        assert!(shutdown.is_draining() && shutdown.is_forced());
    }

    #[tokio::test]
    async fn the_grace_period_ends_in_force() {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals(Duration::from_millis(20)).unwrap();
        assert!(!shutdown.is_forced());
        shutdown.start_drain();
        tokio::time::timeout(Duration::from_secs(10), shutdown.forced()).await.unwrap();
    }

    #[tokio::test]
    async fn a_drain_within_the_grace_period_is_not_forced() {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals(Duration::from_secs(600)).unwrap();
        shutdown.start_drain();
        shutdown.draining().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!shutdown.is_forced());
    }
}
