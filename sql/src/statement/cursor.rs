//! `DECLARE`, `FETCH`, `MOVE` and `CLOSE`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::select;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::cursor::{CursorStatement, Direction};
use crate::response::Response;
use crate::session::cursor::Cursor;
use crate::session::prepared::{Prepared, PreparedStatement};
use crate::session::{Session, TransactionStatus};
use crate::sql_state::SqlState;

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    cursor: &CursorStatement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let prepared = match cursor {
        CursorStatement::Declare { query, .. } => {
            let inner = select::prepare(session, &statement.with_ast(query.as_ref().clone()), query, declared).await?;
            let (parameter_types, plan) = (inner.inner().parameter_types.clone(), inner.inner().plan.clone());
            Prepared { statement: statement.clone(), parameter_types, plan, schema: None, origins: vec![] }
        }
        CursorStatement::Fetch { name, moves, .. } => {
            let cursor = session.cursors.find(name)?;
            let (schema, origins) = if *moves { (None, vec![]) } else { (Some(Arc::clone(&cursor.schema)), cursor.origins.clone()) };
            Prepared { statement: statement.clone(), parameter_types: declared.to_vec(), plan: None, schema, origins }
        }
    };
    Ok(PreparedStatement::new(prepared))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    cursor: &CursorStatement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    match cursor {
        CursorStatement::Declare { name, scroll, hold, query } => {
            if *scroll {
                return Err(Error::Unsupported {
                    what: "a cursor with SCROLL".into(),
                    hint: Some("Leave out SCROLL: rows are fetched forward.".into()),
                });
            }
            let is_alone = session.transaction_status() == TransactionStatus::Idle;
            if is_alone && !hold {
                let message = "DECLARE CURSOR can only be used in transaction blocks";
                return Err(Error::classified(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
            }
            session.cursors.check_new(name)?;
            let query = Arc::new(query.as_ref().clone());
            let (rows, origins) = select::rows_here(session, prepared, query, parameters).await?;
            session.cursors.insert(name, Cursor::new(rows, origins, *hold));
            if is_alone {
                let held = session.hold_cursors().await;
                session.end_cursors();
                held?;
            }
            Ok(super::command("DECLARE CURSOR"))
        }
        CursorStatement::Fetch { name, direction, moves } => {
            let cursor = session.cursors.find(name)?;
            let (skipped, rows) = match direction {
                Direction::Forward(rows) => (0, *rows),
                Direction::Relative(rows) => (rows - 1, Some(1)),
                Direction::Backward => {
                    return Err(Error::Classified {
                        sql_state: SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        message: "cursor can only scan forward".into(),
                        detail: None,
                        hint: None,
                        position: None,
                    });
                }
            };
            if !moves {
                return Ok(Response::Rows(cursor.fetch(skipped, rows).await?));
            }
            let passed = cursor.skip(Some(skipped)).await?;
            let moved = cursor.skip(rows).await?;
            let rows = if skipped > 0 { u64::from(passed == skipped && moved > 0) } else { moved };
            Ok(Response::Command { tag: "MOVE".into(), rows: Some(rows) })
        }
    }
}
