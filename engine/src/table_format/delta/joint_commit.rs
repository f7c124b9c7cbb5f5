//! Changes of several tables at once, or of tables together with something else that is written down elsewhere.
//!
//! A log knows its own table only. So what is to be done is first written into a journal, at one moment, which decides; then
//! the logs get it one after the other. Whoever finds the journal, after the process has died, does the rest: each entry
//! of a log says which commit it is of, so that nothing is done twice, not even by two processes at the same time.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};
use tokio::sync::RwLockWriteGuard;
use url::Url;
use uuid::Uuid;

use super::commit::{CommitError, Operation, Rebased, TableChanges};
use super::data_file::NewFile;
use super::history::Moment;
use super::ledger::Unpublished;
use super::version::{DeltaTables, TableVersion};
use crate::error::{Error, Result};

/// While there is this, no other commit of this process is made.
#[derive(Debug)]
pub struct HeldCommits<'a> {
    tables: &'a DeltaTables,
    alone: RwLockWriteGuard<'a, ()>,
}

/// Changes that nothing stands against.
#[derive(Debug)]
pub struct JointCommit<'a> {
    tables: &'a DeltaTables,
    parts: Vec<(Arc<TableVersion>, Arc<TableChanges>)>,
    _alone: RwLockWriteGuard<'a, ()>,
    unpublished: Unpublished<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// Whether the changes are decided by being in the journal. Else the first table's log decides.
    is_decided: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    id: Uuid,
    location: Url,
    base: u64,
    added: Vec<NewFile>,
    /// Paths as the log has them.
    removed: Vec<String>,
    operation: Operation,
    columns: Option<Schema>,
}

