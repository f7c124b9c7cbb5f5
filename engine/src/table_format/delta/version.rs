//! Tables by their location: the version that is the latest, and older ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::object_store::ObjectStoreRegistry;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableError};
use futures::{StreamExt, TryStreamExt};
use moka::sync::Cache;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::sync::OnceCell;
use url::Url;

use super::data_file::{DataFile, NewFile, relative_path};
use super::layout::{Layout, kernel_schema};
use super::ledger::Ledger;
use super::read::Origin;
use crate::error::{Error, Result};
use crate::object_store::ObjectStores;

/// Tables whose latest version is kept in memory.
const TABLES_MAX: u64 = 10_000;
/// A table that nobody has asked for is looked at anew: entries of its log are removed after weeks.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for versions that are not the latest: transactions that go on read them again.
const OLDER_MAX: u64 = 100;
const OLDER_KNOWN_FOR: Duration = Duration::from_secs(60);
/// What keeps readers from seeing a table as it is.
const COLUMN_MAPPING: &str = "delta.columnMapping.mode";

/// Opens, makes and changes the tables of a process.
#[derive(Debug)]
pub struct DeltaTables {
    object_stores: Arc<ObjectStores>,
    latest: Cache<Url, Arc<TableVersion>>,
    /// Versions that somebody has asked for by their numbers.
    pub(super) older: Cache<(Url, u64), Arc<TableVersion>>,
    /// Held alone while several tables are changed at once: see [`JointCommit`](super::JointCommit).
    pub(super) commits: tokio::sync::RwLock<()>,
    pub(super) ledger: Ledger,
    /// By location: held alone by who has to be the only one that changes a table.
    pub(super) turns: Cache<Url, Arc<tokio::sync::RwLock<()>>>,
}

/// A table at one moment. Never changes.
#[derive(Debug)]
pub struct TableVersion {
    /// Ends with a slash.
    pub location: Url,
    pub number: u64,
    pub(super) layout: Arc<Layout>,
    pub partition_columns: Vec<String>,
    pub(super) files: BTreeMap<String, Arc<DataFile>>,
    pub(super) state: DeltaTableState,
    /// Read when it is asked for.
    pub(super) origin: OnceCell<Origin>,
}

fn turns() -> Cache<Url, Arc<tokio::sync::RwLock<()>>> {
    Cache::builder().max_capacity(TABLES_MAX).time_to_idle(KNOWN_FOR).build()
}

impl TableVersion {
    /// The columns in the order of the table; strings are views.
    pub fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    /// Where its files are, in the store of the location.
    pub fn paths(&self) -> Result<Vec<Path>> {
        let root = Path::from_url_path(self.location.path()).map_err(|error| Error::Location {
            location: self.location.to_string(),
            message: format!("is no location of a table: {error}"),
        })?;
        let path = |file: &Arc<DataFile>| Path::from_iter(root.parts().chain(file.relative_path().parts()));
        Ok(self.files().map(path).collect())
    }

    pub fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.files.values()
    }
}

impl DeltaTables {
    pub(crate) fn new(object_stores: Arc<ObjectStores>) -> Self {
        let latest = Cache::builder().max_capacity(TABLES_MAX).time_to_idle(KNOWN_FOR).build();
        let older = Cache::builder().max_capacity(OLDER_MAX).time_to_idle(OLDER_KNOWN_FOR).build();
        Self { object_stores, latest, older, commits: tokio::sync::RwLock::default(), ledger: Ledger::default(), turns: turns() }
    }

    /// The latest version of the table at `location`, which ends with a slash.
    pub async fn latest(&self, location: &Url) -> Result<Arc<TableVersion>> {
        let log = self.log(location)?;
        let known = self.latest.get(location);
        let mut table = DeltaTable::new(Arc::clone(&log));
        if let Some(known) = &known {
            let next = version_object(&log, known.number + 1).await.map_err(|error| failed(location, error))?;
            if next.is_none() {
                return Ok(Arc::clone(known));
            }
            table.state = Some(known.state.clone());
        }
        table.update_state().await.map_err(|error| failed(location, error))?;
        let state = table.snapshot().map_err(|error| failed(location, error))?;
        let version = Arc::new(TableVersion::of(location, state, known.as_deref())?);
        self.keep(&version);
        Ok(version)
    }

    /// Makes a table with the columns of `schema`, which have types that a table can keep, and what is in `files`.
    pub async fn create(
        &self,
        location: &Url,
        schema: &Schema,
        partition_columns: &[String],
        files: &[NewFile],
    ) -> Result<Arc<TableVersion>> {
        let columns = kernel_schema(schema).map_err(|error| failed(location, error))?;
        let create = CreateBuilder::new()
            .with_log_store(self.log(location)?)
            .with_columns(columns.fields().cloned())
            .with_partition_columns(partition_columns)
            .with_actions(files.iter().map(|NewFile(add)| add.clone().into()));
        let table = create.await.map_err(|error| failed(location, error))?;
        let state = table.snapshot().map_err(|error| failed(location, error))?;
        let version = Arc::new(TableVersion::of(location, state, None)?);
        self.keep(&version);
        Ok(version)
    }

