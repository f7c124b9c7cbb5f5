//! Tables and views of one session, which nobody else sees and which end with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Operation, TableChanges};
use url::Url;

use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::{CatalogSnapshot, OnCommit, TableDefinition};
use crate::error::Result;
use crate::session::tables::pin_tables;
use crate::session::{Session, TransactionStatus};

/// The schema that they are in, which each session has for itself.
pub(crate) const TEMPORARY_SCHEMA: &str = "pg_temp";
/// Below those that the catalog gives.
pub(crate) const TEMPORARY_SCHEMA_OID: u32 = 16_001;

/// What a session has made for itself.
#[derive(Debug, Default)]
pub(super) struct Temporary {
    objects: BTreeMap<u32, Object>,
    /// Where the rows of its tables are or were.
    locations: Vec<Url>,
    /// The last snapshot with the objects, and the version of the one without.
    last: Option<(u64, Arc<CatalogSnapshot>)>,
}

impl Temporary {
    /// `base` with the objects of the session.
    fn over(&mut self, base: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        if self.objects.is_empty() {
            return base;
        }
        match &self.last {
            Some((version, snapshot)) if *version == base.version => Arc::clone(snapshot),
            _ => {
                let snapshot = Arc::new(base.with(self.objects.values().cloned(), base.stored_version()));
                self.last = Some((base.version, Arc::clone(&snapshot)));
                snapshot
            }
        }
    }

    fn with_on_commit(&self) -> Vec<Object> {
        let has = |object: &&Object| matches!(&object.definition, Definition::Table(TableDefinition { on_commit: Some(_), .. }));
        self.objects.values().filter(has).cloned().collect()
    }

    fn change(&mut self, changes: &[Change]) {
        for Change { object, .. } in changes {
            if let Definition::Table(table) = &object.definition
                && let Ok(location) = table.url()
                && !self.locations.contains(&location)
            {
                self.locations.push(location);
            }
            match object.dropped {
                true => self.objects.remove(&object.oid),
                // One that is there has a version, so that dropping it is a change.
                false => self.objects.insert(object.oid, Object { version: 1, ..object.clone() }),
            };
        }
        self.last = None;
    }
}

/// Whether an object belongs to a session.
pub(crate) fn is_temporary(object: &Object) -> bool {
    object.oid == TEMPORARY_SCHEMA_OID || object.parent == TEMPORARY_SCHEMA_OID
}

/// The schema that something new is in, and what makes that schema if it is not there yet.
pub(crate) fn temporary_schema(snapshot: &CatalogSnapshot, user: &str) -> (u32, Option<Change>) {
    let made = || Change::create(TEMPORARY_SCHEMA_OID, 0, TEMPORARY_SCHEMA, user, Definition::Schema { comment: None });
    (TEMPORARY_SCHEMA_OID, snapshot.schema(TEMPORARY_SCHEMA).is_none().then(made))
}

impl Session {
    /// The catalog as it is now, with what is this session's own.
    pub(super) fn latest_catalog(&self) -> Arc<CatalogSnapshot> {
        self.with_temporary(self.sessions().catalog.snapshot())
    }

    /// A catalog with what is this session's own.
    pub(super) fn with_temporary(&self, catalog: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        self.temporary.lock().over(catalog)
    }

    /// Makes changes of what is this session's own.
    pub(crate) fn change_temporary(&self, changes: &[Change]) {
        if !changes.is_empty() {
            self.temporary.lock().change(changes);
        }
    }

    /// The schemas in which names without one are looked up.
    pub(crate) fn lookup_path(&self) -> Vec<String> {
        let mut path = self.search_path();
        if !path.iter().any(|schema| schema == TEMPORARY_SCHEMA) {
            path.insert(0, TEMPORARY_SCHEMA.to_owned());
        }
        path
    }

    /// The schemas of `search_path`. What is made without a schema is in the first of them that is there.
    pub(crate) fn search_path(&self) -> Vec<String> {
        self.settings(|settings| settings.search_path(settings.role()))
    }

    /// Does what temporary tables want done after a transaction, which is made in any case.
    pub(super) async fn end_transaction_of_temporary(&self) {
        if self.transaction_status() != TransactionStatus::Idle {
            return;
        }
        let tables = self.temporary.lock().with_on_commit();
        for table in tables {
            if let Err(error) = self.uncancelled(self.end_transaction_of(&table)).await {
                tracing::warn!(session_id = %self.id(), table = table.name, %error, "a temporary table is not as ON COMMIT says");
            }
        }
    }

    async fn end_transaction_of(&self, table: &Object) -> Result<()> {
        let Definition::Table(definition) = &table.definition else { return Ok(()) };
        match definition.on_commit {
            Some(OnCommit::Drop) => {
                let snapshot = self.latest_catalog();
                let dropped = snapshot.with_dependents(&[table.oid]).into_iter().filter_map(|oid| snapshot.object(oid));
                let dropped: Vec<Change> = dropped.map(|object| Change::drop(object)).collect();
                self.change_temporary(&dropped);
                self.sessions().engine.tables().remove(&definition.url()?).await;
            }
            Some(OnCommit::DeleteRows) => {
                let _pinned = pin_tables();
                let contents = self.contents(table.oid, definition).await?;
                let removed = contents.version.files().cloned().collect();
                let changes = TableChanges { removed, operation: Operation::Delete, ..TableChanges::default() };
                self.change_table(table.oid, &contents, changes).await?;
            }
            None => {}
        }
        Ok(())
    }

    /// Drops all that is this session's own.
    pub(crate) async fn discard_temporary(&self) {
        let locations = {
            let mut temporary = self.temporary.lock();
            temporary.objects.clear();
            temporary.last = None;
            std::mem::take(&mut temporary.locations)
        };
        for location in locations {
            self.sessions().engine.tables().remove(&location).await;
        }
    }
}
