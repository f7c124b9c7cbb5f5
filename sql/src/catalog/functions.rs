//! Functions that depend on the session or on the catalog: `current_user`, `to_regclass`, `pg_get_viewdef`, ….

mod comments;
mod definitions;
mod names;
mod privileges;
mod session;
mod sets;
mod sizes;
mod text;
mod visibility;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use udfs::postgres::value::Value;

use super::pg_catalog::Source;
use super::session_info::SessionInfo;
use crate::{Error, SqlState};

pub use names::{cast_function, output_function};
pub use session::KEYWORD_FUNCTIONS;
pub use sets::{SET_FUNCTIONS, SetFunction};
pub use text::CAST_TEXT;

/// What functions are made of.
pub(crate) type Info = Arc<dyn SessionInfo>;

/// The functions of one session by name.
pub fn session_functions(info: &Info) -> HashMap<String, Arc<ScalarUDF>> {
    let mut functions = Vec::new();
    functions.extend(session::functions(info));
    functions.extend(names::functions(info));
    functions.extend(text::functions(info));
    functions.extend(visibility::functions(info));
    functions.extend(definitions::functions(info));
    functions.extend(comments::functions(info));
    functions.extend(sizes::functions(info));
    functions.extend(privileges::functions(info));
    functions.extend(sets::functions(info));
    functions.into_iter().map(|function| (function.name().to_owned(), Arc::new(function))).collect()
}

/// Calls `of` with the catalog as it is now.
fn with_source<T>(info: &Info, of: impl FnOnce(&Source<'_>) -> T) -> T {
    let snapshot = info.snapshot();
    of(&Source { snapshot: &snapshot, session: info.as_ref() })
}

/// A failure of a function in the words and class of PostgreSQL.
fn failure<T>(sql_state: SqlState, message: String) -> Result<T> {
    let error = Error::Classified { sql_state, message, detail: None, hint: None, position: None };
    Err(DataFusionError::External(Box::new(error)))
}

/// An OID argument: a number, or digits.
fn oid_of(value: &Value) -> Option<u32> {
    match value {
        Value::Int(int) => u32::try_from(*int).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
