//! The transaction block of a session: begun, failed or absent, with its savepoints and the settings to restore.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{NewFile, ReadPoint, TableChanges, TableVersion};
use url::Url;

use crate::catalog::CatalogSnapshot;
use crate::catalog::grants::Securable;
use crate::catalog::object::{Change, Definition, Object, merge};
use crate::error::{Error, Result};
use crate::session::settings::Settings;
use crate::session::tables::TableContents;
use crate::session::temporary::is_temporary;

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
    /// Of several statements that came together, without BEGIN: they are one transaction.
    implicit: bool,
    /// What ROLLBACK restores.
    settings_at_begin: Settings,
    /// `None` before the first statement that needs it.
    catalog: Option<BlockCatalog>,
    /// When the block sees its tables; `None` before the first.
    read_point: Option<ReadPoint>,
    /// By oid, those that a statement has used.
    tables: BTreeMap<u32, TableContents>,
    /// Tables that the block has replaced, and their last changes.
    retired: Vec<(Arc<TableVersion>, Arc<TableChanges>)>,
    /// All files that the block has written, with the locations of their tables.
    written: Vec<(Url, NewFile)>,
    /// Locations of the tables that the block has made.
    created: Vec<Url>,
    savepoints: Vec<Savepoint>,
}

/// The catalog as it was when the block first used it, with what the block has changed.
#[derive(Clone, Debug)]
struct BlockCatalog {
    /// Without what the block has changed.
    first: Arc<CatalogSnapshot>,
    snapshot: Arc<CatalogSnapshot>,
    changes: Vec<Change>,
    /// The version of the catalog whose roles and grants these are.
    rights_version: u64,
}

impl BlockCatalog {
    fn new(first: Arc<CatalogSnapshot>) -> Self {
        Self { snapshot: Arc::clone(&first), rights_version: first.version, first, changes: vec![] }
    }

    /// Takes roles, owners and grants from `latest`, but of what the block itself has changed.
    fn refresh_rights(&mut self, latest: &CatalogSnapshot) {
        if self.rights_version == latest.version {
            return;
        }
        self.rights_version = latest.version;
        let is_own = |object: &Object| self.changes.iter().any(|change| change.object.oid == object.oid);
        let is_role = |object: &Object| matches!(object.definition, Definition::Role(_));
        let mut changed: Vec<Object> = vec![];
        for object in latest.objects().filter(|object| !is_own(object)) {
            match self.snapshot.object(object.oid) {
                Some(known) if known.version == object.version => {}
                _ if is_role(object) => changed.push(Object::clone(object)),
                Some(known) => {
                    let (owner, grants) = (object.owner.clone(), object.grants.clone());
                    changed.push(Object { owner, grants, ..Object::clone(known) });
                }
                // What keeps the grants of something that was there before.
                None if !object.definition.is_relation() && object.definition.securable().is_some_and(|kind| kind != Securable::Schema) => {
                    changed.push(Object::clone(object));
                }
                None => {}
            }
        }
        for role in self.snapshot.objects().filter(|object| is_role(object) && !is_own(object)) {
            if latest.object(role.oid).is_none() {
                changed.push(Object { dropped: true, ..Object::clone(role) });
            }
        }
        if !changed.is_empty() {
            self.snapshot = Arc::new(self.snapshot.with(changed, self.snapshot.stored_version()));
        }
    }
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    settings: Settings,
    catalog: Option<BlockCatalog>,
    tables: BTreeMap<u32, TableContents>,
    retired: Vec<(Arc<TableVersion>, Arc<TableChanges>)>,
}

/// A block that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether it is to commit; else it rolls back.
    pub(crate) commits: bool,
    pub(crate) settings_at_begin: Settings,
    pub(crate) changes: Vec<Change>,
    /// Those that it has changed and that others see.
    pub(crate) tables: Vec<TableContents>,
    /// Those of the session alone.
    pub(crate) temporary: Vec<TableContents>,
    /// Files that are in none of `tables`, with the locations of their tables.
    pub(crate) unused: Vec<(Url, NewFile)>,
    /// Locations of tables that it has made.
    pub(crate) created: Vec<Url>,
}

