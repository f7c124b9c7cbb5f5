//! `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their like.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, TransactionMode};

use super::set::set_transaction_modes;
use crate::catalog::object::{Change, Definition};
use crate::error::{Error, Result};
use crate::response::{Notice, Response, Severity};
use crate::session::{Session, TransactionStatus};
use crate::session::tables::TableContents;
use crate::session::temporary::is_temporary;
use crate::sessions::Sessions;
use crate::sql_state::SqlState;

pub(super) fn begin(session: &Arc<Session>, modes: &[TransactionMode], is_begin: bool) -> Result<Response> {
    let settings = session.settings(|settings| settings.clone());
    if !session.transaction(|transaction| transaction.begin(&settings)) {
        warn(session, SqlState::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
    }
    set_transaction_modes(session, modes, false)?;
    Ok(done(if is_begin { "BEGIN" } else { "START TRANSACTION" }))
}

pub(super) async fn commit(session: &Arc<Session>, chain: bool) -> Result<Response> {
    end(session, chain, true, "COMMIT").await
}

pub(super) async fn rollback(session: &Arc<Session>, chain: bool) -> Result<Response> {
    end(session, chain, false, "ROLLBACK").await
}

async fn end(session: &Arc<Session>, chain: bool, commit: bool, tag: &str) -> Result<Response> {
    if chain {
        return Err(Error::unsupported("AND CHAIN"));
    }
    if session.transaction(|transaction| transaction.is_implicit()) {
        warn(session, SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
    }
    finish(session, commit, tag).await
}

/// Ends the block, if there is one.
pub(crate) async fn finish(session: &Arc<Session>, commit: bool, tag: &str) -> Result<Response> {
    if commit && session.transaction_status() == TransactionStatus::InTransaction {
        session.hold_cursors().await?;
    }
    let ended = session.transaction(|transaction| transaction.end(commit));
    session.end_cursors();
    let Some(ended) = ended else {
        warn(session, SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        return Ok(done(tag));
    };
    let (own, shared): (Vec<Change>, Vec<Change>) = ended.changes.iter().cloned().partition(|change| is_temporary(&change.object));
    let made = match shared.is_empty() && ended.tables.is_empty() {
        true => Ok(()),
        false => session.committing(make(Arc::clone(session.sessions()), shared, ended.tables.clone())).await,
    };
    // After other errors than this one the changes may have been made all the same: their files stay.
    let is_undone = !ended.commits || matches!(made, Err(Error::SerializationFailure));
    let outcome = match made {
        Ok(()) => make_own(session, &own, &ended.temporary).await,
        Err(error) => Err(error),
    };
    for (location, file) in &ended.unused {
        session.discard(location, std::slice::from_ref(file)).await;
    }
    for table in ended.tables.iter().chain(&ended.temporary).filter(|_| is_undone) {
        session.discard(&table.version.location, &table.changes.added).await;
    }
    for location in &ended.created {
        let url = location.as_str();
        let is_it = |change: &Change| matches!(&change.object.definition, Definition::Table(table) if table.location == url);
        let is_kept = |change: &Change| is_it(change) && (outcome.is_ok() || !is_temporary(&change.object));
        if is_undone || !ended.changes.iter().any(is_kept) {
            session.sessions().engine.tables().remove(location).await;
        }
    }
    session.settings(|settings| match ended.commits && outcome.is_ok() {
        true => settings.end_local(),
        false => settings.clone_from(&ended.settings_at_begin),
    });
    outcome?;
    // COMMIT of a failed block rolls back, and says so.
    Ok(done(if ended.commits { "COMMIT" } else { "ROLLBACK" }))
}

/// Forgets a block whose session has ended, and removes what it has written.
pub(super) fn abandon(session: &Arc<Session>) {
    let settings = session.settings(|settings| settings.clone());
    let ended = session.transaction(|transaction| {
        let ended = transaction.end(false);
        // A statement of the block that still runs must not become one of its own.
        transaction.begin(&settings);
        transaction.fail();
        ended
    });
    let Some(ended) = ended else { return };
    // Without a runtime the process is about to end.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let session = Arc::clone(session);
    runtime.spawn(async move {
        for (location, file) in &ended.unused {
            session.discard(location, std::slice::from_ref(file)).await;
        }
        for location in &ended.created {
            session.sessions().engine.tables().remove(location).await;
        }
    });
}

async fn make(sessions: Arc<Sessions>, changes: Vec<Change>, tables: Vec<TableContents>) -> Result<()> {
    let tables = tables.into_iter().map(|table| (table.version, table.changes)).collect();
    sessions.catalog.commit_all(sessions.engine.tables(), &changes, tables).await
}

/// Makes what a block has changed of what is the session's own, once the rest is made.
async fn make_own(session: &Arc<Session>, changes: &[Change], tables: &[TableContents]) -> Result<()> {
    for table in tables {
        session.sessions().engine.tables().commit(&table.version, &table.changes).await?;
    }
    session.change_temporary(changes);
    Ok(())
}

pub(super) fn savepoint(session: &Arc<Session>, name: &Ident) -> Result<Response> {
    let settings = session.settings(|settings| settings.clone());
    session.transaction(|transaction| transaction.savepoint(&name.value, &settings))?;
    Ok(done("SAVEPOINT"))
}

pub(super) fn release(session: &Arc<Session>, name: &Ident) -> Result<Response> {
    session.transaction(|transaction| transaction.release(&name.value))?;
    Ok(done("RELEASE"))
}

pub(super) fn rollback_to(session: &Arc<Session>, name: &Ident) -> Result<Response> {
    let before = session.transaction(|transaction| transaction.rollback_to(&name.value))?;
    session.settings(|settings| *settings = before);
    Ok(done("ROLLBACK"))
}

fn done(tag: &str) -> Response {
    Response::Command { tag: tag.to_owned(), rows: None }
}

fn warn(session: &Arc<Session>, sql_state: SqlState, message: &str) {
    session.notify(Notice { severity: Severity::Warning, sql_state, message: message.to_owned(), detail: None, hint: None });
}
