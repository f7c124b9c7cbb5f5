//! Rows of a system table under construction.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::Result;
use udfs::postgres::value::{Value, array_of};

use super::data::{self, Relation};
use super::types::{catalog_field, data_type, is_array};

/// The Arrow schema of a system table.
pub fn schema_of(relation: &Relation) -> SchemaRef {
    let fields: Vec<_> = relation.columns.iter().map(|column| catalog_field(column.name, column.type_name)).collect();
    Arc::new(Schema::new(fields))
}

/// Rows by column.
pub struct Rows {
    relation: &'static Relation,
    columns: Vec<Vec<Value>>,
    defaults: Vec<Value>,
}

impl Rows {
    pub fn new(relation: &'static Relation) -> Self {
        let defaults = relation.columns.iter().map(|column| {
            if column.not_null { zero(column.type_name) } else { Value::Null }
        });
        Self { relation, columns: vec![Vec::new(); relation.columns.len()], defaults: defaults.collect() }
    }

    /// Adds a row; columns not named are NULL, or where that cannot be zero, false or empty.
    pub fn push(&mut self, row: &[(&str, Value)]) {
        for (column, default) in self.columns.iter_mut().zip(&self.defaults) {
            column.push(default.clone());
        }
        // Rows name their columns in the order of the relation, so the search starts where the last one was found.
        let mut next = 0;
        for (name, value) in row {
            let found = self.relation.columns[next..].iter().position(|column| column.name == *name).map(|index| next + index);
            let found = found.or_else(|| self.relation.columns.iter().position(|column| column.name == *name));
            debug_assert!(found.is_some(), "{}.{name} is a column", self.relation.name);
            if let Some(slot) = found.and_then(|index| self.columns[index].last_mut()) {
                *slot = value.clone();
                next = found.unwrap_or_default();
            }
        }
    }

    /// Adds the rows that `generate.py` dumped of a relation.
    pub fn push_dump(&mut self, name: &str) {
        let Some(dump) = data::dump(name) else { return };
        let types: Vec<_> = dump
            .columns
            .iter()
            .map(|name| self.relation.columns.iter().find(|column| column.name == *name).map_or("text", |column| column.type_name))
            .collect();
        for row in &dump.rows {
            let values: Vec<_> = dump
                .columns
                .iter()
                .zip(row)
                .zip(&types)
                .map(|((name, field), type_name)| (*name, data::value(field.as_deref(), type_name)))
                .collect();
            self.push(&values);
        }
    }

    pub fn finish(self) -> Result<RecordBatch> {
        let rows = self.columns.first().map_or(0, Vec::len);
        let arrays = self
            .relation
            .columns
            .iter()
            .zip(&self.columns)
            .map(|(column, values)| array_of(values, &data_type(column.type_name)))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema_of(self.relation), arrays, &options)?)
    }
}

fn zero(type_name: &str) -> Value {
    if is_array(type_name) || type_name.ends_with("vector") {
        return Value::List(vec![]);
    }
    match type_name {
        "bool" => Value::Bool(false),
        "int2" | "int4" | "int8" | "oid" | "xid" | "regproc" => Value::Int(0),
        "float4" | "float8" => Value::Float(0.0),
        "timestamptz" => Value::Timestamp(0),
        _ => Value::text(""),
    }
}
