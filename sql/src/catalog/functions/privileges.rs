//! `has_table_privilege` and its kind, `pg_has_role`.
//!
//! A privilege, role or object that is named and does not exist is an error; one whose oid does not exist is NULL.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Call, Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::names::{class_names, identifiers, relation_argument};
use super::{Info, failure, oid_of, with_source};
use crate::SqlState;
use crate::catalog::CatalogSnapshot;
use crate::catalog::grants::{Privilege, Securable};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::pg_proc::FUNCTIONS;
use crate::catalog::pg_catalog::roles::roles;
use crate::catalog::pg_catalog::{PG_CATALOG, oids};
use crate::privileges::{Rights, Secured, secured_database, secured_relation, secured_schema};

/// A privilege, and whether it is asked for the right to pass it on.
type Asked = (Privilege, bool);

/// Whether a role may do something with an object; `None` if there is no such object.
type May = fn(&Info, &Rights<'_>, &Value, &[Asked]) -> Result<Option<bool>>;

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let mut functions = vec![
        object(info, "has_table_privilege", Securable::Relation, table),
        object(info, "has_any_column_privilege", Securable::Column, any_column),
        object(info, "has_schema_privilege", Securable::Schema, schema),
        object(info, "has_database_privilege", Securable::Database, database),
        open(info, "has_sequence_privilege", &["USAGE", "SELECT", "UPDATE"], |info, value| {
            Ok(relation_argument(info, value)?.is_some_and(|oid| class_names(info, oid).is_some()))
        }),
        open(info, "has_function_privilege", &["EXECUTE"], |_, value| {
            Ok(oid_of(value).is_none_or(|oid| FUNCTIONS.contains_key(&oid)))
        }),
        open(info, "has_type_privilege", &["USAGE"], |_, _| Ok(true)),
        open(info, "has_language_privilege", &["USAGE"], |_, _| Ok(true)),
        open(info, "has_tablespace_privilege", &["CREATE"], |_, _| Ok(true)),
        open(info, "has_foreign_data_wrapper_privilege", &["USAGE"], |_, _| Ok(true)),
        open(info, "has_server_privilege", &["USAGE"], |_, _| Ok(true)),
    ];
    // has_column_privilege([user,] table, column, privilege)
    let columns = Arc::clone(info);
    functions.push(
        RowFunction::new("has_column_privilege", &[Parameter::Any; 4], DataType::Boolean, move |call| {
            let first = call.args.len() - 3;
            let asked = privileges(Securable::Column, call.arg(first + 2))?;
            let Some(role) = role_argument(&columns, (first == 1).then(|| call.arg(0)))? else { return Ok(Value::Null) };
            let Some(oid) = relation_argument(&columns, call.arg(first))? else { return Ok(Value::Null) };
            let snapshot = columns.snapshot();
            column(&columns, &rights(&snapshot, &role), oid, call.arg(first + 1), &asked)
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
            let asked = call.arg(first + 1).as_text().unwrap_or_default().to_ascii_uppercase();
            let mut usage = vec![];
            for word in asked.split(',').map(str::trim) {
                let plain = word.strip_suffix(" WITH ADMIN OPTION").or_else(|| word.strip_suffix(" WITH GRANT OPTION"));
                match plain.unwrap_or(word) {
                    "USAGE" => usage.push((true, plain.is_some())),
                    "MEMBER" => usage.push((false, plain.is_some())),
                    _ => return failure(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{word}\"")),
                }
            }
            let Some(role) = role_argument(&members, (first == 1).then(|| call.arg(0)))? else { return Ok(Value::Null) };
            let Some(group) = role_argument(&members, Some(call.arg(first)))? else { return Ok(Value::Null) };
            let snapshot = members.snapshot();
            let rights = rights(&snapshot, &role);
            let is_admin = || {
                let membership = snapshot.role(&role).and_then(|(_, role)| role.member_of.get(&group));
                rights.is_superuser() || membership.is_some_and(|membership| membership.admin)
            };
            let has = |(usage, admin): &(bool, bool)| match (admin, usage) {
                (true, _) => is_admin(),
                (false, true) => rights.has_role(&group),
                (false, false) => rights.is_member(&group),
            };
            Ok(usage.iter().any(has).into())
        })
        .required(2)
        .stable()
        .build(),
    );
    functions
}

