//! `has_table_privilege` and its kind, `pg_has_role`.
//!
//! There are no grants yet: a role that exists may do what it wants with an object that exists, and a privilege, role or
//! object that does not exist is an error.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Call, Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::names::{class_names, identifiers, relation_argument};
use super::{Info, failure, oid_of, with_source};
use crate::SqlState;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::pg_proc::FUNCTIONS;
use crate::catalog::pg_catalog::roles::roles;
use crate::catalog::pg_catalog::{PG_CATALOG, oids};

const TABLE: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const COLUMN: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// Whether an object exists; an error if it is named and does not.
type Exists = fn(&Info, &Value) -> Result<bool>;

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let mut functions = vec![
        object(info, "has_table_privilege", TABLE, table_exists),
        object(info, "has_any_column_privilege", COLUMN, table_exists),
        object(info, "has_sequence_privilege", &["USAGE", "SELECT", "UPDATE"], table_exists),
        object(info, "has_schema_privilege", &["CREATE", "USAGE"], schema_exists),
        object(info, "has_database_privilege", &["CREATE", "CONNECT", "TEMPORARY", "TEMP"], database_exists),
        object(info, "has_function_privilege", &["EXECUTE"], |_, value| {
            Ok(oid_of(value).is_none_or(|oid| FUNCTIONS.contains_key(&oid)))
        }),
        object(info, "has_type_privilege", &["USAGE"], |_, _| Ok(true)),
        object(info, "has_language_privilege", &["USAGE"], |_, _| Ok(true)),
        object(info, "has_tablespace_privilege", &["CREATE"], |_, _| Ok(true)),
        object(info, "has_foreign_data_wrapper_privilege", &["USAGE"], |_, _| Ok(true)),
        object(info, "has_server_privilege", &["USAGE"], |_, _| Ok(true)),
    ];
    // has_column_privilege([user,] table, column, privilege)
    let columns = Arc::clone(info);
    functions.push(
        RowFunction::new("has_column_privilege", &[Parameter::Any; 4], DataType::Boolean, move |call| {
            let first = call.args.len() - 3;
            check_role(&columns, (first == 1).then(|| call.arg(0)))?;
            check_privilege(COLUMN, call.arg(first + 2))?;
            let Some(oid) = relation_argument(&columns, call.arg(first))? else { return Ok(Value::Null) };
            column_exists(&columns, oid, call.arg(first + 1))
        })
        .required(3)
        .stable()
        .build(),
    );
    // pg_has_role([user,] role, privilege)
    let members = Arc::clone(info);
    functions.push(
        RowFunction::new("pg_has_role", &[Parameter::Any; 3], DataType::Boolean, move |call| {
            let first = call.args.len() - 2;
            check_role(&members, (first == 1).then(|| call.arg(0)))?;
            check_privilege(&["MEMBER", "USAGE"], call.arg(first + 1))?;
            Ok(check_role(&members, Some(call.arg(first)))?.into())
        })
        .required(2)
        .stable()
        .build(),
    );
    functions
}

/// `has_x_privilege([user,] object, privilege)`
fn object(info: &Info, name: &str, privileges: &'static [&'static str], exists: Exists) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new(name, &[Parameter::Any; 3], DataType::Boolean, move |call: &Call<'_>| {
        let first = call.args.len() - 2;
        check_role(&info, (first == 1).then(|| call.arg(0)))?;
        check_privilege(privileges, call.arg(first + 1))?;
        Ok(if exists(&info, call.arg(first))? { Value::Bool(true) } else { Value::Null })
    })
    .required(2)
    .stable()
    .build()
}

/// `SELECT`, `select, insert with grant option`, …
fn check_privilege(known: &[&str], given: &Value) -> Result<()> {
    for privilege in given.as_text().unwrap_or_default().split(',') {
        let upper = privilege.trim().to_ascii_uppercase();
        let upper = upper.strip_suffix(" WITH GRANT OPTION").or_else(|| upper.strip_suffix(" WITH ADMIN OPTION")).unwrap_or(&upper);
        if !known.contains(&upper) {
            return failure(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{}\"", privilege.trim()));
        }
    }
    Ok(())
}

/// Whether a role exists; an error if it is named and does not.
fn check_role(info: &Info, role: Option<&Value>) -> Result<bool> {
    let Some(role) = role else { return Ok(true) };
    let exists = with_source(info, |source| {
        roles(source).iter().any(|known| role.as_text() == Some(known.name.as_str()) || oid_of(role) == Some(known.oid))
    });
    match role.as_text() {
        Some(name) if !exists => failure(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")),
        _ => Ok(exists),
    }
}

fn table_exists(info: &Info, value: &Value) -> Result<bool> {
    Ok(relation_argument(info, value)?.is_some_and(|oid| class_names(info, oid).is_some()))
}

fn schema_exists(info: &Info, value: &Value) -> Result<bool> {
    let snapshot = info.snapshot();
    match value.as_text() {
        Some(name) => {
            let parts = identifiers(name).unwrap_or_default();
            let known = |name: &str| name == PG_CATALOG || name == INFORMATION_SCHEMA || snapshot.schema(name).is_some();
            match known(name) || matches!(parts.as_slice(), [part] if known(part)) {
                true => Ok(true),
                false => failure(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")),
            }
        }
        None => Ok(oid_of(value).is_some_and(|oid| {
            [oids::PG_CATALOG_SCHEMA, oids::INFORMATION_SCHEMA].contains(&oid) || snapshot.schemas.iter().any(|schema| schema.oid == oid)
        })),
    }
}

fn database_exists(info: &Info, value: &Value) -> Result<bool> {
    match value.as_text() {
        Some(name) if name != info.snapshot().database => {
            failure(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
        }
        Some(_) => Ok(true),
        None => Ok(oid_of(value) == Some(oids::DATABASE)),
    }
}

fn column_exists(info: &Info, table: u32, column: &Value) -> Result<Value> {
    let snapshot = info.snapshot();
    let Some((_, table)) = snapshot.tables().find(|(_, known)| known.oid == table) else {
        return Ok(class_names(info, table).map(|_| true).into());
    };
    match column {
        Value::Text(name) if table.schema.column_with_name(name).is_none() => failure(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
        ),
        Value::Int(number) if *number < 1 || usize::try_from(*number).is_ok_and(|n| n > table.schema.fields().len()) => Ok(Value::Null),
        _ => Ok(true.into()),
    }
}
