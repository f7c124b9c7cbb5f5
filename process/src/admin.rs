//! `/live`, `/ready` and `/metrics`: what probes and Prometheus ask every process.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracing::{debug, error};

use crate::metrics::MetricsHandle;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::task::Tasks;

/// The admin routes, to be served alone or merged into other pages.
///
/// * `/live` answers 200 while the process can answer at all; it depends on nothing else.
/// * `/ready` answers 200, or 503 with one line for each reason.
/// * `/metrics` answers in the Prometheus text format.
pub fn routes(readiness: Readiness, metrics: MetricsHandle) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(move || ready(readiness.clone())))
        .route("/metrics", get(move || render(metrics.clone())))
}

async fn ready(readiness: Readiness) -> impl IntoResponse {
    let unmet = readiness.unmet();
    if unmet.is_empty() {
        return (StatusCode::OK, "ready\n".to_string());
    }
    let reasons = unmet.iter().map(|(name, reason)| format!("{name}: {reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, reasons)
}

async fn render(metrics: MetricsHandle) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

/// A client that holds a request open does not hold up the end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A port for HTTP. It has a shutdown of its own, not the process's: probes are answered while work finishes, or a
/// supervisor would take the draining process for a dead one. Dropping it ends it.
#[derive(Default)]
pub struct AdminPort {
    listener: Option<(TcpListener, SocketAddr)>,
    tasks: Tasks,
    end: Shutdown,
}

impl AdminPort {
    /// Binds `address`; `None` is no port at all.
    pub async fn bind(address: Option<SocketAddr>) -> Result<Self, BindError> {
        let Some(address) = address else { return Ok(Self::default()) };
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener: Some((listener, address)), tasks: Tasks::new(), end: Shutdown::new() })
    }

    /// Where it listens, once it is bound and before it is started.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    /// Answers from now on.
    pub fn start(&mut self, routes: Router) {
        if let Some((listener, _)) = self.listener.take() {
            self.serve(listener, routes);
        }
    }

    /// Answers on a port that somebody else has bound.
    pub fn serve(&self, listener: TcpListener, routes: Router) {
        let end = self.end.clone();
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "the client went at once");
            }
        });
        self.tasks.spawn("web", async move {
            let served = axum::serve(listener, routes).with_graceful_shutdown(async move { end.draining().await }).await;
            if let Err(error) = served {
                error!(%error, "the web port ended");
            }
        });
    }

    pub async fn end(self) {
        self.end.start_drain();
        if timeout(END_TIMEOUT, self.tasks.wait()).await.is_err() {
            debug!("web clients are left behind");
        }
    }
}

impl Drop for AdminPort {
    fn drop(&mut self) {
        self.end.start_drain();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (--web-port): {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}
