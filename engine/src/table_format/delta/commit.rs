//! Changes of a table, made as a whole or not at all.
//!
//! Isolation is that of snapshots: two that change a table at the same time both succeed unless they take out the same
//! file, or one of them changes the definition; then the second fails and nothing of it is seen.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use chrono::Utc;
use deltalake::DeltaTableError;
use deltalake::kernel::{Action, Add, MetadataExt};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, PROTOCOL, TransactionError};
use deltalake::logstore::get_actions;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{OnceCell, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use url::Url;
use uuid::Uuid;

use super::data_file::{DataFile, NewFile};
use super::layout::kernel_schema;
use super::ledger::Unpublished;
use super::read::Origin;
use super::version::{DeltaTables, TableVersion, failed};
use crate::error::{Error, Result};
use crate::write::FILE_BYTES_MAX;

/// How often a commit is tried while others are faster.
const ATTEMPTS_MAX: u32 = 100;
/// What the configuration of a table says that is retired.
const RETIRED: &str = "arbalest.retired";
/// The configuration's name for what the rules for rows are called.
const RULES: &str = "arbalest.rules";
/// Says in the log which commit an entry is of.
const COMMIT_ID: &str = "arbalest.commit";
/// Says that the commit was not made, and never will be.
const ABORTED: &str = "arbalest.aborted";

/// Files to add to a table and to take out of it.
#[derive(Clone, Debug, Default)]
pub struct TableChanges {
    pub added: Vec<NewFile>,
    pub removed: Vec<Arc<DataFile>>,
    pub operation: Operation,
    /// The columns that the table has from now on. Whoever names them has seen all rows: it conflicts with any other change.
    pub columns: Option<Arc<Schema>>,
    /// What the rules for rows are called from now on, with new columns: who knows other rules must not write.
    pub rules: Option<Uuid>,
    /// Nobody can change the table any more: another one is in its place.
    pub retires: bool,
}

/// What changes a table, as its history tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    #[default]
    Write,
    Overwrite,
    Delete,
    Update,
    Merge,
    /// The rows stay the same, in other files.
    Optimize,
    /// Of columns and rules.
    Alter,
    Restore { version: u64 },
}

impl Operation {
    /// Whether what it leaves is all that there is afterwards.
    fn replaces_all(self) -> bool {
        matches!(self, Self::Overwrite | Self::Restore { .. })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else took out a file that these changes take out, or changed the definition.
    #[error("the table was changed by another transaction")]
    Conflict,
    /// All of a transaction was made but for these tables, which somebody else has changed.
    #[error("another process changed {} at the same moment", lost.join(", "))]
    Partial { lost: Vec<String> },
    /// Whether it is made is not known yet; its journal tells later.
    #[error("{reason}")]
    Unfinished { reason: String },
    #[error(transparent)]
    Failed(#[from] Error),
}

impl TableChanges {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.columns.is_none() && !self.retires
    }

    /// Whether nothing that others do can keep these changes from being made.
    pub(super) fn only_adds(&self) -> bool {
        self.removed.is_empty() && self.columns.is_none() && !self.retires && !self.operation.replaces_all()
    }

    /// These changes, then others, which may take out what these add.
    pub fn then(&mut self, next: TableChanges) {
        self.operation = match (self.operation, next.operation) {
            (_, next) if self.is_empty() => next,
            (before, next) if before == next => next,
            // Rows that nobody has seen are replaced by neither.
            (before, next) if before.replaces_all() || next.replaces_all() => Operation::Overwrite,
            _ => Operation::Write,
        };
        let gone: HashSet<&str> = next.removed.iter().map(|file| file.path.as_str()).collect();
        let (never, added): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.added).into_iter().partition(|NewFile(add)| gone.contains(add.path.as_str()));
        let was_added: HashSet<&str> = never.iter().map(|NewFile(add)| add.path.as_str()).collect();
        self.removed.extend(next.removed.iter().filter(|file| !was_added.contains(file.path.as_str())).cloned());
        self.added = added;
        self.added.extend(next.added);
        self.columns = next.columns.or(self.columns.take());
        self.rules = next.rules.or(self.rules);
        self.retires |= next.retires;
    }

    fn actions(&self, base: &TableVersion) -> Result<Vec<Action>, DeltaTableError> {
        let data_change = self.operation != Operation::Optimize;
        let removed = self.removed.iter().map(|file| file.removal(data_change).into());
        let added = self.added.iter().map(|NewFile(add)| Add { data_change, ..add.clone() }.into());
        let mut actions: Vec<Action> = removed.chain(added).collect();
        if self.columns.is_some() || self.retires {
            let mut metadata = base.state.metadata().clone();
            if let Some(columns) = &self.columns {
                metadata = metadata.with_schema(&kernel_schema(columns)?)?;
            }
            if let Some(rules) = self.rules {
                metadata = metadata.add_config_key(RULES.to_owned(), rules.to_string())?;
            }
            if self.retires {
                metadata = metadata.add_config_key(RETIRED.to_owned(), true.to_string())?;
            }
            actions.insert(0, metadata.into());
        }
        Ok(actions)
    }

