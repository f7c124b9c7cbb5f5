//! `pg_table_size`, `pg_database_size` and their kind: bytes of tables, as far as they are known.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::names::{class_names, relation_argument};
use super::{Info, failure, oid_of, with_source};
use crate::SqlState;
use crate::catalog::pg_catalog::oids;

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let mut functions = Vec::new();
    for (name, has_size) in
        [("pg_table_size", true), ("pg_relation_size", true), ("pg_total_relation_size", true), ("pg_indexes_size", false)]
    {
        let info = Arc::clone(info);
        functions.push(
            RowFunction::new(name, &[Parameter::Any, Parameter::Text], DataType::Int64, move |call| {
                let Some(oid) = relation_argument(&info, call.arg(0))? else { return Ok(Value::Null) };
                let table = info.snapshot().tables().find(|(_, table)| table.oid == oid).map(|(_, table)| table.size_bytes);
                Ok(match table {
                    Some(bytes) if has_size => bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0).into(),
                    Some(_) => Value::Int(0),
                    None => class_names(&info, oid).map(|_| 0_i64).into(),
                })
            })
            .required(1)
            .stable()
            .build(),
        );
    }
    let database = Arc::clone(info);
    functions.push(
        RowFunction::new("pg_database_size", &[Parameter::Any], DataType::Int64, move |call| {
            let snapshot = database.snapshot();
            let is_ours = match call.arg(0) {
                Value::Text(name) => *name == snapshot.database,
                oid => oid_of(oid) == Some(oids::DATABASE),
            };
            match (is_ours, call.arg(0)) {
                (true, _) => Ok(total_bytes(&database).into()),
                (false, Value::Text(name)) => failure(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist")),
                (false, _) => Ok(Value::Null),
            }
        })
        .stable()
        .build(),
    );
    let tablespace = Arc::clone(info);
    functions.push(
        RowFunction::new("pg_tablespace_size", &[Parameter::Any], DataType::Int64, move |_| Ok(total_bytes(&tablespace).into()))
            .stable()
            .build(),
    );
    // Nothing is published, inherited or partitioned.
    functions.push(
        RowFunction::new("pg_relation_is_publishable", &[Parameter::Any], DataType::Boolean, |_| Ok(false.into())).stable().build(),
    );
    functions
}

fn total_bytes(info: &Info) -> i64 {
    with_source(info, |source| {
        let bytes: u64 = source.snapshot.tables().filter_map(|(_, table)| table.size_bytes).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    })
}
