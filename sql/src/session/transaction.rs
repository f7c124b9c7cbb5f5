//! The transaction block of a session: begun, failed or absent, with its savepoints and the settings to restore.

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
    savepoints: Vec<Savepoint>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    settings: Settings,
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
        self.block = Some(Block { failed: false, settings_at_begin: settings.clone(), savepoints: vec![] });
        true
    }

    /// Ends the block. `None`: there was none. Otherwise whether it committed, and the settings to restore if it did not.
    pub(crate) fn end(&mut self, commit: bool) -> Option<(bool, Settings)> {
        let block = self.block.take()?;
        Some((commit && !block.failed, block.settings_at_begin))
    }

    pub(crate) fn savepoint(&mut self, name: &str, settings: &Settings) -> Result<()> {
        let block = self.block.as_mut().ok_or(Error::NoActiveTransaction { command: "SAVEPOINT" })?;
        block.savepoints.push(Savepoint { name: name.to_owned(), settings: settings.clone() });
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
