//! `pg_type`: the built-in types, and a row type with its array for each relation.

use udfs::postgres::value::Value;

use super::data::relations_of;
use super::roles::role_oid;
use super::{PG_CATALOG, Rows, Source, oids};
use crate::catalog::information_schema::INFORMATION_SCHEMA;

// Input, output, receive, send and subscript functions of row types and of arrays.
const RECORD_FUNCTIONS: [i64; 4] = [2290, 2291, 2402, 2403];
const ARRAY_FUNCTIONS: [i64; 4] = [750, 751, 2400, 2401];
const ARRAY_SUBSCRIPT: i64 = 6179;
const ARRAY_ANALYZE: i64 = 3816;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    rows.push_dump("pg_type");
    for (schema, oid) in [(PG_CATALOG, oids::PG_CATALOG_SCHEMA), (INFORMATION_SCHEMA, oids::INFORMATION_SCHEMA)] {
        for relation in relations_of(schema) {
            push(rows, relation.name, oid, oids::BOOTSTRAP_ROLE, relation.oid, relation.row_type, relation.array_type);
        }
    }
    for (schema, table) in source.snapshot.tables() {
        let owner = role_oid(source, &schema.owner);
        push(rows, &table.name, schema.oid, owner, table.oid, oids::row_type(table.oid), oids::row_array_type(table.oid));
    }
}

fn push(rows: &mut Rows, name: &str, schema: u32, owner: u32, relation: u32, row_type: u32, array_type: u32) {
    let common = |functions: [i64; 4]| {
        [
            ("typnamespace", Value::from(schema)),
            ("typowner", owner.into()),
            ("typlen", Value::Int(-1)),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typinput", functions[0].into()),
            ("typoutput", functions[1].into()),
            ("typreceive", functions[2].into()),
            ("typsend", functions[3].into()),
            ("typalign", "d".into()),
            ("typstorage", "x".into()),
            ("typtypmod", Value::Int(-1)),
        ]
    };
    let mut row = vec![
        ("oid", row_type.into()),
        ("typname", name.into()),
        ("typtype", "c".into()),
        ("typcategory", "C".into()),
        ("typrelid", relation.into()),
        ("typarray", array_type.into()),
    ];
    row.extend(common(RECORD_FUNCTIONS));
    rows.push(&row);
    if array_type == 0 {
        return;
    }
    let mut row = vec![
        ("oid", array_type.into()),
        ("typname", format!("_{name}").into()),
        ("typtype", "b".into()),
        ("typcategory", "A".into()),
        ("typelem", row_type.into()),
        ("typsubscript", ARRAY_SUBSCRIPT.into()),
        ("typanalyze", ARRAY_ANALYZE.into()),
    ];
    row.extend(common(ARRAY_FUNCTIONS));
    rows.push(&row);
}
