//! `pg_proc`: the functions that clients look for.

use std::collections::HashMap;
use std::sync::LazyLock;

use udfs::postgres::value::Value;

use super::{Rows, data, oids};

const LANGUAGE_INTERNAL: i64 = 12;

pub(super) fn fill(rows: &mut Rows) {
    let Some(dump) = data::dump("pg_proc") else { return };
    let Some(relation) = data::relation(super::PG_CATALOG, "pg_proc") else { return };
    for row in &dump.rows {
        let returns_set = dump.columns.iter().zip(row).any(|(name, field)| *name == "proretset" && field.as_deref() == Some("t"));
        let mut values: Vec<(&str, Value)> = dump
            .columns
            .iter()
            .zip(row)
            .map(|(name, field)| {
                let column = relation.columns.iter().find(|column| column.name == *name);
                (*name, data::value(field.as_deref(), column.map_or("text", |column| column.type_name)))
            })
            .collect();
        values.extend([
            ("pronamespace", oids::PG_CATALOG_SCHEMA.into()),
            ("proowner", oids::BOOTSTRAP_ROLE.into()),
            ("prolang", LANGUAGE_INTERNAL.into()),
            ("procost", Value::Float(1.0)),
            ("prorows", Value::Float(if returns_set { 1000.0 } else { 0.0 })),
        ]);
        rows.push(&values);
    }
}

/// A function, as far as its signature is asked for.
pub struct Function {
    pub oid: u32,
    pub name: String,
    pub kind: String,
    pub argument_types: Vec<u32>,
    pub argument_names: Vec<String>,
    pub result_type: u32,
    pub returns_set: bool,
}

/// Every function of `pg_proc`, by OID.
pub static FUNCTIONS: LazyLock<HashMap<u32, Function>> = LazyLock::new(|| {
    let Some(dump) = data::dump("pg_proc") else { return HashMap::new() };
    let texts = |name| dump.column(name).map(|field| field.unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let (oid, name, kind, result) = (texts("oid"), texts("proname"), texts("prokind"), texts("prorettype"));
    let (returns_set, arguments, names) = (texts("proretset"), texts("proargtypes"), texts("proargnames"));
    (0..oid.len())
        .map(|row| {
            let argument_names = match data::value(Some(&names[row]), "_text") {
                Value::List(names) => names.iter().filter_map(|name| name.as_text().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            let function = Function {
                oid: oid[row].parse().unwrap_or_default(),
                name: name[row].clone(),
                kind: kind[row].clone(),
                argument_types: arguments[row].split_ascii_whitespace().filter_map(|oid| oid.parse().ok()).collect(),
                argument_names,
                result_type: result[row].parse().unwrap_or_default(),
                returns_set: returns_set[row] == "t",
            };
            (function.oid, function)
        })
        .collect()
});
