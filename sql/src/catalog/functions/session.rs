//! Who, where and how this session is: `current_user`, `current_schema`, `current_setting`, `version`, ….

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::row_function::{Parameter, RowFunction};
use udfs::postgres::value::Value;

use super::{Info, failure};
use crate::SqlState;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::PG_CATALOG;

/// The version of PostgreSQL that clients may take us for.
const POSTGRES_VERSION: &str = "15.0";

/// Functions that SQL calls without parentheses.
pub const KEYWORD_FUNCTIONS: [&str; 6] =
    ["current_catalog", "current_role", "current_schema", "current_user", "session_user", "user"];

pub(super) fn functions(info: &Info) -> Vec<ScalarUDF> {
    let mut functions = vec![
        current_schemas(info),
        current_setting(info),
        set_config(info),
        backend_signal("pg_cancel_backend", info, |info, process_id| info.cancel(process_id)),
        backend_signal("pg_terminate_backend", info, |info, process_id| info.terminate(process_id)),
    ];
    for name in ["current_user", "current_role", "user"] {
        functions.push(name_of(name, info, |info| info.role().into()));
    }
    functions.push(name_of("session_user", info, |info| info.session_user().into()));
    for name in ["current_database", "current_catalog"] {
        functions.push(name_of(name, info, |info| info.snapshot().database.as_str().into()));
    }
    functions.push(name_of("current_schema", info, |info| existing_search_path(info).into_iter().next().into()));

    let version_info = Arc::clone(info);
    functions.push(
        RowFunction::new("version", &[], DataType::Utf8, move |_| {
            let (product, os) = (version_info.product_version(), std::env::consts::OS);
            Ok(format!("PostgreSQL {POSTGRES_VERSION} {product} on {}-{os}, 64-bit", std::env::consts::ARCH).into())
        })
        .stable()
        .build(),
    );
    let pid_info = Arc::clone(info);
    functions.push(RowFunction::new("pg_backend_pid", &[], DataType::Int32, move |_| Ok(pid_info.process_id().into())).stable().build());
    let start_info = Arc::clone(info);
    let timestamptz = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    functions.push(
        RowFunction::new("pg_postmaster_start_time", &[], timestamptz, move |_| Ok(Value::Timestamp(start_info.server_start())))
            .stable()
            .build(),
    );
    functions
}

/// A function without parameters that returns a `name`.
fn name_of(name: &str, info: &Info, of: fn(&Info) -> Value) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new(name, &[], DataType::Utf8, move |_| Ok(of(&info))).stable().returns_pg_type(DataType::Utf8, "name").build()
}

/// The schemas of the search path that exist.
pub fn existing_search_path(info: &Info) -> Vec<String> {
    let snapshot = info.snapshot();
    let exists = |name: &String| name == PG_CATALOG || name == INFORMATION_SCHEMA || snapshot.schema(name).is_some();
    info.search_path().into_iter().filter(exists).collect()
}

fn current_schemas(info: &Info) -> ScalarUDF {
    let info = Arc::clone(info);
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    RowFunction::new("current_schemas", &[Parameter::Bool], list.clone(), move |call| {
        let mut schemas = existing_search_path(&info);
        if call.arg(0).as_bool() == Some(true) && !schemas.iter().any(|name| name == PG_CATALOG) {
            schemas.insert(0, PG_CATALOG.to_owned());
        }
        Ok(schemas.into())
    })
    .stable()
    .returns_pg_type(list, "_name")
    .build()
}

/// `current_setting(name [, missing_ok])`
fn current_setting(info: &Info) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new("current_setting", &[Parameter::Text, Parameter::Bool], DataType::Utf8, move |call| {
        match info.setting(call.text(0)) {
            Some(value) => Ok(value.into()),
            None if call.arg(1).as_bool() == Some(true) => Ok(Value::Null),
            None => {
                failure(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{}\"", call.text(0)))
            }
        }
    })
    .required(1)
    .stable()
    .build()
}

/// `set_config(name, value, is_local)` returns the new value.
fn set_config(info: &Info) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new("set_config", &[Parameter::Text, Parameter::Text, Parameter::Bool], DataType::Utf8, move |call| {
        let name = call.text(0);
        info.set_setting(name, call.arg(1).as_text(), call.arg(2).as_bool() == Some(true))?;
        Ok(info.setting(name).into())
    })
    .called_on_null()
    .volatile()
    .build()
}

/// A signal to a session; another user's session needs a privilege, which the session checks.
fn backend_signal(name: &str, info: &Info, signal: fn(&Info, i32) -> datafusion::error::Result<bool>) -> ScalarUDF {
    let info = Arc::clone(info);
    RowFunction::new(name, &[Parameter::Int4, Parameter::Int8], DataType::Boolean, move |call| {
        Ok(i32::try_from(call.int(0)).map_or(Ok(false), |process_id| signal(&info, process_id))?.into())
    })
    .required(1)
    .volatile()
    .build()
}
