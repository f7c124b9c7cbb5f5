//! `pg_table_is_visible` and its kind: whether an object is found without its schema.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::names::{class_named, class_names};
use super::{Info, oid_of};
use crate::catalog::pg_catalog::oids::table_of_row_type;
use crate::catalog::pg_catalog::pg_proc::FUNCTIONS;
use crate::catalog::pg_catalog::types::TYPES;

/// Objects of these kinds are all in `pg_catalog`, which every search path has.
const SYSTEM_ONLY: [&str; 10] = [
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_statistics_obj_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
];

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let visible = |name: &str, of: fn(&Info, u32) -> Option<bool>| {
        let info = Arc::clone(info);
        RowFunction::new(name, &[Parameter::Oid], DataType::Boolean, move |call| {
            Ok(oid_of(call.arg(0)).and_then(|oid| of(&info, oid)).into())
        })
        .stable()
        .build()
    };
    let mut functions = vec![
        visible("pg_table_is_visible", table_is_visible),
        visible("pg_type_is_visible", |info, oid| match table_of_row_type(oid) {
            Some((table, _)) => table_is_visible(info, table),
            None => TYPES.contains_key(&oid).then_some(true),
        }),
        visible("pg_function_is_visible", |_, oid| FUNCTIONS.contains_key(&oid).then_some(true)),
    ];
    functions.extend(SYSTEM_ONLY.map(|name| visible(name, |_, _| Some(true))));
    functions.extend(["pg_is_other_temp_schema"].map(|name| visible(name, |_, _| Some(false))));
    functions.push(
        RowFunction::new("pg_my_temp_schema", &[], DataType::UInt32, |_| Ok(Value::Int(0)))
            .stable()
            .returns_pg_type(DataType::UInt32, "oid")
            .build(),
    );
    functions
}

/// NULL for an OID of nothing, as in PostgreSQL.
fn table_is_visible(info: &Info, oid: u32) -> Option<bool> {
    let (_, name) = class_names(info, oid)?;
    Some(class_named(info, &[&name]) == Some(oid))
}
