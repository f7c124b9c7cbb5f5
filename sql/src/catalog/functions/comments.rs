//! `obj_description`, `col_description`, `shobj_description`: comments.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::{Info, oid_of, with_source};
use crate::catalog::pg_catalog::pg_description::{PG_CLASS, comments, role_comments};
use crate::catalog::pg_catalog::{PG_CATALOG, data};

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let objects = Arc::clone(info);
    let columns = Arc::clone(info);
    let roles = Arc::clone(info);
    vec![
        // Without the second argument, an object of any kind.
        RowFunction::new("obj_description", &[Parameter::Oid, Parameter::Text], DataType::Utf8, move |call| {
            let class = call.arg(1).as_text().map(|name| data::relation(PG_CATALOG, name).map_or(0, |relation| relation.oid));
            Ok(comment(&objects, oid_of(call.arg(0)), class, 0))
        })
        .required(1)
        .stable()
        .build(),
        RowFunction::new("col_description", &[Parameter::Oid, Parameter::Int4], DataType::Utf8, move |call| {
            // A number of 0 would be the table itself.
            Ok(if call.int(1) == 0 { Value::Null } else { comment(&columns, oid_of(call.arg(0)), Some(PG_CLASS), call.int(1)) })
        })
        .stable()
        .build(),
        // Databases and tablespaces have no comments.
        RowFunction::new("shobj_description", &[Parameter::Oid, Parameter::Text], DataType::Utf8, move |call| {
            let (role, is_role) = (oid_of(call.arg(0)), call.arg(1).as_text() == Some("pg_authid"));
            Ok(with_source(&roles, |source| {
                let found = role_comments(source).into_iter().find(|(oid, _)| is_role && Some(*oid) == role);
                found.map_or(Value::Null, |(_, text)| text)
            }))
        })
        .stable()
        .build(),
    ]
}

fn comment(info: &Info, object: Option<u32>, class: Option<u32>, part: i64) -> Value {
    with_source(info, |source| {
        comments(source)
            .into_iter()
            .find(|(oid, its_class, its_part, _)| {
                Some(*oid) == object && class.is_none_or(|class| class == *its_class) && part == *its_part
            })
            .map_or(Value::Null, |(_, _, _, text)| text)
    })
}
