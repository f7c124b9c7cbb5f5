//! Connections between processes that notice when nobody answers any more, whatever TCP believes.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;
use tonic::transport::Endpoint;

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// A peer that answers no ping for as long is gone. No load keeps a process from answering one so long.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Of a connection that breaks when its peer is silent: calls that wait for an answer fail then.
pub fn watched(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
}

/// The same for connections that Ballista makes.
pub fn watch() -> EndpointOverrideFn {
    Arc::new(|endpoint| Ok(watched(endpoint)))
}
