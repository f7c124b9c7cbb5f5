//! The web port: a page for people, probes and metrics. It is the first to answer and the last to end.

mod page;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use axum::serve::ListenerExt;
use process::metrics::MetricsHandle;
use process::readiness::Readiness;
use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracing::{debug, error};

use crate::Addresses;

/// A client that holds a request open does not hold up the end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The running web port. It has a shutdown of its own, not the process's: probes are answered while statements finish,
/// or a supervisor would take the draining process for a dead one. Dropping it ends it.
#[derive(Default)]
pub(crate) struct Web {
    tasks: Tasks,
    end: Shutdown,
}

impl Web {
    pub(crate) fn start(
        &self,
        listener: TcpListener,
        addresses: Addresses,
        readiness: Readiness,
        metrics: MetricsHandle,
    ) {
        let end = self.end.clone();
        self.tasks.spawn("web", async move {
            if let Err(error) = serve(listener, addresses, readiness, metrics, end).await {
                error!(%error, "the web port ended");
            }
        });
    }

    pub(crate) async fn end(self) {
        self.end.start_drain();
        if timeout(END_TIMEOUT, self.tasks.wait()).await.is_err() {
            debug!("web clients are left behind");
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.end.start_drain();
    }
}

async fn serve(
    listener: TcpListener,
    addresses: Addresses,
    readiness: Readiness,
    metrics: MetricsHandle,
    shutdown: Shutdown,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "the client went at once");
        }
    });
    axum::serve(listener, routes(&addresses, readiness, metrics))
        .with_graceful_shutdown(async move { shutdown.draining().await })
        .await
}

fn routes(addresses: &Addresses, readiness: Readiness, metrics: MetricsHandle) -> Router {
    let page = page::render(addresses);
    Router::new()
        .route("/", get(move || async move { Html(page.clone()) }))
        .merge(process::admin::routes(readiness, metrics))
}
