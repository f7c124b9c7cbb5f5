//! Opens what is served: the engine, the tables of every location, and the sessions over them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::{Cluster, Engine, EngineConfig, ObjectStores};
use sql::catalog::Catalog;
use sql::catalog::sealing::SealingKey;
use sql::catalog::store::CatalogStore;
use sql::catalog::location::{LocationRules, open_locations};
use sql::{Sessions, SqlConfig};
use tokio::time::sleep;
use tracing::{debug, info, warn};
use url::Url;

use crate::config::{CatalogUrl, EngineSettings};
use crate::error::Error;

/// The database that clients see.
pub(crate) const DATABASE: &str = "arbalest";
/// Under the scratch directory: where queries of this process spill.
const SPILL_DIR: &str = "local";

/// The file of the catalog under the data directory.
const CATALOG_FILE: &str = "catalog.sqlite";
/// Under the data directory: where tables are kept.
const WAREHOUSE_DIR: &str = "warehouse";
/// How often a server asks for what others have changed.
const CATALOG_POLL: Duration = Duration::from_millis(300);
/// How often a server looks for transactions that another one has left, and how old they are at least.
const JOURNAL_AGE: Duration = Duration::from_secs(1);

/// Opens the catalog store: the database of `url`, or the file under `data_dir`.
pub(crate) async fn open_catalog(url: Option<&CatalogUrl>, data_dir: &Path) -> Result<CatalogStore, Error> {
    let (place, opened) = match url {
        Some(url) => (url.to_string(), CatalogStore::open_database(url.url()).await),
        None => {
            let path = data_dir.join(CATALOG_FILE);
            (path.display().to_string(), CatalogStore::open_file(&path).await)
        }
    };
    opened.map_err(|source| Error::Catalog { place, source })
}

/// Where new tables are kept: the directory or URL that is given, or a directory under `data_dir`.
pub(crate) fn warehouse(given: Option<&str>, data_dir: &Path) -> Result<Url, Error> {
    // Nothing of a URL that may hold a password is shown.
    let shown = match given.unwrap_or_default() {
        url if url.contains("://") && url.contains('@') => format!("{}://…", url.split("://").next().unwrap_or_default()),
        place => place.to_owned(),
    };
    let wrong = |reason: String| Error::Warehouse { place: shown.clone(), reason };
    let mut url = match given {
        Some(url) if url.contains("://") => Url::parse(url).map_err(|error| wrong(format!("is not a URL: {error}")))?,
        directory => {
            let directory = directory.map_or_else(|| data_dir.join(WAREHOUSE_DIR), PathBuf::from);
            std::fs::create_dir_all(&directory).map_err(|error| wrong(error.to_string()))?;
            let directory = directory.canonicalize().map_err(|error| wrong(error.to_string()))?;
            Url::from_directory_path(directory).map_err(|()| wrong("is not an absolute path".into()))?
        }
    };
    if url.scheme() != "file" {
        engine::check_url(&url).map_err(wrong)?;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Opens every location. A location that cannot be served is an error that names it.
#[expect(clippy::too_many_arguments, reason = "what a server is made of")]
pub(crate) async fn open(
    locations: &[String],
    settings: &EngineSettings,
    memory_bytes: usize,
    scratch_dir: &Path,
    cluster: Arc<dyn Cluster>,
    object_stores: Arc<ObjectStores>,
    store: CatalogStore,
    warehouse: Url,
    data_dir: &Path,
) -> Result<Arc<Sessions>, Error> {
    let config = EngineConfig {
        memory_bytes,
        spill_dir: scratch_dir.join(SPILL_DIR),
        parallelism: settings.vcores,
        local_bytes_max: settings.local_bytes_max,
        object_stores,
    };
    let engine = Arc::new(Engine::new(config, Some(cluster))?);
    if let Some(directory) = &settings.export_dir {
        let wrong = |error: std::io::Error| Error::ExportDir { place: directory.display().to_string(), reason: error.to_string() };
        std::fs::create_dir_all(directory).map_err(wrong)?;
    }
    let sealing_key = match settings.shares_secrets {
        true => SealingKey::shared(settings.secret_key.clone()),
        false => SealingKey::in_file(settings.secret_key.clone()),
    };
    sealing_key.check().map_err(Error::SecretKey)?;
    let mut own_paths = own(data_dir, &warehouse);
    own_paths.push(settings.secret_key.clone());
    own_paths.extend(settings.secrets_file.clone());
    let tables = open_locations(&engine, locations, &own_paths).await.map_err(Error::Tables)?;
    info!(locations = locations.len(), tables = tables.len(), "tables opened");
    let catalog = Arc::new(Catalog::open(DATABASE, store, tables).await.map_err(Error::Tables)?);
    tokio::spawn(watch(Arc::downgrade(&catalog)));
    let rules = LocationRules::new(locations, settings.export_dir.as_slice(), &own_paths, settings.private_urls);
    let rules = rules.with_secrets(engine.object_stores().secrets().clone());
    let config = SqlConfig { version: process::build_info::VERSION.into(), warehouse, locations: rules, sealing_key };
    let sessions = Sessions::new(config, Arc::clone(&engine), Arc::clone(&catalog));
    // With the secrets of the catalog, which the sessions know.
    if let Err(error) = catalog.finish_journals(engine.tables(), Duration::ZERO).await {
        warn!(%error, "the journals of transactions cannot be read yet");
    }
    tokio::spawn(finish_journals(Arc::downgrade(&catalog), Arc::downgrade(&engine)));
    Ok(sessions)
}

/// What no statement may name, and no location has.
fn own(data_dir: &Path, warehouse: &Url) -> Vec<PathBuf> {
    let warehouse = (warehouse.scheme() == "file").then(|| warehouse.to_file_path().ok()).flatten();
    std::iter::once(data_dir.to_owned()).chain(warehouse).collect()
}

/// Ends what servers have left that have died, for as long as there is the catalog.
async fn finish_journals(catalog: Weak<Catalog>, engine: Weak<Engine>) {
    loop {
        sleep(JOURNAL_AGE).await;
        let (Some(catalog), Some(engine)) = (catalog.upgrade(), engine.upgrade()) else { return };
        if let Err(error) = catalog.finish_journals(engine.tables(), JOURNAL_AGE).await {
            debug!(%error, "the journals of transactions cannot be read");
        }
    }
}

/// Reads what other servers change, for as long as there is the catalog.
async fn watch(catalog: Weak<Catalog>) {
    let mut failing = false;
    loop {
        sleep(CATALOG_POLL).await;
        let Some(catalog) = catalog.upgrade() else { return };
        let refreshed = catalog.refresh().await;
        match (&refreshed, failing) {
            (Err(error), false) => warn!(%error, "the catalog cannot be read; what was read last is served"),
            (Ok(()), true) => info!("the catalog can be read again"),
            _ => {}
        }
        failing = refreshed.is_err();
    }
}
