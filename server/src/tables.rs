//! Opens what is served: the engine, the tables of every location, and the sessions over them.

use std::path::Path;
use std::sync::Arc;

use engine::{Cluster, Engine, EngineConfig, ObjectStores};
use sql::catalog::Catalog;
use sql::catalog::location::open_locations;
use sql::{Sessions, SqlConfig};
use tracing::info;

use crate::config::EngineSettings;
use crate::error::Error;

/// The database that clients see.
const DATABASE: &str = "arbalest";
/// Under the scratch directory: where queries of this process spill.
const SPILL_DIR: &str = "local";

/// Opens every location. A location that cannot be served is an error that names it.
pub(crate) async fn open(
    locations: &[String],
    settings: &EngineSettings,
    memory_bytes: usize,
    scratch_dir: &Path,
    cluster: Arc<dyn Cluster>,
    object_stores: Arc<ObjectStores>,
) -> Result<Arc<Sessions>, Error> {
    let config = EngineConfig {
        memory_bytes,
        spill_dir: scratch_dir.join(SPILL_DIR),
        parallelism: settings.vcores,
        local_bytes_max: settings.local_bytes_max,
        object_stores,
    };
    let engine = Arc::new(Engine::new(config, Some(cluster))?);
    let tables = open_locations(&engine, locations).await.map_err(Error::Tables)?;
    info!(locations = locations.len(), tables = tables.len(), "tables opened");
    let catalog = Catalog::new(DATABASE, tables).map_err(Error::Tables)?;
    let config = SqlConfig { version: process::build_info::VERSION.into() };
    Ok(Sessions::new(config, engine, Arc::new(catalog)))
}
