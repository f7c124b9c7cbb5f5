//! A relation that queries can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{self, SchemaRef};
use datafusion::catalog::TableProvider;
use engine::SortColumn;
use serde::{Deserialize, Serialize};
use udfs::postgres::quote::quoted_identifier;
use url::Url;
use uuid::Uuid;

use super::key::KeyDefinition;
use super::view::ViewDefinition;
use crate::error::{Error, Result};

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
    /// Where the log is of a table that the server was told of and that has one.
    pub delta: Option<Url>,
    /// Of a table that can be written.
    pub definition: Option<TableDefinition>,
    pub row_count: Option<u64>,
    pub size_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
    MaterializedView,
    /// Files served from a location, which look like a plain table.
    External,
}

/// A table whose rows are kept by this server and others like it, at a place of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The URL of its Delta log and files, with a slash at the end.
    pub location: String,
    /// As they were made. Those that must not be NULL are not nullable.
    pub columns: datatypes::Schema,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_columns: Vec<String>,
    /// By which the rows of each file are sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_columns: Vec<SortColumn>,
    /// By column, as SQL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, String>,
    /// By column, as SQL over the other columns: values that are computed whenever a row is written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generated: BTreeMap<String, String>,
    /// Conditions that no row may fail, in the order of their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, String>,
    /// Keys and indexes that are declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyDefinition>,
    /// What the rules for rows (columns, checks) are called, if they were changed: the log says it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What becomes of a temporary table, or its rows, when a transaction commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_commit: Option<OnCommit>,
    /// Of a materialized view: the query whose rows these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub materialized: Option<Box<ViewDefinition>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnCommit {
    Drop,
    DeleteRows,
}

impl TableDefinition {
    pub(crate) fn url(&self) -> Result<Url> {
        let message = |error| format!("is not a URL: {error}");
        Url::parse(&self.location)
            .map_err(|error| Error::Location { location: self.location.clone(), message: message(error) })
    }

    /// `sorted_by` as a statement would say it; `None` if nothing is sorted.
    pub(crate) fn sorted_by(&self) -> Option<String> {
        let term = |column: &SortColumn| {
            let direction = if column.descending { " DESC" } else { "" };
            let nulls = match (column.descending, column.nulls_first) {
                (false, true) => " NULLS FIRST",
                (true, false) => " NULLS LAST",
                _ => "",
            };
            format!("{}{direction}{nulls}", quoted_identifier(&column.name))
        };
        (!self.sort_columns.is_empty()).then(|| self.sort_columns.iter().map(term).collect::<Vec<_>>().join(", "))
    }
}
