//! `DISCARD ALL | PLANS | SEQUENCES | TEMP`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::DiscardObject;

use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::{Session, TransactionStatus};

pub(super) async fn discard(session: &Arc<Session>, what: &DiscardObject) -> Result<Response> {
    let is_idle = session.transaction_status() == TransactionStatus::Idle;
    if matches!(what, DiscardObject::ALL) {
        if !is_idle {
            return Err(Error::ActiveTransaction { command: "DISCARD ALL" });
        }
        session.settings(|settings| {
            settings.set_session_authorization(None, false);
            settings.reset_all();
        });
        session.deallocate_all();
        session.cursors.close_all();
    }
    if matches!(what, DiscardObject::ALL | DiscardObject::TEMP) {
        if !is_idle {
            return Err(Error::ActiveTransaction { command: "DISCARD TEMP" });
        }
        session.discard_temporary().await;
    }
    // Plans are not cached beyond prepared statements, and there are no sequences.
    Ok(Response::Command { tag: format!("DISCARD {what}"), rows: None })
}

/// Drops the temporary tables of a session that has ended.
pub(super) fn abandon(session: &Arc<Session>) {
    // Without a runtime the process is about to end.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let session = Arc::clone(session);
        runtime.spawn(async move { session.discard_temporary().await });
    }
}
