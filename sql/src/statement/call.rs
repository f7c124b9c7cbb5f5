//! `CALL`: the procedures of the server.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Function, FunctionArguments, ObjectNamePart};

use super::names::folded;
use super::refresh_materialized_view::refresh_materialized_view;
use super::restore_table::restore_table;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::dialect::{REFRESH_MATERIALIZED_VIEW, RESTORE_TABLE};
use crate::response::Response;
use crate::session::Session;

/// The statement that a call is another spelling of.
pub(super) fn command(call: &Function) -> &'static str {
    match call.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if folded(name) == REFRESH_MATERIALIZED_VIEW => "REFRESH MATERIALIZED VIEW",
        [ObjectNamePart::Identifier(name)] if folded(name) == RESTORE_TABLE => "RESTORE TABLE",
        _ => "CALL",
    }
}

pub(super) async fn call(session: &Arc<Session>, statement: &Statement, call: &Function) -> Result<Response> {
    let undefined = || Error::UndefinedFunction { signature: call.name.to_string(), hint: None, position: None };
    let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return Err(undefined()) };
    let FunctionArguments::List(list) = &call.args else { return Err(undefined()) };
    match folded(name).as_str() {
        REFRESH_MATERIALIZED_VIEW => refresh_materialized_view(session, statement, &list.args).await,
        RESTORE_TABLE => restore_table(session, statement, &list.args).await,
        _ => Err(undefined()),
    }
}
