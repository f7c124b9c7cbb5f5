//! Registers every function that all processes know: DataFusion's and ours.

use std::sync::Arc;

use ballista_core::registry::BallistaFunctionRegistry;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionConfig;

use crate::session_state::cluster_session_state;

/// Adds DataFusion's default functions and the crate `udfs` to a session state under construction.
pub(crate) fn register_functions(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder.with_default_features();
    if let Some(functions) = builder.scalar_functions() {
        functions.extend(udfs::scalar_functions().into_iter().map(Arc::new));
    }
    if let Some(functions) = builder.aggregate_functions() {
        functions.extend(udfs::aggregate_functions().into_iter().map(Arc::new));
    }
    builder
}

/// The functions that tasks sent to an executor may name.
pub fn function_registry() -> datafusion::error::Result<BallistaFunctionRegistry> {
    let state: SessionState = cluster_session_state(SessionConfig::new(), None)?;
    Ok(BallistaFunctionRegistry::from(&state))
}
