//! The web port: a page for people, probes and metrics. It is the first to answer and the last to end.

mod page;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use process::admin::AdminPort;
use process::metrics::MetricsHandle;
use process::readiness::Readiness;
use tokio::net::TcpListener;

use crate::Addresses;

/// The running web port.
#[derive(Default)]
pub(crate) struct Web {
    port: AdminPort,
}

impl Web {
    pub(crate) fn start(
        &self,
        listener: TcpListener,
        addresses: Addresses,
        readiness: Readiness,
        metrics: MetricsHandle,
    ) {
        self.port.serve(listener, routes(&addresses, readiness, metrics));
    }

    pub(crate) async fn end(self) {
        self.port.end().await;
    }
}

fn routes(addresses: &Addresses, readiness: Readiness, metrics: MetricsHandle) -> Router {
    let page = page::render(addresses);
    Router::new()
        .route("/", get(move || async move { Html(page.clone()) }))
        .merge(process::admin::routes(readiness, metrics))
}
