//! What a table was before: its older versions, what made them, and the way back to one.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::kernel::{Action, CommitInfo};
use deltalake::{DeltaTable, DeltaTableError};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use url::Url;

use super::commit::{Operation, TableChanges};
use super::data_file::{NewFile, relative_path};
use super::version::{DeltaTables, TableVersion, failed, version_object};
use crate::error::{Error, Result};

/// Files looked for at the same time.
const REQUESTS_MAX: usize = 32;

/// Which version of a table is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Version(u64),
    /// The last version that is not younger.
    Time(DateTime<Utc>),
}

/// A version of a table and what made it.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    pub version: u64,
    pub time: Option<DateTime<Utc>>,
    /// Such as `WRITE` or `DELETE`, in the words of whoever made it.
    pub operation: Option<String>,
    /// As JSON.
    pub parameters: String,
    /// The program that made it.
    pub engine: Option<String>,
}

impl DeltaTables {
    /// The table as it was.
    pub async fn at(&self, location: &Url, moment: Moment) -> Result<Arc<TableVersion>> {
        let latest = self.latest(location).await?;
        let Moment::Version(number) = moment else { return self.load(latest, moment).await };
        let key = (location.clone(), number);
        if let Some(known) = self.older.get(&key) {
            return Ok(known);
        }
        let loaded = self.load(latest, moment).await?;
        self.older.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    async fn load(&self, latest: Arc<TableVersion>, moment: Moment) -> Result<Arc<TableVersion>> {
        let location = &latest.location;
        let missing = |what: String| Error::Location { location: location.to_string(), message: format!("has no version {what}") };
        let mut table = DeltaTable::new(self.log(location)?);
        let loaded = match moment {
            Moment::Version(number) if number == latest.number => return Ok(Arc::clone(&latest)),
            Moment::Version(number) if number > latest.number => {
                return Err(missing(format!("{number}; the latest is {}", latest.number)));
            }
            Moment::Version(number) => table.load_version(number).await,
            Moment::Time(time) => table.load_with_datetime(time).await,
        };
        loaded.map_err(|error| match (error, moment) {
            (DeltaTableError::InvalidVersion(_), Moment::Version(number)) => missing(format!("{number} any more")),
            (error, _) => failed(location, error),
        })?;
        let state = table.snapshot().map_err(|error| failed(location, error))?;
        if let Moment::Time(time) = moment {
            // The library gives the first version for any time before it.
            let entry = version_object(&self.log(location)?, state.version()).await.map_err(|error| failed(location, error))?;
            if let Some(first) = entry.map(|entry| entry.last_modified).filter(|first| first.timestamp_millis() > time.timestamp_millis()) {
                return Err(missing(format!("as old as {time}; the oldest is of {first}")));
            }
        }
        Ok(Arc::new(TableVersion::of(location, state, None)?))
    }

    /// The versions whose entries the log still has, the latest first.
    pub async fn history(&self, location: &Url) -> Result<Vec<HistoryEntry>> {
        let latest = self.latest(location).await?;
        let mut entries = vec![];
        for version in (0..=latest.number).rev() {
            let Some(actions) = self.log_entry(location, version).await? else { break };
            let info = actions.into_iter().find_map(|action| match action {
                Action::CommitInfo(info) => Some(info),
                _ => None,
            });
            entries.push(HistoryEntry::new(version, info));
        }
        Ok(entries)
    }

    /// The changes that make `latest` what `older`, another version of the table, was. Fails if files of it are gone.
    pub async fn restoring(&self, latest: &TableVersion, older: &TableVersion) -> Result<TableChanges> {
        let location = &latest.location;
        let removed = latest.files.iter().filter(|(path, _)| !older.files.contains_key(*path));
        let removed = removed.map(|(_, file)| Arc::clone(file)).collect();
        let missing: HashSet<&str> = older.files.keys().filter(|path| !latest.files.contains_key(*path)).map(String::as_str).collect();
        let log_data = older.state.snapshot().try_log_data().map_err(|error| failed(location, error))?;
        let views = log_data.iter().filter(|view| missing.contains(view.path().as_ref()));
        #[expect(deprecated, reason = "nothing else gives what the log says of a file")]
        let added: Vec<NewFile> = views.map(|view| NewFile(view.add_action())).collect();
        let store = self.log(location)?.object_store(None);
        // Collected first: a stream that borrows from the list would not be `Send` for every lifetime.
        let requests: Vec<_> = added
            .iter()
            .map(|file| {
                let (store, path) = (Arc::clone(&store), relative_path(file.path()));
                async move { store.head(&path).await.map(drop) }.boxed()
            })
            .collect();
        stream::iter(requests).buffer_unordered(REQUESTS_MAX).try_collect::<()>().await.map_err(|error| match error {
            object_store::Error::NotFound { path, .. } => Error::Location {
                location: location.to_string(),
                message: format!("cannot be what it was in version {}: its file {path} has been removed", older.number),
            },
            error => failed(location, error.into()),
        })?;
        let operation = Operation::Restore { version: older.number };
        Ok(TableChanges { added, removed, operation, ..TableChanges::default() })
    }
}

impl HistoryEntry {
    fn new(version: u64, info: Option<CommitInfo>) -> Self {
        let Some(info) = info else { return Self { version, time: None, operation: None, parameters: "{}".into(), engine: None } };
        let time = time_of(&info);
        let parameters = info.operation_parameters.and_then(|parameters| serde_json::to_string(&parameters).ok());
        Self {
            version,
            time,
            operation: info.operation,
            parameters: parameters.unwrap_or_else(|| "{}".into()),
            engine: info.engine_info,
        }
    }
}

/// When a commit says that it was made.
pub(super) fn time_of(info: &CommitInfo) -> Option<DateTime<Utc>> {
    info.in_commit_timestamp.or(info.timestamp).and_then(DateTime::<Utc>::from_timestamp_millis)
}
