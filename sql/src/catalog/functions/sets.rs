//! Functions that return rows, as functions that return an array: the planner unnests it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;
use udfs::postgres::{GENERATE_SUBSCRIPTS, PG_EXPANDARRAY};

use super::Info;
use crate::catalog::pg_catalog::data;

/// A function that returns a set: SQL's name, the function that returns the rows as an array, the names of their columns
/// (none: one column, named like the function).
pub struct SetFunction {
    pub name: &'static str,
    pub array_function: &'static str,
    pub columns: &'static [&'static str],
}

pub const SET_FUNCTIONS: [SetFunction; 5] = [
    SetFunction { name: "generate_series", array_function: "generate_series", columns: &[] },
    SetFunction { name: "generate_subscripts", array_function: GENERATE_SUBSCRIPTS, columns: &[] },
    SetFunction { name: "pg_partition_ancestors", array_function: "arbalest_pg_partition_ancestors", columns: &[] },
    SetFunction { name: "_pg_expandarray", array_function: PG_EXPANDARRAY, columns: &["x", "n"] },
    SetFunction {
        name: "pg_get_keywords",
        array_function: "arbalest_pg_get_keywords",
        columns: &["word", "catcode", "barelabel", "catdesc", "baredesc"],
    },
];

pub(super) fn functions(_info: &Info) -> Vec<ScalarUDF> {
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let keyword_fields: Fields = ["word", "catcode", "barelabel", "catdesc", "baredesc"]
        .map(|name| match name {
            "barelabel" => Field::new(name, DataType::Boolean, true),
            _ => Field::new(name, DataType::Utf8, true),
        })
        .into_iter()
        .collect();
    vec![
        // No table is a partition of another.
        RowFunction::new("arbalest_pg_partition_ancestors", &[Parameter::Any], list(DataType::UInt32), |_| Ok(Value::List(vec![])))
            .stable()
            .build(),
        RowFunction::new("arbalest_pg_get_keywords", &[], list(DataType::Struct(keyword_fields)), |_| {
            let Some(dump) = data::dump("pg_get_keywords") else { return Ok(Value::List(vec![])) };
            let row = |row: &Vec<Option<String>>| {
                Value::Struct(
                    dump.columns
                        .iter()
                        .zip(row)
                        .map(|(name, field)| data::value(field.as_deref(), if *name == "barelabel" { "bool" } else { "text" }))
                        .collect(),
                )
            };
            Ok(Value::List(dump.rows.iter().map(row).collect()))
        })
        .stable()
        .build(),
    ]
}
