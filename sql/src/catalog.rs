//! What there is to name. A statement sees one immutable [`CatalogSnapshot`] from its first name to its last row.

mod external_table;
pub mod functions;
pub mod grants;
pub mod information_schema;
pub mod joint_commit;
mod key;
pub mod location;
pub mod object;
pub mod pg_catalog;
mod planned_relation;
pub mod provider;
pub mod role;
mod schema;
pub mod sealing;
pub mod secret;
pub mod session_info;
mod snapshot;
pub mod store;
mod table;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

pub(crate) use external_table::DELTA;
pub use external_table::ExternalTableDefinition;
pub use key::{KeyDefinition, KeyRole, Reference};
pub use schema::Schema;
pub use snapshot::CatalogSnapshot;
pub use table::{OnCommit, Table, TableDefinition, TableKind};
pub use view::ViewDefinition;

use crate::error::{Error, Result};
use object::Change;
use store::{CatalogStore, StoreError};

/// The schema of names without one.
pub const PUBLIC_SCHEMA: &str = "public";
/// The role that is always there and owns what nobody has made.
pub const BOOTSTRAP_ROLE: &str = "arbalest";
/// Also if it was renamed.
pub(crate) const PUBLIC_SCHEMA_OID: u32 = 2_200;

/// What a server knows of the catalog: the last version that it has read from the store.
pub struct Catalog {
    store: CatalogStore,
    snapshot: RwLock<Arc<CatalogSnapshot>>,
    /// Held while the snapshot is brought up to date.
    refreshing: tokio::sync::Mutex<()>,
    /// Held while a transaction changes more than one thing.
    joint_commits: tokio::sync::Mutex<()>,
    /// Journals that could not be ended, and when that was tried last.
    stuck_journals: Mutex<HashMap<Uuid, Instant>>,
    /// Told of each new snapshot.
    observer: OnceLock<Observer>,
}

type Observer = Box<dyn Fn(&CatalogSnapshot) + Send + Sync>;

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Catalog {
    /// The catalog of `database` in `store`, whose schema `public` also holds the tables that were `found`. Two tables of one
    /// name are an error that names both locations.
    pub async fn open(database: &str, store: CatalogStore, found: Vec<location::FoundTable>) -> Result<Self> {
        let mut by_name: BTreeMap<String, location::FoundTable> = BTreeMap::new();
        for table in found {
            if let Some(other) = by_name.get(&table.name) {
                return Err(Error::Location {
                    location: table.location,
                    message: format!("makes the table \"{}\", as {} does; rename one of them", table.name, other.location),
                });
            }
            by_name.insert(table.name.clone(), table);
        }
        let mut served = Vec::with_capacity(by_name.len());
        for (name, found) in by_name {
            let oid = store.served_oid(&name).await?;
            served.push(Arc::new(found.into_table(oid)));
        }
        let stored = store.changed_since(0).await?;
        let has_name = |name: &str| stored.objects.iter().any(|object| object.parent == PUBLIC_SCHEMA_OID && object.definition.is_relation() && !object.dropped && object.name == name);
        if let Some(table) = served.iter().find(|table| has_name(&table.name)) {
            return Err(Error::Location {
                location: table.location.clone().unwrap_or_default(),
                message: format!("makes the table \"{}\", which the catalog has already; rename one of them", table.name),
            });
        }
        let snapshot = CatalogSnapshot::new(database, served).with(stored.objects, stored.version);
        Ok(Self { store, snapshot: RwLock::new(Arc::new(snapshot)), refreshing: tokio::sync::Mutex::default(), joint_commits: tokio::sync::Mutex::default(), stuck_journals: Mutex::default(), observer: OnceLock::new() })
    }

    /// Calls `observer` with the catalog as it is, and whenever it has changed. The first one stays.
    pub(crate) fn observe(&self, observer: impl Fn(&CatalogSnapshot) + Send + Sync + 'static) {
        observer(&self.snapshot());
        let _first_stays = self.observer.set(Box::new(observer));
    }

    /// What was last read.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.snapshot.read())
    }

    /// The same, and what something else is at a moment at which this is what was last read.
    pub fn snapshot_at<T>(&self, other: impl FnOnce() -> T) -> (Arc<CatalogSnapshot>, T) {
        let snapshot = self.snapshot.read();
        (Arc::clone(&snapshot), other())
    }

    /// An oid that nothing has or had.
    pub(crate) async fn new_oid(&self) -> Result<u32> {
        Ok(self.store.reserve_oids(1).await?.start)
    }

    /// The same for several.
    pub(crate) async fn new_oids(&self, count: u32) -> Result<std::ops::Range<u32>> {
        Ok(self.store.reserve_oids(count).await?)
    }

    /// Makes all of `changes`, durably, or none. They are in the next snapshot.
    pub(crate) async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.store.commit(changes).await?;
        if let Err(error) = self.refresh().await {
            // They are made all the same. The next refresh reads them.
            tracing::warn!(%error, "the catalog was changed, but cannot be read");
        }
        Ok(())
    }

    /// Reads what other servers have changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let refreshing = self.refreshing.lock().await;
        self.refresh_within(&refreshing, || {}).await
    }

    /// `publish` makes known what is to be seen with the new snapshot, at the same moment.
    async fn refresh_within(&self, _one_at_a_time: &tokio::sync::MutexGuard<'_, ()>, publish: impl FnOnce()) -> Result<(), StoreError> {
        let known = self.snapshot();
        let changed = self.store.changed_since(known.stored_version()).await?;
        if !changed.objects.is_empty() {
            let snapshot = Arc::new(known.with(changed.objects, changed.version));
            if let Some(observer) = self.observer.get() {
                observer(&snapshot);
            }
            let mut current = self.snapshot.write();
            *current = snapshot;
            publish();
        }
        Ok(())
    }
}
