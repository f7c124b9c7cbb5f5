//! Functions whose answer is the same on every server of ours: no standby, no tablespaces, no temporary schemas of others.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Parameter, RowFunction};
use super::value::Value;

pub fn functions() -> Vec<ScalarUDF> {
    vec![
        RowFunction::new("pg_is_in_recovery", &[], DataType::Boolean, |_| Ok(false.into())).stable().build(),
        // Empty for the two default tablespaces, which are all there are.
        RowFunction::new("pg_tablespace_location", &[Parameter::Oid], DataType::Utf8, |_| Ok(Value::text(""))).build(),
        // Locks of this kind do not exist, so all of them are released.
        RowFunction::new("pg_advisory_unlock_all", &[], DataType::Utf8, |_| Ok(Value::text(""))).volatile().build(),
    ]
}
