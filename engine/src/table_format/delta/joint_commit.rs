//! Changes of several tables at once, or of tables together with something else that is written down elsewhere.
//!
//! A log knows its own table only. So what is to be done is written into a journal first; then the first table's log
//! decides: with its entry all is done, without it nothing. After a process has died, whoever finds the journal does what
//! is left: each entry of a log says which commit it is of, so that nothing is done twice.

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
use crate::error::Result;

/// Changes that nothing stands against. No other commit of this process is made while there is this.
#[derive(Debug)]
pub struct JointCommit<'a> {
    tables: &'a DeltaTables,
    parts: Vec<(Arc<TableVersion>, Arc<TableChanges>)>,
    made: Made<'a>,
}

/// Changes that are made. Readers of this process see none of them, and no other commit is made, until this is dropped.
#[derive(Debug)]
pub struct Made<'a> {
    // In this order: whoever commits next does so on top of what everybody sees.
    unpublished: Unpublished<'a>,
    _alone: RwLockWriteGuard<'a, ()>,
}

/// What there is to do in each table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
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
    #[serde(default)]
    rules: Option<Uuid>,
    retires: bool,
}

impl DeltaTables {
    /// Begins to make the changes of several tables: fails if one of them cannot be made.
    pub async fn begin(&self, mut parts: Vec<(Arc<TableVersion>, Arc<TableChanges>)>) -> Result<JointCommit<'_>, CommitError> {
        let alone = self.commits.write().await;
        for (base, changes) in &parts {
            self.rebase(base, changes, None).await?;
            changes.check(base)?;
        }
        // What another process can still come in the way of decides, first of all that without which the catalog would be wrong.
        parts.sort_by_key(|(_, changes)| (changes.columns.is_none() && !changes.retires, changes.only_adds()));
        let part = |(base, _): &(Arc<TableVersion>, Arc<TableChanges>)| (Uuid::new_v4(), base.location.clone(), base.number);
        let unpublished = self.ledger.begin_joint(parts.iter().map(part).collect());
        Ok(JointCommit { tables: self, parts, made: Made { unpublished, _alone: alone } })
    }

    /// Whether the changes of a journal are decided. If they are not they never will be, should a server that was taken for
    /// dead still be at it.
    pub async fn settle(&self, journal: &Journal) -> Result<bool> {
        match journal.parts.first() {
            Some(first) => self.abort(&first.location, first.base, first.id).await,
            None => Ok(false),
        }
    }

    /// Makes what is left of changes that are decided. What cannot be done any more, because somebody else has changed the
    /// same, is left out, and so is a table that cannot be read and that `is_gone`.
    pub async fn complete(&self, journal: &Journal, is_gone: impl Fn(&Url) -> bool + Send) -> Result<()> {
        // Readers see all of it at once here too.
        let part = |part: &Part| (part.id, part.location.clone(), part.base);
        let _unpublished = self.ledger.begin_joint(journal.parts.iter().map(part).collect());
        let _shared = self.commits.read().await;
        for part in &journal.parts {
            match self.complete_part(part).await {
                Ok(()) => {}
                Err(CommitError::Failed(error)) if !is_gone(&part.location) => return Err(error),
                Err(error) => tracing::warn!(location = %part.location, %error, "a part of a transaction cannot be made any more"),
            }
        }
        Ok(())
    }

    async fn complete_part(&self, part: &Part) -> Result<(), CommitError> {
        let base = self.at(&part.location, Moment::Version(part.base)).await?;
        let removed: HashSet<&str> = part.removed.iter().map(String::as_str).collect();
        let changes = TableChanges {
            added: part.added.clone(),
            removed: base.files().filter(|file| removed.contains(file.path.as_str())).cloned().collect(),
            operation: part.operation,
            columns: part.columns.clone().map(Arc::new),
            rules: part.rules,
            retires: part.retires,
        };
        match self.rebase(&base, &changes, Some(part.id)).await? {
            Rebased::Done => Ok(()),
            Rebased::Onto(base) => self.commit_one(&base, &changes, part.id, &mut None).await,
        }
    }
}

impl Journal {
    /// The tables that it is about.
    pub fn locations(&self) -> impl Iterator<Item = &Url> {
        self.parts.iter().map(|part| &part.location)
    }
}

impl<'a> JointCommit<'a> {
    pub fn journal(&self) -> Journal {
        let part = |((base, changes), id): (&(Arc<TableVersion>, Arc<TableChanges>), &Uuid)| Part {
            id: *id,
            location: base.location.clone(),
            base: base.number,
            added: changes.added.clone(),
            removed: changes.removed.iter().map(|file| file.path.clone()).collect(),
            operation: changes.operation,
            columns: changes.columns.as_deref().cloned(),
            rules: changes.rules,
            retires: changes.retires,
        };
        Journal { parts: self.parts.iter().zip(self.made.unpublished.ids()).map(part).collect() }
    }

    /// Makes the changes of the first table. After a conflict nothing is made; after another error that is not known.
    pub async fn decide(&self) -> Result<(), CommitError> {
        self.make(0).await
    }

    /// Makes the others. The error is what could not be made.
    pub async fn complete(self) -> (Made<'a>, Result<(), CommitError>) {
        let mut lost: Vec<String> = vec![];
        for index in 1..self.parts.len() {
            match self.make(index).await {
                Ok(()) => {}
                Err(error @ CommitError::Unfinished { .. }) => return (self.made, Err(error)),
                Err(_) => lost.push(self.parts[index].0.location.to_string()),
            }
        }
        let lost = if lost.is_empty() { Ok(()) } else { Err(CommitError::Partial { lost }) };
        (self.made, lost)
    }

