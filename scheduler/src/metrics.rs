//! Ballista's own metrics of jobs, which it keeps in a registry apart from ours.

use ballista_scheduler::metrics::default_metrics_collector;
use tracing::debug;

/// Ballista's metrics in the Prometheus text format; empty when it has none.
pub fn render() -> String {
    match default_metrics_collector().and_then(|collector| collector.gather_metrics()) {
        Ok(Some((text, _content_type))) => String::from_utf8_lossy(&text).into_owned(),
        Ok(None) => String::new(),
        Err(error) => {
            debug!(%error, "the scheduler's metrics cannot be read");
            String::new()
        }
    }
}
