//! `DISCARD ALL | PLANS | SEQUENCES | TEMP`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::DiscardObject;

use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::{Session, TransactionStatus};

pub(super) fn discard(session: &Arc<Session>, what: &DiscardObject) -> Result<Response> {
    if matches!(what, DiscardObject::ALL) {
        if session.transaction_status() != TransactionStatus::Idle {
            return Err(Error::ActiveTransaction { command: "DISCARD ALL" });
        }
        session.settings(|settings| settings.reset_all());
        session.deallocate_all();
    }
    // Plans are not cached beyond prepared statements, and there are no sequences or temporary tables.
    Ok(Response::Command { tag: format!("DISCARD {what}"), rows: None })
}
