//! `/live`, `/ready` and `/metrics`: what probes and Prometheus ask every process.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::MetricsHandle;
use crate::readiness::Readiness;

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
