//! Names ↔ OIDs: `to_regclass`, casts to `regclass`, `regtype`, …, and how those print.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::session::existing_search_path;
use super::{Info, failure, oid_of, with_source};
use crate::SqlState;
use crate::session::temporary::TEMPORARY_SCHEMA;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::data::{relation, relations_of};
use crate::catalog::pg_catalog::format_type::{format_type, type_by_name};
use crate::catalog::pg_catalog::objects::keys;
use crate::catalog::pg_catalog::pg_proc::FUNCTIONS;
use crate::catalog::pg_catalog::roles::roles;
use crate::catalog::pg_catalog::{PG_CATALOG, oids};

/// A type whose values are OIDs and print as names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Oid,
    Class,
    Type,
    Procedure,
    ProcedureSignature,
    Namespace,
    Role,
    /// Types of which we have no objects: operators, collations, text search.
    Other(&'static str),
}

const KINDS: [Kind; 13] = [
    Kind::Oid,
    Kind::Class,
    Kind::Type,
    Kind::Procedure,
    Kind::ProcedureSignature,
    Kind::Namespace,
    Kind::Role,
    Kind::Other("regoper"),
    Kind::Other("regoperator"),
    Kind::Other("regcollation"),
    Kind::Other("regconfig"),
    Kind::Other("regdictionary"),
    Kind::Other("xid"),
];

impl Kind {
    pub fn of_type(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.type_name() == name)
    }

    pub fn type_name(self) -> &'static str {
        match self {
            Self::Oid => "oid",
            Self::Class => "regclass",
            Self::Type => "regtype",
            Self::Procedure => "regproc",
            Self::ProcedureSignature => "regprocedure",
            Self::Namespace => "regnamespace",
            Self::Role => "regrole",
            Self::Other(name) => name,
        }
    }
}

/// The function that casts to a type of OIDs; `None` if the type is not one.
pub fn cast_function(type_name: &str) -> Option<String> {
    Kind::of_type(type_name).map(|kind| format!("arbalest_cast_{}", kind.type_name()))
}

/// The function that turns a type of OIDs into the names it prints as; `None` for types that print as numbers.
pub fn output_function(type_name: &str) -> Option<String> {
    match Kind::of_type(type_name)? {
        Kind::Oid | Kind::Other("xid") => None,
        kind => Some(format!("arbalest_{}_out", kind.type_name())),
    }
}

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let casts = KINDS.into_iter().filter_map(|kind| Some((kind, cast_function(kind.type_name())?))).map(|(kind, name)| {
        let info = Arc::clone(info);
        RowFunction::new(name, &[Parameter::Any], DataType::UInt32, move |call| cast(&info, kind, call.arg(0)))
            .stable()
            .returns_pg_type(DataType::UInt32, kind.type_name())
            .build()
    });
    let outputs = KINDS.into_iter().filter_map(|kind| Some((kind, output_function(kind.type_name())?))).map(|(kind, name)| {
        let info = Arc::clone(info);
        RowFunction::new(name, &[Parameter::Oid], DataType::Utf8, move |call| {
            Ok(oid_of(call.arg(0)).map(|oid| print(&info, kind, oid)).into())
        })
        .stable()
        .returns_pg_type(DataType::Utf8, kind.type_name())
        .build()
    });
    let lookups = [Kind::Class, Kind::Type, Kind::Procedure, Kind::ProcedureSignature, Kind::Namespace, Kind::Role].map(|kind| {
        let info = Arc::clone(info);
        RowFunction::new(format!("to_{}", kind.type_name()), &[Parameter::Text], DataType::UInt32, move |call| {
            Ok(find(&info, kind, call.text(0))?.into())
        })
        .stable()
        .returns_pg_type(DataType::UInt32, kind.type_name())
        .build()
    });
    casts.chain(outputs).chain(lookups).collect()
}

