//! `x::text` in catalog statements: what the value prints as, a `regclass` as its name.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::pg_type::declared_type;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::text_output::text_of;

use super::names::{Kind, output_function, print};
use super::{Info, oid_of};

pub const CAST_TEXT: &str = "arbalest_cast_text";

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let info = Arc::clone(info);
    let cast = RowFunction::new(CAST_TEXT, &[Parameter::Any], DataType::Utf8, move |call| {
        let (value, field) = (call.arg(0), &call.fields[0]);
        let declared = declared_type(field);
        if let (Some(oid), Some(kind)) = (oid_of(value), declared.and_then(Kind::of_type))
            && field.data_type() == &DataType::UInt32
            && output_function(kind.type_name()).is_some()
        {
            return Ok(print(&info, kind, oid).into());
        }
        Ok(text_of(value, field.data_type()).into())
    });
    vec![cast.stable().build()]
}
