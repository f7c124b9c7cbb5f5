//! PostgreSQL's type names in casts.

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, ObjectName, ObjectNamePart};

use super::detect::last_name;

/// What a cast is to.
pub(super) enum Target {
    /// `oid`, `regclass`, …: a function of ours casts to it.
    Oid(String),
    Text,
    /// `text[]`, `name[]`, …
    TextArray,
    /// A type that the planner knows, under the name that it knows.
    Known(DataType),
    /// Anything else is left alone.
    Other,
}

/// Classifies the type of a cast, whether it is qualified with `pg_catalog` or not.
pub(super) fn target(data_type: &DataType) -> Target {
    match data_type {
        DataType::Regclass => Target::Oid("regclass".into()),
        DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => Target::Text,
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => match target(element) {
            Target::Text => Target::TextArray,
            Target::Known(element) => Target::Known(array_of(element)),
            Target::Oid(_) => Target::Known(array_of(DataType::IntUnsigned(None))),
            _ => Target::Other,
        },
        DataType::Custom(name, arguments) if arguments.is_empty() => custom(name),
        _ => Target::Other,
    }
}

fn array_of(element: DataType) -> DataType {
    DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
}

fn custom(name: &ObjectName) -> Target {
    let is_quoted = matches!(name.0.last(), Some(ObjectNamePart::Identifier(ident)) if ident.quote_style.is_some());
    let Some(name) = type_name(name) else { return Target::Other };
    if crate::catalog::functions::cast_function(&name).is_some() {
        return Target::Oid(name);
    }
    Target::Known(match name.as_str() {
        "text" | "varchar" | "name" | "bpchar" | "pg_node_tree" | "aclitem" | "regexp" | "cstring" => return Target::Text,
        // The catalog's one-letter type; without quotes `char` is a keyword and does not come here.
        "char" if is_quoted => return Target::Text,
        "_text" | "_name" | "_varchar" | "_char" | "_aclitem" => return Target::TextArray,
        "bool" => DataType::Boolean,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "date" => DataType::Date,
        "json" | "jsonb" => return Target::Text,
        "int2vector" => array_of(DataType::SmallInt(None)),
        "oidvector" => array_of(DataType::BigInt(None)),
        _ => return Target::Other,
    })
}

/// The name of a type of `pg_catalog`, in lower case unless quoted.
fn type_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [_] => last_name(name),
        [schema, _] if schema.to_string().trim_matches('"').eq_ignore_ascii_case("pg_catalog") => last_name(name),
        _ => None,
    }
}