    /// Fails if the table does not allow them, whoever else changes it.
    pub(super) fn check(&self, base: &TableVersion) -> Result<()> {
        let check = || {
            let (actions, operation) = (self.actions(base)?, self.logged_operation(base)?);
            PROTOCOL.can_commit(base.state.snapshot(), &actions, &operation).map_err(DeltaTableError::from)
        };
        check().map_err(|error| failed(&base.location, error))
    }

    fn logged_operation(&self, base: &TableVersion) -> Result<DeltaOperation, DeltaTableError> {
        let partition_by = (!base.partition_columns.is_empty()).then(|| base.partition_columns.clone());
        Ok(match self.operation {
            Operation::Write => DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None },
            Operation::Overwrite => DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by, predicate: None },
            Operation::Delete => DeltaOperation::Delete { predicate: None },
            Operation::Update => DeltaOperation::Update { predicate: None },
            Operation::Merge => DeltaOperation::Merge {
                predicate: None,
                merge_predicate: None,
                matched_predicates: vec![],
                not_matched_predicates: vec![],
                not_matched_by_source_predicates: vec![],
            },
            Operation::Optimize => DeltaOperation::Optimize { predicate: None, target_size: FILE_BYTES_MAX as i64 },
            Operation::Alter => {
                let columns = self.columns.as_deref().map(kernel_schema).transpose()?;
                let fields = columns.map_or_else(Vec::new, |columns| columns.fields().cloned().collect());
                DeltaOperation::UpdateFieldMetadata { fields }
            }
            Operation::Restore { version } => DeltaOperation::Restore { version: Some(version), datetime: None },
        })
    }
}

impl DeltaTables {
    /// Makes `changes`, which were made to `base`.
    pub async fn commit(&self, base: &Arc<TableVersion>, changes: &TableChanges) -> Result<(), CommitError> {
        let turn = self.wait_for_turn(&base.location).await;
        self.commit_in_turn(base, changes, turn).await
    }

    /// Waits while somebody [holds](Self::hold) a table.
    pub async fn wait_for_turn(&self, location: &Url) -> Turn {
        Turn(self.turn(location).read_owned().await)
    }

    /// See [`commit`](Self::commit).
    pub async fn commit_in_turn(&self, base: &Arc<TableVersion>, changes: &TableChanges, _turn: Turn) -> Result<(), CommitError> {
        let _shared = self.commits.read().await;
        let alone = self.ledger.begin(1);
        let id = alone.ids()[0];
        self.commit_one(base, changes, id, &mut Some(alone)).await
    }

    /// Keeps others of this process from changing a table, but for transactions over several.
    pub async fn hold(&self, location: &Url) -> OwnedRwLockWriteGuard<()> {
        self.turn(location).write_owned().await
    }

    fn turn(&self, location: &Url) -> Arc<RwLock<()>> {
        self.turns.get_with_by_ref(location, Arc::default)
    }

    /// `alone` is given up as soon as the changes are made.
    pub(super) async fn commit_one(
        &self,
        base: &Arc<TableVersion>,
        changes: &TableChanges,
        id: Uuid,
        alone: &mut Option<Unpublished<'_>>,
    ) -> Result<(), CommitError> {
        let mut base = Arc::clone(base);
        if base.is_retired() {
            return Err(CommitError::Conflict);
        }
        for _ in 0..ATTEMPTS_MAX {
            match self.try_commit(&base, changes, id, None, alone).await? {
                Attempt::Done => return Ok(()),
                Attempt::Late => match self.rebase(&base, changes, Some(id)).await? {
                    Rebased::Done => return Ok(()),
                    Rebased::Onto(version) => base = version,
                },
            }
        }
        Err(CommitError::Conflict)
    }

    /// Keeps a commit that has not been made from ever being made, whoever may still be at it. Gives whether it was made.
    pub(super) async fn abort(&self, location: &Url, base: u64, id: Uuid) -> Result<bool> {
        for _ in 0..ATTEMPTS_MAX {
            let latest = self.latest(location).await?;
            if let Some(is_aborted) = self.entry_of(&latest, base + 1, id).await? {
                return Ok(!is_aborted);
            }
            // An entry that is on its way has this number, or one that is taken.
            if let Attempt::Done = self.try_commit(&latest, &TableChanges::default(), id, Some(ABORTED), &mut None).await? {
                return Ok(false);
            }
        }
        Err(failed(location, DeltaTableError::generic("others are always faster")))
    }

