//! What tables there are. A statement sees one immutable [`CatalogSnapshot`] from its first name to its last row.

pub mod functions;
pub mod information_schema;
pub mod pg_catalog;
pub mod session_info;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;

/// All schemas and tables at one moment. Never changes.
#[derive(Debug)]
pub struct CatalogSnapshot {
    pub database: String,
    pub version: u64,
    pub schemas: Vec<Arc<Schema>>,
}

#[derive(Debug)]
pub struct Schema {
    pub oid: u32,
    pub name: String,
    pub owner: String,
    pub tables: BTreeMap<String, Arc<Table>>,
}

#[derive(Debug)]
pub struct Table {
    pub oid: u32,
    pub name: String,
    pub kind: TableKind,
    pub schema: SchemaRef,
    pub location: Option<String>,
    pub provider: Arc<dyn TableProvider>,
    pub row_count: Option<u64>,
    pub size_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
    External,
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
