//! `format_type`, `pg_get_viewdef`, `pg_get_constraintdef` and the like: objects as SQL text.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::row_function::{Call, Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::names::Kind;
use super::{Info, oid_of, with_source};
use crate::catalog::pg_catalog::format_type::format_type;
use crate::catalog::pg_catalog::objects::{Key, checks, foreign_keys, keys, view_definition};
use crate::catalog::pg_catalog::oids::{Part, part};
use crate::catalog::pg_catalog::pg_proc::{FUNCTIONS, Function};
use crate::catalog::pg_catalog::roles::roles;
use crate::catalog::pg_catalog::{Source, pg_constraint, pg_index};
use crate::catalog::{Schema, Table, TableKind};

type Of = fn(&Info, &Source<'_>, &Call<'_>) -> Result<Value>;

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    use Parameter::{Any, Bool, Int4, Oid, Text};
    let function = |name: &str, parameters: &[Parameter], required: usize, of: Of| {
        let info = Arc::clone(info);
        RowFunction::new(name, parameters, DataType::Utf8, move |call| with_source(&info, |source| of(&info, source, call)))
            .required(required)
            .stable()
    };
    vec![
        function("format_type", &[Oid, Int4], 2, |_, source, call| {
            Ok(oid_of(call.arg(0)).map(|oid| format_type(source.snapshot, oid, call.arg(1).as_int())).into())
        })
        .called_on_null()
        .build(),
        function("pg_get_userbyid", &[Oid], 1, |_, source, call| {
            let oid = oid_of(call.arg(0)).unwrap_or_default();
            let role = roles(source).into_iter().find(|role| role.oid == oid);
            Ok(role.map_or_else(|| format!("unknown (OID={oid})"), |role| role.name).into())
        })
        .returns_pg_type(DataType::Utf8, "name")
        .build(),
        function("pg_get_constraintdef", &[Oid, Bool], 1, |_, source, call| {
            let found = find_key(source, |key| key.constraint.is_some() && key.constraint == oid_of(call.arg(0)));
            let foreign = || {
                let mut all = source.snapshot.tables().flat_map(|(schema, table)| foreign_keys(schema, table).into_iter().map(move |key| (table, key)));
                all.find(|(_, key)| Some(key.constraint) == oid_of(call.arg(0))).map(|(table, key)| pg_constraint::foreign_definition(source, table, &key))
            };
            let check = || {
                let mut all = source.snapshot.tables().flat_map(|(_, table)| checks(table));
                all.find(|check| Some(check.oid) == oid_of(call.arg(0))).map(|check| pg_constraint::check_definition(&check))
            };
            Ok(found.map(|(_, _, key)| pg_constraint::definition(&key)).or_else(check).or_else(foreign).into())
        })
        .build(),
        function("pg_get_indexdef", &[Oid, Int4, Bool], 1, |_, source, call| {
            let Some((schema, table, key)) = find_key(source, |key| Some(key.index) == oid_of(call.arg(0))) else {
                return Ok(Value::Null);
            };
            Ok(match usize::try_from(call.int(1)) {
                Ok(0) => pg_index::definition(schema, table, &key).into(),
                Ok(column) => key.terms.get(column - 1).map_or_else(String::new, |name| quoted_identifier(name).into()).into(),
                Err(_) => Value::text(""),
            })
        })
        .build(),
        function("pg_get_viewdef", &[Any, Any], 1, |info, source, call| {
            let view = match call.arg(0) {
                Value::Text(_) => super::names::relation_argument(info, call.arg(0))?,
                oid => oid_of(oid),
            };
            let table = source.snapshot.tables().find(|(_, table)| Some(table.oid) == view);
            Ok(table.and_then(|(_, table)| view_definition(table)).into())
        })
        .build(),
        function("pg_get_ruledef", &[Oid, Bool], 1, |_, source, call| {
            let view = source.snapshot.tables().find(|(_, table)| {
                table.kind == TableKind::View && Some(part(table.oid, Part::Rule, 0)) == oid_of(call.arg(0))
            });
            Ok(view.map(|(schema, table)| rule_definition(schema, table)).into())
        })
        .build(),
        // There are no triggers, sequences, partitions or extended statistics to define.
        function("pg_get_triggerdef", &[Oid, Bool], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_serial_sequence", &[Text, Text], 2, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_partkeydef", &[Oid], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_partition_constraintdef", &[Oid], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_statisticsobjdef", &[Oid], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_statisticsobjdef_columns", &[Oid], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_get_functiondef", &[Oid], 1, |_, source, call| {
            Ok(of_function(call, |function| function_definition(source, function)))
        })
        .build(),
        function("pg_get_function_result", &[Oid], 1, |_, source, call| {
            Ok(of_function(call, |function| result_type(source, function)))
        })
        .build(),
        function("pg_get_function_arguments", &[Oid], 1, |_, source, call| Ok(of_function(call, |f| arguments(source, f)))).build(),
        function("pg_get_function_identity_arguments", &[Oid], 1, |_, source, call| {
            Ok(of_function(call, |function| arguments(source, function)))
        })
        .build(),
        function("pg_get_function_sqlbody", &[Oid], 1, |_, _, _| Ok(Value::Null)).build(),
        function("pg_describe_object", &[Oid, Oid, Int4], 3, |info, _, call| {
            let oid = oid_of(call.arg(1)).unwrap_or_default();
            Ok(format!("object {}", super::names::print(info, Kind::Class, oid)).into())
        })
        .build(),
    ]
}

fn find_key<'a>(source: &'a Source<'_>, wanted: impl Fn(&Key) -> bool) -> Option<(&'a Schema, &'a Table, Key)> {
    source
        .snapshot
        .tables()
        .find_map(|(schema, table)| keys(table).into_iter().find(&wanted).map(|key| (schema.as_ref(), table.as_ref(), key)))
}

fn rule_definition(schema: &Schema, table: &Table) -> String {
    let name = format!("{}.{}", quoted_identifier(&schema.name), quoted_identifier(&table.name));
    format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {}", view_definition(table).unwrap_or_default())
}

fn of_function(call: &Call<'_>, of: impl Fn(&Function) -> String) -> Value {
    oid_of(call.arg(0)).and_then(|oid| FUNCTIONS.get(&oid)).map(of).into()
}

fn result_type(source: &Source<'_>, function: &Function) -> String {
    let name = format_type(source.snapshot, function.result_type, None);
    if function.returns_set { format!("SETOF {name}") } else { name }
}

fn arguments(source: &Source<'_>, function: &Function) -> String {
    let names = function.argument_names.iter().map(String::as_str).chain(std::iter::repeat(""));
    let arguments: Vec<String> = function
        .argument_types
        .iter()
        .zip(names)
        .map(|(oid, name)| {
            let type_name = format_type(source.snapshot, *oid, None);
            if name.is_empty() { type_name } else { format!("{} {type_name}", quoted_identifier(name)) }
        })
        .collect();
    arguments.join(", ")
}

fn function_definition(source: &Source<'_>, function: &Function) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\nAS $function${}$function$\n",
        quoted_identifier(&function.name),
        arguments(source, function),
        result_type(source, function),
        function.name
    )
}
