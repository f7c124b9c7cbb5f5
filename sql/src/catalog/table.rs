//! A relation that queries can name.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;

use super::object::TableDefinition;

#[derive(Debug)]
pub struct Table {
    pub oid: u32,
    pub name: String,
    pub kind: TableKind,
    /// The columns as queries see them.
    pub schema: SchemaRef,
    /// Where the rows are, for people.
    pub location: Option<String>,
    /// The table in plans.
    pub provider: Arc<dyn TableProvider>,
    /// Of a table that can be written.
    pub definition: Option<TableDefinition>,
    pub row_count: Option<u64>,
    pub size_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
    /// Files served from a location, which look like a plain table.
    External,
}