impl Transaction {
    pub(super) fn status(&self) -> TransactionStatus {
        match &self.block {
            None => TransactionStatus::Idle,
            Some(Block { failed: false, .. }) => TransactionStatus::InTransaction,
            Some(Block { failed: true, .. }) => TransactionStatus::Failed,
        }
    }

    pub(crate) fn fail(&mut self) {
        if let Some(block) = &mut self.block {
            block.failed = true;
        }
    }

    /// Begins a block; `false` if one was open already. What came before in an implicit block is part of it.
    pub(crate) fn begin(&mut self, settings: &Settings) -> bool {
        match &mut self.block {
            Some(block) if !block.implicit => return false,
            Some(block) => block.implicit = false,
            None => self.open(settings, false),
        }
        true
    }

    /// Begins an implicit block, unless there is a block.
    pub(super) fn begin_implicit(&mut self, settings: &Settings) {
        if self.block.is_none() {
            self.open(settings, true);
        }
    }

    pub(crate) fn is_implicit(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.implicit)
    }

    fn open(&mut self, settings: &Settings, implicit: bool) {
        self.block = Some(Block {
            failed: false,
            implicit,
            settings_at_begin: settings.clone(),
            catalog: None,
            read_point: None,
            tables: BTreeMap::new(),
            retired: vec![],
            written: vec![],
            created: vec![],
            savepoints: vec![],
        });
    }

    /// Ends the block. `None`: there was none.
    pub(crate) fn end(&mut self, commit: bool) -> Option<Ended> {
        let Block { failed, settings_at_begin, catalog, tables, retired, written, created, .. } = self.block.take()?;
        let commits = commit && !failed;
        let (changes, tables, temporary) = match commits {
            true => {
                let object = |oid: &u32| catalog.as_ref().and_then(|catalog| catalog.snapshot.object(*oid));
                let is_dropped = |oid: &u32| catalog.is_some() && object(oid).is_none();
                let changed = tables.into_iter().filter(|(oid, table)| !table.changes.is_empty() && !is_dropped(oid));
                let (temporary, tables): (Vec<_>, Vec<_>) = changed.partition(|(oid, _)| object(oid).is_some_and(|object| is_temporary(object)));
                let contents = |tables: Vec<(u32, TableContents)>| tables.into_iter().map(|(_, table)| table).collect();
                let (mut tables, temporary): (Vec<TableContents>, Vec<TableContents>) = (contents(tables), contents(temporary));
                tables.extend(retired.into_iter().map(|(version, changes)| TableContents { version, changes }));
                (catalog.map(|catalog| catalog.changes).unwrap_or_default(), tables, temporary)
            }
            false => (vec![], vec![], vec![]),
        };
        let all = || tables.iter().chain(&temporary);
        let is_used = |file: &NewFile| all().any(|table| table.changes.added.iter().any(|added| added.is_same(file)));
        let unused = written.into_iter().filter(|(_, file)| !is_used(file)).collect();
        Some(Ended { commits, settings_at_begin, changes, tables, temporary, unused, created })
    }

    /// The block has made a table, of which nobody knows if it does not commit.
    pub(crate) fn created(&mut self, location: Url) {
        if let Some(block) = &mut self.block {
            block.created.push(location);
        }
    }

    /// When the block sees its tables, if that is known.
    pub(super) fn read_point(&self) -> Option<ReadPoint> {
        self.block.as_ref()?.read_point
    }

    /// The block sees all tables as they were then.
    pub(super) fn read_from(&mut self, point: ReadPoint) {
        if let Some(block) = &mut self.block {
            block.read_point.get_or_insert(point);
        }
    }

    /// Whether the block has made the table that is there.
    pub(crate) fn has_created(&self, location: &Url) -> bool {
        self.block.as_ref().is_some_and(|block| block.created.contains(location))
    }

    /// The block has put another table in the place of this one.
    pub(super) fn retire(&mut self, table: (Arc<TableVersion>, Arc<TableChanges>)) {
        if let Some(block) = &mut self.block {
            block.retired.push(table);
        }
    }

    /// What the block has seen of a table.
    pub(super) fn contents(&self, oid: u32) -> Option<TableContents> {
        self.block.as_ref()?.tables.get(&oid).cloned()
    }

    /// What the block sees of a table from now on: what it saw first.
    pub(super) fn pin(&mut self, oid: u32, contents: TableContents) -> TableContents {
        match &mut self.block {
            Some(block) => block.tables.entry(oid).or_insert(contents).clone(),
            None => contents,
        }
    }

    /// The block looks at a table anew: it is another one now.
    pub(crate) fn forget(&mut self, oid: u32) {
        if let Some(block) = &mut self.block {
            block.tables.remove(&oid);
        }
    }

    /// Changes a table of the block, which was `before`.
    pub(super) fn change_table(&mut self, oid: u32, before: &TableContents, changes: TableChanges) {
        if let Some(block) = &mut self.block {
            let location = &before.version.location;
            block.written.extend(changes.added.iter().map(|file| (location.clone(), file.clone())));
            let mut all = TableChanges::clone(&before.changes);
            all.then(changes);
            let contents = TableContents { version: Arc::clone(&before.version), changes: Arc::new(all) };
            block.tables.insert(oid, contents);
        }
    }

    /// The catalog that statements see now: outside a block the `latest`, within one that of its beginning, with what the block
    /// has changed, and with the rights that everybody has now.
    /// `point` is a moment at which `latest` was the latest.
    pub(super) fn catalog(&mut self, latest: Arc<CatalogSnapshot>, point: ReadPoint) -> Arc<CatalogSnapshot> {
        match &mut self.block {
            Some(block) => {
                block.read_point.get_or_insert(point);
                let catalog = block.catalog.get_or_insert_with(|| BlockCatalog::new(Arc::clone(&latest)));
                catalog.refresh_rights(&latest);
                Arc::clone(&catalog.snapshot)
            }
            None => latest,
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
        let block = self.block.as_mut().filter(|block| !block.implicit).ok_or(Error::NoActiveTransaction { command: "SAVEPOINT" })?;
        let (catalog, tables, retired) = (block.catalog.clone(), block.tables.clone(), block.retired.clone());
        block.savepoints.push(Savepoint { name: name.to_owned(), settings: settings.clone(), catalog, tables, retired });
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
        block.retired.clone_from(&block.savepoints[index].retired);
        // What was used first since then stays as it was seen.
        let first = block.catalog.take().map(|catalog| BlockCatalog::new(catalog.first));
        block.catalog = block.savepoints[index].catalog.clone().or(first);
        let before = block.savepoints[index].tables.clone();
        block.tables = before.into_iter().chain(unchanged(&block.tables, &block.savepoints[index].tables, &block.created)).collect();
        Ok(block.savepoints[index].settings.clone())
    }
}

/// Tables that are not among `known`, as they were when they were first used. Those that the block has made since then are
/// others again.
fn unchanged<'a>(
    tables: &'a BTreeMap<u32, TableContents>,
    known: &'a BTreeMap<u32, TableContents>,
    created: &[Url],
) -> Vec<(u32, TableContents)> {
    let unknown = tables.iter().filter(|(oid, table)| !known.contains_key(oid) && !created.contains(&table.version.location));
    let original = |table: &TableContents| TableContents { version: Arc::clone(&table.version), changes: Arc::default() };
    unknown.map(|(oid, table)| (*oid, original(table))).collect()
}

impl Block {
    fn position(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|savepoint| savepoint.name == name)
            .ok_or_else(|| Error::UndefinedSavepoint { name: name.to_owned() })
    }
}
