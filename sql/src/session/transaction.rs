//! The transaction block of a session: begun, failed or absent, with its savepoints and the settings to restore.

use std::sync::Arc;

use crate::catalog::CatalogSnapshot;
use crate::catalog::object::{Change, merge};
use crate::error::{Error, Result};
use crate::session::settings::Settings;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    #[default]
    Idle,
    InTransaction,
    Failed,
}

#[derive(Debug, Default)]
pub struct Transaction {
    block: Option<Block>,
}

#[derive(Debug)]
struct Block {
    failed: bool,
    /// What ROLLBACK restores.
    settings_at_begin: Settings,
    /// `None` before the first statement that needs it.
    catalog: Option<BlockCatalog>,
    savepoints: Vec<Savepoint>,
}

/// The catalog as it was when the block first used it, with what the block has changed.
#[derive(Clone, Debug)]
struct BlockCatalog {
    snapshot: Arc<CatalogSnapshot>,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    settings: Settings,
    catalog: Option<BlockCatalog>,
}

/// A block that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether it is to commit; else it rolls back.
    pub(crate) commits: bool,
    pub(crate) settings_at_begin: Settings,
    pub(crate) changes: Vec<Change>,
}

impl Transaction {
    pub(super) fn status(&self) -> TransactionStatus {
        match &self.block {
            None => TransactionStatus::Idle,
            Some(Block { failed: false, .. }) => TransactionStatus::InTransaction,
            Some(Block { failed: true, .. }) => TransactionStatus::Failed,
        }
    }

    pub(super) fn fail(&mut self) {
        if let Some(block) = &mut self.block {
            block.failed = true;
        }
    }

    /// Begins a block; `false` if one was open already.
    pub(crate) fn begin(&mut self, settings: &Settings) -> bool {
        if self.block.is_some() {
            return false;
        }
        self.block = Some(Block { failed: false, settings_at_begin: settings.clone(), catalog: None, savepoints: vec![] });
        true
    }

    /// Ends the block. `None`: there was none.
    pub(crate) fn end(&mut self, commit: bool) -> Option<Ended> {
        let Block { failed, settings_at_begin, catalog, .. } = self.block.take()?;
        let changes = catalog.map(|catalog| catalog.changes).unwrap_or_default();
        Some(Ended { commits: commit && !failed, settings_at_begin, changes })
    }

    /// The catalog that statements see now; `latest` outside a block.
    pub(super) fn catalog(&mut self, latest: impl FnOnce() -> Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        match &mut self.block {
            Some(block) => {
                let first = || BlockCatalog { snapshot: latest(), changes: vec![] };
                Arc::clone(&block.catalog.get_or_insert_with(first).snapshot)
            }
            None => latest(),
        }
    }

    /// Changes the catalog of the block, which a statement of it has seen.
    pub(super) fn change_catalog(&mut self, changes: &[Change]) {
        if let Some(catalog) = self.block.as_mut().and_then(|block| block.catalog.as_mut()) {
            let objects = changes.iter().map(|change| change.object.clone());
            catalog.snapshot = Arc::new(catalog.snapshot.with(objects, catalog.snapshot.stored_version()));
            catalog.changes = merge(&catalog.changes, changes);
        }
    }

    pub(crate) fn savepoint(&mut self, name: &str, settings: &Settings) -> Result<()> {
        let block = self.block.as_mut().ok_or(Error::NoActiveTransaction { command: "SAVEPOINT" })?;
        let catalog = block.catalog.clone();
        block.savepoints.push(Savepoint { name: name.to_owned(), settings: settings.clone(), catalog });
        Ok(())
    }

    pub(crate) fn release(&mut self, name: &str) -> Result<()> {
        let block = self.block.as_mut().ok_or(Error::NoActiveTransaction { command: "RELEASE SAVEPOINT" })?;
        let index = block.position(name)?;
        block.savepoints.truncate(index);
        Ok(())
    }

    /// Goes back to a savepoint, which stays, and clears the failure. Returns the settings to restore.
    pub(crate) fn rollback_to(&mut self, name: &str) -> Result<Settings> {
        let block = self.block.as_mut().ok_or(Error::NoActiveTransaction { command: "ROLLBACK TO SAVEPOINT" })?;
        let index = block.position(name)?;
        block.savepoints.truncate(index + 1);
        block.failed = false;
        block.catalog = block.savepoints[index].catalog.clone();
        Ok(block.savepoints[index].settings.clone())
    }
}

impl Block {
    fn position(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|savepoint| savepoint.name == name)
            .ok_or_else(|| Error::UndefinedSavepoint { name: name.to_owned() })
    }
}