    /// The entry says also that it is `marked`.
    async fn try_commit(
        &self,
        base: &TableVersion,
        changes: &TableChanges,
        id: Uuid,
        marked: Option<&str>,
        alone: &mut Option<Unpublished<'_>>,
    ) -> Result<Attempt> {
        let location = &base.location;
        let properties = CommitProperties::default()
            .with_metadata([(COMMIT_ID.to_owned(), Value::from(id.to_string()))].into_iter().chain(marked.map(|mark| (mark.to_owned(), Value::from(true)))))
            // Conflicts are ours to judge: the library takes every reader of a table for one of all its files.
            .with_max_retries(0);
        let operation = changes.logged_operation(base).map_err(|error| failed(location, error))?;
        let commit = CommitBuilder::from(properties)
            .with_actions(changes.actions(base).map_err(|error| failed(location, error))?)
            .build(Some(&base.state), self.log(location)?, operation)
            .into_prepared_commit_future()
            .await
            .map_err(|error| failed(location, error))?;
        let committed = match commit.await {
            Ok(committed) => committed,
            Err(error) if is_late(&error) => return Ok(Attempt::Late),
            // The entry may be there although nobody said so.
            Err(error @ DeltaTableError::ObjectStore { .. }) => {
                let latest = self.latest(location).await?;
                return match self.entry_of(&latest, base.number + 1, id).await? {
                    Some(is_aborted) if is_aborted == marked.is_some() => Ok(Attempt::Done),
                    _ => Err(failed(location, error)),
                };
            }
            Err(error) => return Err(failed(location, error)),
        };
        // The changes are made, whatever comes now.
        drop(alone.take());
        let number = committed.version;
        let finished = committed.await.map_err(|error| failed(location, error));
        let version = finished.and_then(|finished| TableVersion::of(location, &finished.snapshot, Some(base)));
        match version {
            Ok(version) => {
                let origin = OnceCell::new_with(Some(Origin { id: Some(id), time: Some(Utc::now()) }));
                self.keep(&Arc::new(TableVersion { origin, ..version }));
            }
            Err(error) => tracing::warn!(%location, version = number, %error, "a version was made, but not read or no checkpoint of it was made"),
        }
        Ok(Attempt::Done)
    }

    /// Looks at what others have done since `base`.
    pub(super) async fn rebase(&self, base: &TableVersion, changes: &TableChanges, id: Option<Uuid>) -> Result<Rebased, CommitError> {
        if base.is_retired() {
            return Err(CommitError::Conflict);
        }
        let latest = self.latest(&base.location).await?;
        // Files that others have added since have the old columns.
        let is_bound = changes.columns.is_some() && latest.number > base.number;
        let removed: HashSet<&str> = changes.removed.iter().map(|file| file.path.as_str()).collect();
        for number in base.number + 1..=latest.number {
            for action in self.actions_of(&latest, number).await? {
                match action {
                    action if id.is_some_and(|id| id_of(&action) == Some(id)) => {
                        return if is_aborted(&action) { Err(CommitError::Conflict) } else { Ok(Rebased::Done) };
                    }
                    Action::Metadata(_) | Action::Protocol(_) => return Err(CommitError::Conflict),
                    _ if is_bound => return Err(CommitError::Conflict),
                    // Rows that nobody has seen are not replaced.
                    Action::Add(_) if changes.operation.replaces_all() => return Err(CommitError::Conflict),
                    Action::Remove(remove) if removed.contains(remove.path.as_str()) => return Err(CommitError::Conflict),
                    _ => {}
                }
            }
        }
        Ok(Rebased::Onto(latest))
    }

    /// Whether a commit was aborted; `None` if it is not in the log from the `first` version on.
    async fn entry_of(&self, latest: &TableVersion, first: u64, id: Uuid) -> Result<Option<bool>> {
        for number in first..=latest.number {
            if let Some(action) = self.actions_of(latest, number).await?.iter().find(|action| id_of(action) == Some(id)) {
                return Ok(Some(is_aborted(action)));
            }
        }
        Ok(None)
    }

    async fn actions_of(&self, version: &TableVersion, number: u64) -> Result<Vec<Action>> {
        let location = &version.location;
        let entry = self.log_entry(location, number).await?;
        entry.ok_or_else(|| failed(location, DeltaTableError::InvalidVersion(number)))
    }

    /// The entry of a version; `None` if it is not in the log any more.
    pub(super) async fn log_entry(&self, location: &Url, number: u64) -> Result<Option<Vec<Action>>> {
        let entry = self.log(location)?.read_commit_entry(number).await.map_err(|error| failed(location, error))?;
        let actions = entry.map(|entry| get_actions(number, &entry)).transpose();
        actions.map_err(|error| failed(location, error))
    }
}

/// While somebody has it nobody else holds the table.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "its end is the turn's")] OwnedRwLockReadGuard<()>);

impl TableVersion {
    fn is_retired(&self) -> bool {
        self.state.metadata().configuration().contains_key(RETIRED)
    }

    /// What the rules for rows are called.
    pub fn rules(&self) -> Option<Uuid> {
        self.state.metadata().configuration().get(RULES)?.parse().ok()
    }
}

enum Attempt {
    Done,
    /// There is a newer version.
    Late,
}

pub(super) enum Rebased {
    /// They are made already.
    Done,
    /// Nothing up to this version stands against them.
    Onto(Arc<TableVersion>),
}

/// Which commit of ours an entry is of, by its action that says so.
pub(super) fn id_of(action: &Action) -> Option<Uuid> {
    match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_ID)?.as_str()?.parse().ok(),
        _ => None,
    }
}

fn is_aborted(action: &Action) -> bool {
    matches!(action, Action::CommitInfo(info) if info.info.contains_key(ABORTED))
}

fn is_late(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_)
            }
    )
}