    /// Removes a table of which nobody knows, as far as that is possible.
    pub async fn remove(&self, location: &Url) {
        self.latest.invalidate(location);
        self.older.invalidate_all();
        let Ok(log) = self.log(location) else { return };
        let store = log.object_store(None);
        let paths = store.list(None).map_ok(|object| object.location).boxed();
        let removed: Result<Vec<_>, _> = store.delete_stream(paths).try_collect().await;
        if let Err(error) = removed {
            tracing::warn!(%location, %error, "what is left of a table was not removed");
        }
        // Stores know no directories, a file system does.
        if location.scheme() == "file"
            && let Ok(path) = location.to_file_path()
            && let Err(error) = tokio::fs::remove_dir_all(path).await
        {
            tracing::debug!(%location, %error, "the directory of a table was not removed");
        }
    }

    /// Removes files that were written and will not be part of the table at `location`, as far as that is possible.
    pub async fn discard(&self, location: &Url, files: &[NewFile]) {
        let Ok(log) = self.log(location) else { return };
        for file in files {
            if let Err(error) = log.object_store(None).delete(&relative_path(file.path())).await {
                tracing::warn!(%location, path = file.path(), %error, "a file that is part of no table was not removed");
            }
        }
    }

    pub(super) fn keep(&self, version: &Arc<TableVersion>) {
        let is_newer = |known: &Arc<TableVersion>| known.number < version.number;
        if self.latest.get(&version.location).is_none_or(|known| is_newer(&known)) {
            self.latest.insert(version.location.clone(), Arc::clone(version));
        }
    }

    pub(super) fn log(&self, location: &Url) -> Result<LogStoreRef> {
        let store = self.object_stores.get_store(location)?;
        let path = Path::from_url_path(location.path()).map_err(|error| Error::Location {
            location: location.to_string(),
            message: format!("is no location of a table: {error}"),
        })?;
        let prefixed: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(Arc::clone(&store), path));
        Ok(default_logstore(prefixed, store, location, &StorageConfig::default()))
    }
}

impl TableVersion {
    /// What the log has read. Files that `before` has too are not looked at again.
    pub(super) fn of(location: &Url, state: &DeltaTableState, before: Option<&Self>) -> Result<Self> {
        let unreadable = |message: String| Error::Location { location: location.to_string(), message };
        let snapshot = state.snapshot();
        if let Some(mode) = snapshot.metadata().configuration().get(COLUMN_MAPPING).filter(|mode| *mode != "none") {
            return Err(unreadable(format!("maps its columns by {mode}, which cannot be read")));
        }
        let partition_columns: Vec<String> = snapshot.metadata().partition_columns().to_vec();
        let layout = Layout::new(&snapshot.arrow_schema(), &partition_columns);
        let before = before.filter(|before| *before.layout == layout);
        let layout = before.map_or_else(|| Arc::new(layout), |before| Arc::clone(&before.layout));
        let log_data = snapshot.try_log_data().map_err(|error| failed(location, error))?;
        let mut files = BTreeMap::new();
        for view in log_data.iter() {
            let path = view.path();
            let file = match before.and_then(|before| before.files.get(path.as_ref())) {
                Some(file) => Arc::clone(file),
                None => Arc::new(DataFile::of_view(&view, &layout).map_err(unreadable)?),
            };
            files.insert(path.into_owned(), file);
        }
        let number = state.version();
        Ok(Self { location: location.clone(), number, layout, partition_columns, files, state: state.clone(), origin: OnceCell::new() })
    }
}

/// The log's entry of a version, if it has one.
pub(super) async fn version_object(log: &LogStoreRef, number: u64) -> Result<Option<ObjectMeta>, DeltaTableError> {
    let path = Path::from(format!("_delta_log/{number:020}.json"));
    match log.object_store(None).head(&path).await {
        Ok(entry) => Ok(Some(entry)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is told of an error of the log.
pub(super) fn failed(location: &Url, error: DeltaTableError) -> Error {
    let location = location.to_string();
    match error {
        DeltaTableError::ObjectStore { source } => {
            let error = datafusion::error::DataFusionError::ObjectStore(Box::new(source));
            Error::DataFusion(error)
        }
        DeltaTableError::NotATable(_) => Error::Location { location, message: "is not a Delta table, or no longer".into() },
        error => Error::Location { location, message: error.to_string() },
    }
}