/// `has_x_privilege([user,] object, privilege)`
fn object(info: &Info, name: &str, kind: Securable, may: May) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new(name, &[Parameter::Any; 3], DataType::Boolean, move |call: &Call<'_>| {
        let first = call.args.len() - 2;
        let asked = privileges(kind, call.arg(first + 1))?;
        let Some(role) = role_argument(&info, (first == 1).then(|| call.arg(0)))? else { return Ok(Value::Null) };
        let snapshot = info.snapshot();
        Ok(may(&info, &rights(&snapshot, &role), call.arg(first), &asked)?.map_or(Value::Null, Value::Bool))
    })
    .required(2)
    .stable()
    .build()
}

/// The same for objects that are everybody's.
fn open(info: &Info, name: &str, known: &'static [&'static str], exists: fn(&Info, &Value) -> Result<bool>) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new(name, &[Parameter::Any; 3], DataType::Boolean, move |call: &Call<'_>| {
        let first = call.args.len() - 2;
        role_argument(&info, (first == 1).then(|| call.arg(0)))?;
        for word in words(call.arg(first + 1)) {
            if !known.contains(&word.0.as_str()) {
                return unrecognized(&word.0);
            }
        }
        Ok(if exists(&info, call.arg(first))? { Value::Bool(true) } else { Value::Null })
    })
    .required(2)
    .stable()
    .build()
}

fn unrecognized<T>(word: &str) -> Result<T> {
    failure(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{word}\""))
}

/// `SELECT`, `select, insert with grant option`, …: in upper case, and whether it is for the option.
fn words(given: &Value) -> Vec<(String, bool)> {
    let word = |word: &str| {
        let upper = word.trim().to_ascii_uppercase();
        match upper.strip_suffix(" WITH GRANT OPTION") {
            Some(plain) => (plain.trim().to_owned(), true),
            None => (upper, false),
        }
    };
    given.as_text().unwrap_or_default().split(',').map(word).collect()
}

fn privileges(kind: Securable, given: &Value) -> Result<Vec<Asked>> {
    let privilege = |(word, option): (String, bool)| match Privilege::named(&word) {
        Some(privilege) if kind.privileges().contains(&privilege) => Ok((privilege, option)),
        _ => unrecognized(&word),
    };
    words(given).into_iter().map(privilege).collect()
}

/// The rights of a role, or of everybody, which is nobody's name.
fn rights<'a>(snapshot: &'a CatalogSnapshot, role: &str) -> Rights<'a> {
    if role == "public" { Rights::of_everybody(snapshot) } else { Rights::of(snapshot, role) }
}

