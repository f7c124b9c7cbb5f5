//! Files that are no longer part of a table.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use url::Url;

use super::version::{DeltaTables, failed};
use crate::error::Result;

/// Below this directory is the log.
const LOG_DIRECTORY: &str = "_delta_log";

impl DeltaTables {
    /// Removes the files of a table that its latest version does not have and that are older than `retention`: readers of
    /// older versions may still want younger ones, and writers have not committed theirs yet. Gives how many there were.
    pub async fn vacuum(&self, location: &Url, retention: Duration) -> Result<usize> {
        let store = self.log(location)?.object_store(None);
        let unreadable = |error: object_store::Error| failed(location, error.into());
        let objects: Vec<_> = store.list(None).try_collect().await.map_err(unreadable)?;
        // Asked for after the list, so that it has whatever of that was committed.
        let latest = self.latest(location).await?;
        let used: HashSet<Path> = latest.files().map(|file| file.relative_path()).collect();
        let is_old = |age: chrono::Duration| age.to_std().is_ok_and(|age| age >= retention);
        let is_used = |path: &Path| {
            let in_log = path.parts().next().is_some_and(|part| part.as_ref() == LOG_DIRECTORY);
            in_log || used.contains(path)
        };
        let now = Utc::now();
        let unused = objects.into_iter().filter(|object| is_old(now - object.last_modified) && !is_used(&object.location));
        let unused: Vec<Path> = unused.map(|object| object.location).collect();
        let count = unused.len();
        let paths = futures::stream::iter(unused.into_iter().map(Ok)).boxed();
        store.delete_stream(paths).try_collect::<Vec<_>>().await.map_err(unreadable)?;
        Ok(count)
    }
}
