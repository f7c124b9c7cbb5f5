//! What a snapshot's tables mean in PostgreSQL's terms: keys, defaults, comments, definitions.

use datafusion::common::Constraint;
use datafusion::sql::unparser::expr_to_sql;
use udfs::postgres::value::Value;

use super::oids::{self, Part};
use crate::catalog::session_info::SessionInfo;
use crate::catalog::{CatalogSnapshot, KeyRole, Reference, Schema, Table, TableKind};
use crate::privileges::Rights;

/// Schema and field metadata: the text of COMMENT ON.
pub const COMMENT: &str = "ARBALEST:comment";

/// PostgreSQL's page size, in which it measures tables.
pub const PAGE_BYTES: u64 = 8192;

/// What system tables are computed from.
pub struct Source<'a> {
    pub snapshot: &'a CatalogSnapshot,
    pub session: &'a dyn SessionInfo,
}

impl<'a> Source<'a> {
    /// What the session may do.
    pub(crate) fn rights(&self) -> Rights<'a> {
        Rights::of(self.snapshot, &self.session.role())
    }
}

/// A primary or unique key, with the index that PostgreSQL would have made for it, or an index alone.
pub struct Key {
    /// `None` for an index alone.
    pub constraint: Option<u32>,
    pub index: u32,
    /// Of both.
    pub name: String,
    pub primary: bool,
    pub unique: bool,
    /// Columns by their names, and expressions.
    pub terms: Vec<String>,
    /// Column numbers from 1; 0 is an expression.
    pub columns: Vec<i64>,
}

/// A foreign key that is declared.
pub struct ForeignKey {
    pub constraint: u32,
    pub name: String,
    /// Column numbers from 1.
    pub columns: Vec<i64>,
    pub references: Reference,
}

/// The numbers of columns, from 1.
pub fn numbers(table: &Table, columns: &[String]) -> Vec<i64> {
    columns.iter().map(|name| table.schema.index_of(name).map_or(0, |index| i64::try_from(index + 1).unwrap_or_default())).collect()
}

/// The foreign keys that are declared of a table in this schema.
pub fn foreign_keys(schema: &Schema, table: &Table) -> Vec<ForeignKey> {
    let keys = table.definition.iter().flat_map(|definition| &definition.keys);
    let foreign = keys.filter_map(|key| {
        let mut references = key.references.clone()?;
        if references.schema.is_empty() {
            // Of the table itself.
            references.schema.clone_from(&schema.name);
        }
        let constraint = oids::named_part(table.oid, Part::Constraint, &key.name);
        Some(ForeignKey { constraint, name: key.name.clone(), columns: numbers(table, &key.columns), references })
    });
    foreign.collect()
}

impl Key {
    pub fn column_names<'a>(&self, table: &'a Table) -> Vec<&'a str> {
        self.columns
            .iter()
            .filter_map(|number| usize::try_from(number - 1).ok())
            .filter_map(|index| table.schema.fields().get(index))
            .map(|field| field.name().as_str())
            .collect()
    }
}

/// The keys that are declared of a table.
pub fn keys(table: &Table) -> Vec<Key> {
    let declared = table.definition.iter().flat_map(|definition| &definition.keys).filter(|key| key.role.has_index());
    let declared = declared.map(|key| Key {
        constraint: key.role.is_constraint().then(|| oids::named_part(table.oid, Part::Constraint, &key.name)),
        index: oids::named_part(table.oid, Part::Index, &key.name),
        name: key.name.clone(),
        primary: key.role == KeyRole::Primary,
        unique: key.role != KeyRole::Index,
        terms: key.columns.clone(),
        columns: numbers(table, &key.columns),
    });
    let found = table.provider.constraints().into_iter().flat_map(|constraints| constraints.iter());
    let found = found
        .enumerate()
        .map(|(ordinal, constraint)| {
            let (primary, indices) = match constraint {
                Constraint::PrimaryKey(indices) => (true, indices),
                Constraint::Unique(indices) => (false, indices),
            };
            let columns: Vec<i64> = indices.iter().zip(1..).filter_map(|(index, _): (_, i64)| i64::try_from(index + 1).ok()).collect();
            let mut key = Key {
                constraint: Some(oids::part(table.oid, Part::Constraint, ordinal)),
                index: oids::part(table.oid, Part::Index, ordinal),
                name: format!("{}_pkey", table.name),
                primary,
                unique: true,
                terms: vec![],
                columns,
            };
            key.terms = key.column_names(table).into_iter().map(str::to_owned).collect();
            if !primary {
                key.name = format!("{}_{}_key", table.name, key.column_names(table).join("_"));
            }
            key
        });
    found.chain(declared).collect()
}

/// A condition that all rows of a table meet.
pub struct Check {
    pub oid: u32,
    pub name: String,
    pub condition: String,
}

/// The conditions of a table, in the order of their names.
pub fn checks(table: &Table) -> Vec<Check> {
    let Some(definition) = &table.definition else { return vec![] };
    let check = |(index, (name, condition)): (usize, (&String, &String))| Check {
        // Keys have the numbers from 0.
        oid: oids::part(table.oid, Part::Constraint, CHECKS_FROM + index),
        name: name.clone(),
        condition: condition.clone(),
    };
    definition.checks.iter().enumerate().map(check).collect()
}

/// The number of a table's first condition among its constraints.
const CHECKS_FROM: usize = 1_000;

/// Whether no row can be NULL in a column.
pub fn is_not_null(table: &Table, column: usize) -> bool {
    let in_primary_key = || {
        keys(table).iter().any(|key| key.primary && key.columns.iter().any(|number| usize::try_from(number - 1) == Ok(column)))
    };
    table.schema.fields().get(column).is_some_and(|field| !field.is_nullable()) || in_primary_key()
}

/// The default of a column, as SQL.
pub fn column_default(table: &Table, column: &str) -> Option<String> {
    if let Some(definition) = &table.definition {
        return definition.defaults.get(column).cloned();
    }
    let default = table.provider.get_column_default(column)?;
    expr_to_sql(default).ok().map(|sql| sql.to_string())
}

/// What the values of a column are computed of, as SQL.
pub fn generation_expression(table: &Table, column: &str) -> Option<String> {
    table.definition.as_ref()?.generated.get(column).cloned()
}

/// The text of a view's query.
pub fn view_definition(table: &Table) -> Option<String> {
    if !matches!(table.kind, TableKind::View | TableKind::MaterializedView) {
        return None;
    }
    let text = table.provider.get_table_definition()?.trim().trim_end_matches(';');
    // The definition may be the whole CREATE VIEW statement; a query starts after its first AS.
    let lower = text.to_ascii_lowercase();
    let query = match lower.strip_prefix("create") {
        Some(_) => lower.find(" as ").map_or(text, |start| text[start + 4..].trim()),
        None => text,
    };
    Some(format!(" {query};"))
}

/// The comment of a table.
pub fn table_comment(table: &Table) -> Value {
    table.schema.metadata().get(COMMENT).cloned().into()
}

/// `r`, `v` or `m`.
pub fn relation_kind(table: &Table) -> &'static str {
    match table.kind {
        TableKind::Table | TableKind::External => "r",
        TableKind::View => "v",
        TableKind::MaterializedView => "m",
    }
}
