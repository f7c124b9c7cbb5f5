//! `routines`: the functions of `pg_proc`.

use udfs::postgres::value::Value;

use super::yes_or_no;
use crate::catalog::pg_catalog::format_type::format_type;
use crate::catalog::pg_catalog::pg_proc::FUNCTIONS;
use crate::catalog::pg_catalog::types::TYPES;
use crate::catalog::pg_catalog::{PG_CATALOG, Rows, Source};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    let database = || Value::text(&source.snapshot.database);
    let mut functions: Vec<_> = FUNCTIONS.values().filter(|function| matches!(function.kind.as_str(), "f" | "p")).collect();
    functions.sort_by_key(|function| function.oid);
    for function in functions {
        let specific_name = format!("{}_{}", function.name, function.oid);
        rows.push(&[
            ("specific_catalog", database()),
            ("specific_schema", PG_CATALOG.into()),
            ("specific_name", specific_name.into()),
            ("routine_catalog", database()),
            ("routine_schema", PG_CATALOG.into()),
            ("routine_name", function.name.as_str().into()),
            ("routine_type", if function.kind == "p" { "PROCEDURE" } else { "FUNCTION" }.into()),
            ("data_type", format_type(source.snapshot, function.result_type, None).into()),
            ("type_udt_catalog", database()),
            ("type_udt_schema", PG_CATALOG.into()),
            ("type_udt_name", TYPES.get(&function.result_type).map(|pg_type| pg_type.name.clone()).into()),
            ("dtd_identifier", "0".into()),
            ("routine_body", "EXTERNAL".into()),
            ("external_language", "INTERNAL".into()),
            ("parameter_style", "GENERAL".into()),
            ("is_deterministic", yes_or_no(false)),
            ("sql_data_access", "MODIFIES".into()),
            ("is_null_call", yes_or_no(true)),
            ("schema_level_routine", yes_or_no(true)),
            ("max_dynamic_result_sets", Value::Int(0)),
            ("security_type", "INVOKER".into()),
            ("as_locator", yes_or_no(false)),
            ("is_udt_dependent", yes_or_no(false)),
        ]);
    }
}