/// A number stays; digits are a number; a name must exist.
fn cast(info: &Info, kind: Kind, value: &Value) -> Result<Value> {
    match value {
        Value::Int(_) => Ok(oid_of(value).into()),
        Value::Text(text) if text == "-" && kind != Kind::Oid => Ok(Value::Int(0)),
        Value::Text(text) => match text.trim().parse::<u32>() {
            Ok(oid) => Ok(oid.into()),
            Err(_) => match find(info, kind, text)? {
                Some(oid) => Ok(oid.into()),
                None => undefined(kind, text),
            },
        },
        _ => failure(SqlState::DATATYPE_MISMATCH, format!("cannot cast the value to type {}", kind.type_name())),
    }
}

fn undefined<T>(kind: Kind, name: &str) -> Result<T> {
    match kind {
        Kind::Oid | Kind::Other("xid") => failure(
            SqlState::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {}: \"{name}\"", kind.type_name()),
        ),
        Kind::Class => failure(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")),
        Kind::Type => failure(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")),
        Kind::Procedure | Kind::ProcedureSignature => {
            failure(SqlState::UNDEFINED_FUNCTION, format!("function \"{name}\" does not exist"))
        }
        Kind::Namespace => failure(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")),
        Kind::Role => failure(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")),
        Kind::Other(type_name) => {
            failure(SqlState::UNDEFINED_OBJECT, format!("\"{name}\" does not exist as a {type_name}"))
        }
    }
}

fn find(info: &Info, kind: Kind, text: &str) -> Result<Option<u32>> {
    let Some(parts) = identifiers(text) else {
        return match kind {
            // `numeric(10,2)`, `double precision`
            Kind::Type => Ok(type_named(info, text)),
            Kind::ProcedureSignature => Ok(procedure_named(text.split('(').next().unwrap_or(text))),
            _ => failure(SqlState::INVALID_NAME, "invalid name syntax".into()),
        };
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(match kind {
        Kind::Class => class_named(info, &parts),
        Kind::Type => type_named(info, text),
        Kind::Procedure | Kind::ProcedureSignature => match parts.as_slice() {
            [PG_CATALOG, name] | [name] => procedure_named(name),
            _ => None,
        },
        Kind::Namespace => match parts.as_slice() {
            [PG_CATALOG] => Some(oids::PG_CATALOG_SCHEMA),
            [INFORMATION_SCHEMA] => Some(oids::INFORMATION_SCHEMA),
            [name] => info.snapshot().schema(name).map(|schema| schema.oid),
            _ => None,
        },
        Kind::Role => with_source(info, |source| {
            let [name] = parts.as_slice() else { return None };
            roles(source).into_iter().find(|role| role.name == *name).map(|role| role.oid)
        }),
        Kind::Oid | Kind::Other(_) => None,
    })
}

/// A table, view or index by a name that is looked up in the search path if it has no schema.
pub fn class_named(info: &Info, parts: &[&str]) -> Option<u32> {
    let snapshot = info.snapshot();
    let in_schema = |schema: &str, name: &str| {
        if let Some(relation) = relation(schema, name) {
            return Some(relation.oid);
        }
        let tables = &snapshot.schema(schema)?.tables;
        if let Some(table) = tables.get(name) {
            return Some(table.oid);
        }
        tables.values().flat_map(|table| keys(table)).find(|key| key.name == name).map(|key| key.index)
    };
    match parts {
        [database, schema, name] if *database == snapshot.database => in_schema(schema, name),
        [schema, name] => in_schema(schema, name),
        [name] => lookup_path(info).iter().find_map(|schema| in_schema(schema, name)),
        _ => None,
    }
}

/// The search path with `pg_catalog` where it is looked up: first, unless named elsewhere.
pub fn lookup_path(info: &Info) -> Vec<String> {
    let mut path = existing_search_path(info);
    if !path.iter().any(|name| name == PG_CATALOG) {
        path.insert(0, PG_CATALOG.to_owned());
    }
    if info.snapshot().schema(TEMPORARY_SCHEMA).is_some() && !path.iter().any(|name| name == TEMPORARY_SCHEMA) {
        path.insert(0, TEMPORARY_SCHEMA.to_owned());
    }
    path
}

fn type_named(info: &Info, name: &str) -> Option<u32> {
    if let Some(oid) = type_by_name(name) {
        return Some(oid);
    }
    // A table's name is that of its row type.
    let (element, is_array) = name.strip_suffix("[]").map_or((name, false), |element| (element, true));
    let parts = identifiers(element)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let table = class_named(info, &parts)?;
    Some(if is_array { oids::row_array_type(table) } else { oids::row_type(table) })
}

fn procedure_named(name: &str) -> Option<u32> {
    FUNCTIONS.values().filter(|function| function.name == name).map(|function| function.oid).min()
}

/// How an OID prints: the name, with its schema where the search path does not find it; the number if there is none.
pub fn print(info: &Info, kind: Kind, oid: u32) -> String {
    if oid == 0 && kind != Kind::Oid {
        return "-".into();
    }
    let name = match kind {
        Kind::Class => class_name(info, oid),
        Kind::Type => Some(format_type(&info.snapshot(), oid, None)).filter(|name| name != "???"),
        Kind::Procedure => FUNCTIONS.get(&oid).map(|function| quoted_identifier(&function.name)),
        Kind::ProcedureSignature => FUNCTIONS.get(&oid).map(|function| {
            let snapshot = info.snapshot();
            let types: Vec<_> = function.argument_types.iter().map(|oid| format_type(&snapshot, *oid, None)).collect();
            format!("{}({})", quoted_identifier(&function.name), types.join(","))
        }),
        Kind::Namespace => namespace_name(info, oid).map(|name| quoted_identifier(&name)),
        Kind::Role => with_source(info, |source| {
            roles(source).into_iter().find(|role| role.oid == oid).map(|role| quoted_identifier(&role.name))
        }),
        Kind::Oid | Kind::Other(_) => None,
    };
    name.unwrap_or_else(|| oid.to_string())
}

fn namespace_name(info: &Info, oid: u32) -> Option<String> {
    match oid {
        oids::PG_CATALOG_SCHEMA => Some(PG_CATALOG.into()),
        oids::INFORMATION_SCHEMA => Some(INFORMATION_SCHEMA.into()),
        _ => info.snapshot().schemas.iter().find(|schema| schema.oid == oid).map(|schema| schema.name.clone()),
    }
}

/// Schema and name of a table, view or index.
pub fn class_names(info: &Info, oid: u32) -> Option<(String, String)> {
    let snapshot = info.snapshot();
    for (schema, table) in snapshot.tables() {
        if table.oid == oid {
            return Some((schema.name.clone(), table.name.clone()));
        }
        if let Some(key) = keys(table).into_iter().find(|key| key.index == oid) {
            return Some((schema.name.clone(), key.name));
        }
    }
    let mut relations = [PG_CATALOG, INFORMATION_SCHEMA].into_iter().flat_map(relations_of);
    relations.find(|relation| relation.oid == oid).map(|relation| (relation.schema.to_owned(), relation.name.to_owned()))
}

fn class_name(info: &Info, oid: u32) -> Option<String> {
    let (schema, name) = class_names(info, oid)?;
    let quoted = quoted_identifier(&name);
    Some(if class_named(info, &[&name]) == Some(oid) { quoted } else { format!("{}.{quoted}", quoted_identifier(&schema)) })
}

/// A `regclass` argument: an OID, or the name of a relation, which must exist.
pub fn relation_argument(info: &Info, value: &Value) -> Result<Option<u32>> {
    match value {
        Value::Null => Ok(None),
        value => Ok(oid_of(&cast(info, Kind::Class, value)?)),
    }
}

/// The parts of a dotted name, folded to lower case where they are not quoted; `None` if it is not a name.
pub fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    c => part.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '$') {
                part.extend(c.to_lowercase());
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match chars.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::identifiers;

    #[test]
    fn dotted_names() {
        let parts = |text| identifiers(text).map(|parts| parts.join("|"));
        assert_eq!(parts("S.\"T\"\"x\""), Some("s|T\"x".into()));
        assert_eq!(parts("pg_class"), Some("pg_class".into()));
        assert_eq!(parts("a b"), None);
        assert_eq!(parts("a."), None);
        assert_eq!(parts(""), None);
    }
}