/// The name of a role that is given by name or oid, or of the session's; `None` if there is none with the oid.
fn role_argument(info: &Info, role: Option<&Value>) -> Result<Option<String>> {
    let Some(role) = role else { return Ok(Some(info.role())) };
    if role.as_text() == Some("public") {
        return Ok(Some("public".into()));
    }
    if let Some(name) = role.as_text().filter(|name| info.snapshot().role(name).is_some()) {
        return Ok(Some(name.to_owned()));
    }
    let found = with_source(info, |source| {
        roles(source).into_iter().find(|known| role.as_text() == Some(known.name.as_str()) || oid_of(role) == Some(known.oid))
    });
    match (found, role.as_text()) {
        (Some(role), _) => Ok(Some(role.name)),
        // Whoever is connected is somebody, also before there are roles.
        (None, Some(name)) if name == info.role() || name == info.session_user() => Ok(Some(name.to_owned())),
        (None, Some(name)) => failure(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")),
        (None, None) => Ok(None),
    }
}

fn any(rights: &Rights<'_>, object: &Secured<'_>, asked: &[Asked]) -> bool {
    asked.iter().any(|(privilege, option)| match option {
        true => rights.may_pass_on(object, None, *privilege),
        false => rights.may(object, *privilege),
    })
}

/// What everybody may read and nobody change.
fn of_system(rights: &Rights<'_>, asked: &[Asked]) -> bool {
    rights.is_superuser() || asked.iter().any(|(privilege, option)| !option && matches!(privilege, Privilege::Select | Privilege::Usage))
}

fn table(info: &Info, rights: &Rights<'_>, value: &Value, asked: &[Asked]) -> Result<Option<bool>> {
    let Some(oid) = relation_argument(info, value)? else { return Ok(None) };
    Ok(match rights.snapshot.table(oid) {
        Some((schema, table)) => Some(any(rights, &secured_relation(rights.snapshot, schema, table), asked)),
        None => class_names(info, oid).map(|_| of_system(rights, asked)),
    })
}

fn any_column(info: &Info, rights: &Rights<'_>, value: &Value, asked: &[Asked]) -> Result<Option<bool>> {
    let Some(oid) = relation_argument(info, value)? else { return Ok(None) };
    let Some((schema, found)) = rights.snapshot.table(oid) else { return table(info, rights, value, asked) };
    let secured = secured_relation(rights.snapshot, schema, found);
    let passes = |privilege| found.schema.fields().iter().any(|field| rights.may_pass_on(&secured, Some(field.name()), privilege));
    Ok(Some(asked.iter().any(|(privilege, option)| match option {
        true => passes(*privilege),
        false => rights.may_some_column(&secured, *privilege),
    })))
}

fn schema(_: &Info, rights: &Rights<'_>, value: &Value, asked: &[Asked]) -> Result<Option<bool>> {
    let schemas = &rights.snapshot.schemas;
    let is_system = |name: &str| name == PG_CATALOG || name == INFORMATION_SCHEMA;
    let by_name = |name: &str| schemas.iter().find(|schema| schema.name == name);
    match value.as_text() {
        Some(text) => {
            let parts = identifiers(text).unwrap_or_default();
            let name = match parts.as_slice() {
                [part] if by_name(text).is_none() => part.as_str(),
                _ => text,
            };
            match by_name(name) {
                Some(schema) => Ok(Some(any(rights, &secured_schema(rights.snapshot, schema), asked))),
                None if is_system(name) => Ok(Some(of_system(rights, asked))),
                None => failure(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")),
            }
        }
        None => Ok(oid_of(value).and_then(|oid| match schemas.iter().find(|schema| schema.oid == oid) {
            Some(schema) => Some(any(rights, &secured_schema(rights.snapshot, schema), asked)),
            None => [oids::PG_CATALOG_SCHEMA, oids::INFORMATION_SCHEMA].contains(&oid).then(|| of_system(rights, asked)),
        })),
    }
}

fn database(_: &Info, rights: &Rights<'_>, value: &Value, asked: &[Asked]) -> Result<Option<bool>> {
    match value.as_text() {
        Some(name) if name != rights.snapshot.database => {
            failure(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
        }
        None if oid_of(value) != Some(oids::DATABASE) => Ok(None),
        _ => Ok(Some(any(rights, &secured_database(rights.snapshot), asked))),
    }
}

fn column(info: &Info, rights: &Rights<'_>, table: u32, column: &Value, asked: &[Asked]) -> Result<Value> {
    let Some((schema, table)) = rights.snapshot.table(table) else {
        return Ok(class_names(info, table).map(|_| of_system(rights, asked)).into());
    };
    let name = match column {
        Value::Text(name) if table.schema.column_with_name(name).is_none() => {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
            return failure(SqlState::UNDEFINED_COLUMN, message);
        }
        Value::Text(name) => Some(name.as_str()),
        Value::Int(number) => {
            let index = usize::try_from(*number - 1).ok();
            index.and_then(|index| table.schema.fields().get(index)).map(|field| field.name().as_str())
        }
        _ => None,
    };
    let Some(name) = name else { return Ok(Value::Null) };
    let secured = secured_relation(rights.snapshot, schema, table);
    let may = asked.iter().any(|(privilege, option)| match option {
        true => rights.may_pass_on(&secured, Some(name), *privilege),
        false => rights.may_column(&secured, name, *privilege),
    });
    Ok(may.into())
}