    async fn make(&self, index: usize) -> Result<(), CommitError> {
        let (base, changes) = &self.parts[index];
        let id = self.made.unpublished.ids()[index];
        match self.tables.commit_one(base, changes, id, &mut None).await {
            Err(CommitError::Failed(error)) => Err(CommitError::Unfinished { reason: error.to_string() }),
            made => made,
        }
    }
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

    fn kept(journal: &Journal) -> Journal {
        serde_json::from_str(&serde_json::to_string(journal).expect("is written")).expect("is read")
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
        let joint = dying.begin(parts.clone()).await.expect("nothing is against it");
        let journal = kept(&joint.journal());
        // The process dies when one table is done.
        joint.decide().await.expect("is made");
        assert_eq!(files(&parts).await, ["new.parquet", "old.parquet"]);
        assert!(tables().settle(&journal).await.expect("is known"));
        for _ in 0..2 {
            // Somebody else goes on.
            tables().complete(&journal, |_| false).await.expect("is done");
            assert_eq!(files(&parts).await, ["new.parquet", "new.parquet old.parquet"]);
        }
    }

    #[tokio::test]
    async fn what_somebody_else_has_changed_is_a_conflict_or_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut parts = two(&directory).await;
        let delete = |base: &Arc<TableVersion>| TableChanges {
            removed: base.files().cloned().collect(),
            operation: Operation::Delete,
            ..TableChanges::default()
        };
        // Another process, after it was checked.
        let one = tables();
        let joint = one.begin(parts.clone()).await.expect("nothing is against it");
        tables().commit(&parts[0].0, &delete(&parts[0].0)).await.expect("is made");
        assert!(matches!(joint.decide().await, Err(CommitError::Conflict)));
        assert!(!tables().settle(&joint.journal()).await.expect("is known"));
        drop(joint);

        parts[0].0 = tables().latest(&parts[0].0.location).await.expect("a version");
        parts[0].1 = adding("more.parquet");
        parts[1].1 = Arc::new(delete(&parts[1].0));
        let joint = one.begin(parts.clone()).await.expect("nothing is against it");
        let journal = kept(&joint.journal());
        joint.decide().await.expect("is made");
        drop(joint);
        std::fs::remove_dir_all(directory.path().join("a")).expect("is removed");
        let unread = tables().complete(&journal, |_| false).await;
        assert!(unread.is_err());
        tables().complete(&journal, |_| true).await.expect("is done");
    }

    #[tokio::test]
    async fn what_is_taken_for_dead_is_not_made_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = two(&directory).await;
        let slow = tables();
        let joint = slow.begin(parts.clone()).await.expect("nothing is against it");
        for _ in 0..2 {
            assert!(!tables().settle(&kept(&joint.journal())).await.expect("is known"));
        }
        assert!(matches!(joint.decide().await, Err(CommitError::Conflict)));
        assert_eq!(files(&parts).await, ["old.parquet", "old.parquet"]);
        // Others are not kept from anything.
        tables().commit(&parts[0].0, &parts[0].1).await.expect("is made");
    }

    #[tokio::test]
    async fn what_cannot_be_made_is_known_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut parts = two(&directory).await;
        let retiring = TableChanges { retires: true, operation: Operation::Alter, ..TableChanges::default() };
        tables().commit(&parts[1].0, &retiring).await.expect("is made");
        parts[1].0 = tables().latest(&parts[1].0.location).await.expect("a version");
        assert!(matches!(tables().begin(parts.clone()).await, Err(CommitError::Conflict)));

        let log = directory.path().join("a/_delta_log");
        let first = std::fs::read_to_string(log.join("00000000000000000000.json")).expect("an entry");
        let append_only = first.replace("\"configuration\":{}", "\"configuration\":{\"delta.appendOnly\":\"true\"}");
        assert_ne!(append_only, first);
        std::fs::write(log.join("00000000000000000000.json"), append_only).expect("is written");
        let latest = tables().latest(&parts[0].0.location).await.expect("a version");
        parts.truncate(1);
        parts[0].0 = latest;
        assert!(matches!(tables().begin(parts).await, Err(CommitError::Failed(_))));
    }

    #[tokio::test]
    async fn what_others_add_on_top_of_a_half_made_commit_does_not_show_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = two(&directory).await;
        let tables = tables();
        let joint = tables.begin(parts.clone()).await.expect("nothing is against it");
        joint.decide().await.expect("is made");
        let location = &parts[0].0.location;
        super::tests::tables().commit(&parts[0].0, &adding("more.parquet")).await.expect("is made");
        assert_eq!(tables.read(location).await.expect("a version").0.number, 0);
        let during = tables.ledger.now();
        let (made, complete) = joint.complete().await;
        complete.expect("is made");
        drop(made);
        assert_eq!(tables.read(location).await.expect("a version").0.number, 2);
        let seen = tables.as_of(location, during, super::super::ReadFor::Statement).await.expect("a version");
        assert_eq!(seen.number, 0);
    }

    #[tokio::test]
    async fn readers_see_all_tables_changed_or_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let parts = two(&directory).await;
        let tables = tables();
        let (_, before) = tables.read(&parts[0].0.location).await.expect("a version");
        let joint = tables.begin(parts.clone()).await.expect("nothing is against it");
        joint.decide().await.expect("is made");
        let (made, complete) = joint.complete().await;
        complete.expect("is made");
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
