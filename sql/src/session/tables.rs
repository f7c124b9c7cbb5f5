//! The rows of tables as a session sees them: those of the latest version, or in a transaction block those that it began
//! with and what it has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use engine::{CommitError, DeltaScan, NewFile, Operation, ReadFor, TableChanges, TableVersion, without_views};
use url::Url;

use super::scope::StatementScope;
use super::{Session, TransactionStatus};
use crate::catalog::TableDefinition;
use crate::error::{Error, Result};
use crate::sql_state::SqlState;

/// A table at one moment, for one session.
#[derive(Clone, Debug)]
pub(crate) struct TableContents {
    pub(crate) version: Arc<TableVersion>,
    /// Made by the session's transaction block, not committed.
    pub(crate) changes: Arc<TableChanges>,
}

impl TableContents {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.version, &other.version) && Arc::ptr_eq(&self.changes, &other.changes)
    }

    /// Whether the files have the columns of a definition, and the rows follow its rules, as the log and the changes say.
    pub(crate) fn is_described_by(&self, definition: &TableDefinition) -> bool {
        self.changes.rules.or_else(|| self.version.rules()) == definition.rules && self.has_columns(&definition.columns)
    }

    fn has_columns(&self, columns: &Schema) -> bool {
        let logged = self.changes.columns.as_deref().unwrap_or_else(|| self.version.schema());
        let is_same = |(logged, column): (&FieldRef, &FieldRef)| {
            logged.name() == column.name() && without_views(logged.data_type()).equals_datatype(column.data_type())
        };
        logged.fields().len() == columns.fields().len() && logged.fields().iter().zip(columns.fields()).all(is_same)
    }

    pub(crate) fn scan(&self, definition: &TableDefinition) -> Result<DeltaScan> {
        Ok(DeltaScan::new(Arc::clone(&self.version), &self.changes)?.described(&definition.columns))
    }
}

/// All queries that the statement which runs is made of see tables as they are now, until this is dropped.
pub(crate) fn pin_tables() -> PinnedTables {
    let scope = StatementScope::current();
    if let Some(scope) = &scope {
        *scope.pinned.lock() = Some(BTreeMap::new());
        *scope.read_point.lock() = None;
    }
    PinnedTables(scope)
}

/// See [`pin_tables`].
pub(crate) struct PinnedTables(Option<Arc<StatementScope>>);

impl Drop for PinnedTables {
    fn drop(&mut self) {
        if let Some(scope) = &self.0 {
            *scope.pinned.lock() = None;
        }
    }
}

impl Session {
    /// The table as the next statement sees it.
    pub(crate) async fn contents(&self, oid: u32, definition: &TableDefinition) -> Result<TableContents> {
        let scope = StatementScope::current();
        let pinned = || scope.as_ref()?.pinned.lock().as_ref()?.get(&oid).cloned();
        if let Some(known) = self.transaction(|transaction| transaction.contents(oid)).or_else(pinned) {
            return Ok(known);
        }
        let version = self.version(&definition.url()?).await?;
        let contents = TableContents { version, changes: Arc::default() };
        if let Some(scope) = &scope
            && let Some(pinned) = scope.pinned.lock().as_mut()
        {
            pinned.insert(oid, contents.clone());
        }
        Ok(self.transaction(|transaction| transaction.pin(oid, contents)))
    }

    /// The version of a table that the next statement sees, but for what its transaction block has changed.
    pub(crate) async fn version(&self, location: &Url) -> Result<Arc<TableVersion>> {
        let tables = self.sessions().engine.tables();
        let scope = StatementScope::current();
        let (point, reads) = match self.transaction_status() {
            TransactionStatus::Idle => (scope.as_ref().and_then(|scope| *scope.read_point.lock()), ReadFor::Statement),
            _ => (self.transaction(|transaction| transaction.read_point()), ReadFor::Transaction),
        };
        if let Some(point) = point {
            return Ok(tables.as_of(location, point, reads).await?);
        }
        let (version, point) = tables.read(location).await?;
        self.transaction(|transaction| transaction.read_from(point));
        if let Some(scope) = scope {
            *scope.read_point.lock() = Some(point);
        }
        Ok(version)
    }

    /// Whether a plan over these tables reads what the next statement should.
    pub(crate) async fn is_current(&self, tables: &[(u32, TableContents)]) -> Result<bool> {
        let snapshot = self.catalog();
        for (oid, planned) in tables {
            let Some(definition) = snapshot.table_definition(*oid) else { return Ok(false) };
            if !self.contents(*oid, definition).await?.is_same(planned) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Changes a table: at once, or when the transaction block commits. Files that are not needed after an error are removed.
    pub(crate) async fn change_table(&self, oid: u32, before: &TableContents, changes: TableChanges) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.transaction_status() != TransactionStatus::Idle {
            self.transaction(|transaction| transaction.change_table(oid, before, changes));
            return Ok(());
        }
        let (engine, version) = (Arc::clone(&self.sessions().engine), Arc::clone(&before.version));
        // For as long as it takes, but not once the changes are being made.
        let turn = engine.tables().wait_for_turn(&version.location).await;
        let commit = async move {
            let tables = engine.tables();
            match tables.commit_in_turn(&version, &changes, turn).await {
                Ok(()) => Ok(()),
                Err(CommitError::Conflict) => {
                    // What is restored is part of older versions.
                    if !matches!(changes.operation, Operation::Restore { .. }) {
                        tables.discard(&version.location, &changes.added).await;
                    }
                    Err(Error::SerializationFailure)
                }
                // Perhaps the changes were made all the same: their files stay.
                Err(error) => Err(error.into()),
            }
        };
        self.committing(commit).await
    }

    /// Removes files that will be in no table.
    pub(crate) async fn discard(&self, location: &Url, files: &[NewFile]) {
        self.sessions().engine.tables().discard(location, files).await;
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::SerializationFailure,
            error @ CommitError::Partial { .. } => Self::Classified {
                sql_state: SqlState::STATEMENT_COMPLETION_UNKNOWN,
                message: format!("the transaction was committed in part: {error}"),
                detail: None,
                hint: Some("All else of it is made.".into()),
                position: None,
            },
            CommitError::Unfinished { reason } => Self::Classified {
                sql_state: SqlState::STATEMENT_COMPLETION_UNKNOWN,
                message: format!("whether the transaction is committed is not known yet: {reason}"),
                detail: None,
                hint: Some("The server ends it as soon as its tables can be reached: look at them before you run it again.".into()),
                position: None,
            },
            CommitError::Failed(error) => error.into(),
        }
    }
}
