//! `DROP SECRET`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Ident;

use super::names::folded;
use super::{command, skipped};
use crate::catalog::object::Change;
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_object};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn drop_secret(session: &Arc<Session>, name: &Ident, if_exists: bool) -> Result<Response> {
    let name = folded(name);
    let dropped = session.change_catalog(|snapshot| {
        let (object, _) = snapshot.secret(&name).ok_or_else(|| Error::UndefinedSecret { name: name.clone() })?;
        Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
        Ok(vec![Change::drop(object)])
    });
    match dropped.await {
        Err(error) if if_exists && error.sql_state() == SqlState::UNDEFINED_OBJECT => {
            skipped(session, SqlState::SUCCESSFUL_COMPLETION, &error);
        }
        outcome => outcome?,
    }
    Ok(command("DROP SECRET"))
}
