//! What tables there are. A statement sees one immutable [`CatalogSnapshot`] from its first name to its last row.

pub mod functions;
pub mod information_schema;
pub mod location;
pub mod pg_catalog;
pub mod provider;
mod schema;
pub mod session_info;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

pub use schema::Schema;
pub use table::{Table, TableKind};

use crate::error::{Error, Result};

/// PostgreSQL keeps smaller numbers for its own objects.
const FIRST_USER_OID: u32 = 16_384;

/// The schema of names without one.
pub const PUBLIC_SCHEMA: &str = "public";
const PUBLIC_SCHEMA_OID: u32 = 2_200;

/// The tables of a server, changed as a whole.
#[derive(Debug)]
pub struct Catalog {
    snapshot: RwLock<Arc<CatalogSnapshot>>,
}

/// All schemas and tables at one moment. Never changes.
#[derive(Debug)]
pub struct CatalogSnapshot {
    pub database: String,
    /// Grows with every change.
    pub version: u64,
    pub schemas: Vec<Arc<Schema>>,
}

impl Catalog {
    /// A catalog of `database` whose schema `public` holds `tables`. Two tables of one name are an error that names both
    /// locations.
    pub fn new(database: &str, tables: Vec<location::FoundTable>) -> Result<Self> {
        let mut by_name: BTreeMap<String, location::FoundTable> = BTreeMap::new();
        for table in tables {
            if let Some(other) = by_name.get(&table.name) {
                return Err(Error::Location {
                    location: table.location,
                    message: format!("makes the table \"{}\", as {} does; rename one of them", table.name, other.location),
                });
            }
            by_name.insert(table.name.clone(), table);
        }
        let tables = by_name
            .into_values()
            .zip(FIRST_USER_OID..)
            .map(|(found, oid)| (found.name.clone(), Arc::new(found.into_table(oid))))
            .collect();
        let public = Schema {
            oid: PUBLIC_SCHEMA_OID,
            name: PUBLIC_SCHEMA.to_owned(),
            owner: "arbalest".to_owned(),
            tables,
        };
        let snapshot = CatalogSnapshot { database: database.to_owned(), version: 1, schemas: vec![Arc::new(public)] };
        Ok(Self { snapshot: RwLock::new(Arc::new(snapshot)) })
    }

    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.snapshot.read())
    }
}

impl CatalogSnapshot {
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.iter().find(|schema| schema.name == name)
    }

    /// Every table, with its schema.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<Schema>, &Arc<Table>)> {
        self.schemas.iter().flat_map(|schema| schema.tables.values().map(move |table| (schema, table)))
    }
}