impl DeltaTables {
    /// Waits for the commits that are being made.
    pub async fn hold_commits(&self) -> HeldCommits<'_> {
        HeldCommits { tables: self, alone: self.commits.write().await }
    }

    /// Makes what is left of the changes in a journal. Fails if that may work later; what cannot be done any more, because
    /// somebody else has changed the same, is left out.
    pub async fn finish(&self, journal: &str) -> Result<()> {
        let journal: Journal = serde_json::from_str(journal).map_err(|error| unreadable(&error))?;
        let _alone = self.commits.write().await;
        for (index, part) in journal.parts.iter().enumerate() {
            match self.finish_part(part).await {
                Ok(()) => {}
                // Of a table that is gone, or whose log begins later by now, there is nothing to do.
                Err(CommitError::Failed(error)) if !matches!(error, Error::Location { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(location = %part.location, %error, "a transaction cannot be completed");
                    if index == 0 && !journal.is_decided {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    async fn finish_part(&self, part: &Part) -> Result<(), CommitError> {
        let base = self.at(&part.location, Moment::Version(part.base)).await?;
        let removed: HashSet<&str> = part.removed.iter().map(String::as_str).collect();
        let changes = TableChanges {
            added: part.added.clone(),
            removed: base.files().filter(|file| removed.contains(file.path.as_str())).cloned().collect(),
            operation: part.operation,
            columns: part.columns.clone().map(Arc::new),
        };
        match self.rebase(&base, &changes, Some(part.id)).await? {
            Rebased::Done => Ok(()),
            Rebased::Onto(base) => self.commit_one(&base, &changes, part.id, &mut None).await,
        }
    }
}

impl<'a> HeldCommits<'a> {
    /// Begins to make the changes of several tables: fails if one of them cannot be made.
    pub async fn begin(self, mut parts: Vec<(Arc<TableVersion>, Arc<TableChanges>)>) -> Result<JointCommit<'a>, CommitError> {
        let Self { tables, alone } = self;
        for (base, changes) in &parts {
            tables.rebase(base, changes, None).await?;
        }
        // What another process may yet come in the way of is done first.
        parts.sort_by_key(|(_, changes)| changes.only_adds());
        let unpublished = tables.ledger.begin(parts.len());
        Ok(JointCommit { tables, parts, _alone: alone, unpublished })
    }
}

impl<'a> JointCommit<'a> {
    /// What [`DeltaTables::finish`] takes. `is_decided`: what is written down with it is done when it is; else nothing is
    /// unless the first table is changed.
    pub fn journal(&self, is_decided: bool) -> Result<String> {
        let part = |((base, changes), id): (&(Arc<TableVersion>, Arc<TableChanges>), &Uuid)| Part {
            id: *id,
            location: base.location.clone(),
            base: base.number,
            added: changes.added.clone(),
            removed: changes.removed.iter().map(|file| file.path.clone()).collect(),
            operation: changes.operation,
            columns: changes.columns.as_deref().cloned(),
        };
        let parts = self.parts.iter().zip(self.unpublished.ids()).map(part).collect();
        serde_json::to_string(&Journal { is_decided, parts }).map_err(|error| unreadable(&error))
    }

    /// Makes the changes. Readers of this process see none of them until what is returned is dropped. An error other than a
    /// conflict says that some of them were made, or may be later.
    pub async fn make(self, is_decided: bool) -> Result<Unpublished<'a>, CommitError> {
        let mut made: Vec<String> = vec![];
        let mut failed: Option<CommitError> = None;
        for (index, ((base, changes), id)) in self.parts.iter().zip(self.unpublished.ids()).enumerate() {
            match self.tables.commit_one(base, changes, *id, &mut None).await {
                Ok(()) => made.push(base.location.to_string()),
                Err(CommitError::Conflict) if index == 0 && !is_decided => return Err(CommitError::Conflict),
                Err(error @ CommitError::Failed(_)) => return Err(CommitError::Unfinished { reason: error.to_string() }),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            None => Ok(self.unpublished),
            Some(error) => Err(CommitError::Partial { made, reason: error.to_string() }),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Location { location: "the journal".into(), message: format!("cannot be written or read: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_store::{ObjectStores, Secrets};
    use datafusion::arrow::datatypes::{DataType, Field};
    use deltalake::kernel::Add;

    fn tables() -> DeltaTables {
        DeltaTables::new(ObjectStores::new(Secrets::default(), 0))
    }

    fn file(path: &str) -> NewFile {
        NewFile(Add { path: path.into(), size: 1, data_change: true, ..Add::default() })
    }

    fn adding(path: &str) -> Arc<TableChanges> {
        Arc::new(TableChanges { added: vec![file(path)], ..TableChanges::default() })
    }

    /// Two tables of one file each, and changes that replace it in the first and add one to the second.
    async fn two(directory: &tempfile::TempDir) -> Vec<(Arc<TableVersion>, Arc<TableChanges>)> {
        let mut parts = vec![];
        for name in ["a", "b"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory");
            let location = Url::from_directory_path(directory.path().join(name)).expect("a URL");
            let schema = Schema::new(vec![Field::new("x", DataType::Int32, true)]);
            let base = tables().create(&location, &schema, &[], &[file("old.parquet")]).await.expect("a table");
            let removed = base.files().filter(|_| name == "a").cloned().collect();
            let changes = TableChanges { added: vec![file("new.parquet")], removed, ..TableChanges::default() };
            parts.push((base, Arc::new(changes)));
        }
        parts
    }

    async fn files(parts: &[(Arc<TableVersion>, Arc<TableChanges>)]) -> Vec<String> {
        let mut files = vec![];
        for (base, _) in parts {
            let latest = tables().latest(&base.location).await.expect("a version");
            files.push(latest.files().map(|file| file.path.clone()).collect::<Vec<_>>().join(" "));
        }
        files
    }

    #[tokio::test]
    async fn what_a_journal_says_is_done_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = two(&directory).await;
        let dying = tables();
        let joint = dying.hold_commits().await.begin(parts.clone()).await.expect("nothing is against it");
        let journal = joint.journal(false).expect("text");
        // The process dies when one table is done.
        let id = joint.unpublished.ids()[0];
        dying.commit_one(&parts[0].0, &parts[0].1, id, &mut None).await.expect("is made");
        assert_eq!(files(&parts).await, ["new.parquet", "old.parquet"]);
        for _ in 0..2 {
            // Somebody else goes on.
            tables().finish(&journal).await.expect("is done");
            assert_eq!(files(&parts).await, ["new.parquet", "new.parquet old.parquet"]);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_done_any_more_is_left_out() {
        for is_decided in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let parts = two(&directory).await;
            let other = tables();
            let joint = other.hold_commits().await.begin(parts.clone()).await.expect("nothing is against it");
            let journal = joint.journal(is_decided).expect("text");
            let removed = parts[0].0.files().cloned().collect();
            let delete = TableChanges { removed, operation: Operation::Delete, ..TableChanges::default() };
            tables().commit(&parts[0].0, &delete).await.expect("is made");
            tables().finish(&journal).await.expect("is done");
            let second = if is_decided { "new.parquet old.parquet" } else { "old.parquet" };
            assert_eq!(files(&parts).await, ["", second]);
        }
    }

    #[tokio::test]
    async fn readers_see_all_tables_changed_or_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = two(&directory).await;
        let tables = tables();
        let (_, before) = tables.read(&parts[0].0.location).await.expect("a version");
        let joint = tables.hold_commits().await.begin(parts.clone()).await.expect("nothing is against it");
        let made = joint.make(false).await.expect("is made");
        let during = tables.ledger.now();
        let seen = async |point| {
            let mut numbers = vec![];
            for (base, _) in &parts {
                let reads = super::super::ReadFor::Transaction;
                numbers.push(tables.as_of(&base.location, point, reads).await.expect("a version").number);
            }
            numbers
        };
        assert_eq!((seen(before).await, seen(during).await), (vec![0, 0], vec![0, 0]));
        drop(made);
        let after = tables.ledger.now();
        assert_eq!((seen(before).await, seen(after).await), (vec![0, 0], vec![1, 1]));
        // Of one table that somebody else adds to meanwhile.
        super::tests::tables().commit(&parts[0].0, &adding("more.parquet")).await.expect("is made");
        assert_eq!(tables.read(&parts[0].0.location).await.expect("a version").0.number, 2);
    }
}
