//! `RESTORE TABLE`: a table is what it was, in a new version.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr};
use engine::{DeltaScan, TableChanges, TableVersion, without_views};
use futures::TryStreamExt;

use super::command;
use super::modify::{Needs, ATTEMPTS_MAX, Modification, Target, skeleton};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::dialect::RESTORE_TABLE;
use crate::planner::TARGET;
use crate::planner::assign::{Enforced, enforcing_query, identifier};
use crate::planner::in_place::{moment, table_argument};
use crate::response::Response;
use crate::session::tables::pin_tables;
use crate::session::{Session, TransactionStatus};
use crate::sql_state::SqlState;

/// `args` are the table's name and which version it is to be.
pub(super) async fn restore_table(session: &Arc<Session>, statement: &Statement, args: &[FunctionArg]) -> Result<Response> {
    if session.transaction_status() != TransactionStatus::Idle {
        return Err(Error::ActiveTransaction { command: "RESTORE TABLE" });
    }
    let [_, FunctionArg::Named { name: word, arg: FunctionArgExpr::Expr(given), .. }] = args else {
        let message = format!("{RESTORE_TABLE} takes the name of a table and version => a number or timestamp => a time");
        return Err(Error::InvalidParameterValue { message });
    };
    let name = table_argument(RESTORE_TABLE, args)?;
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let snapshot = session.catalog();
        let target = Target::find(session, &name, &snapshot, "restore", [Needs::Ownership])?;
        let modification = Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target };
        let Some(contents) = modification.current().await? else { continue };
        let moment = moment(session, &modification.snapshot, statement, &word.value, given).await?;
        let tables = session.sessions().engine.tables();
        let older = tables.at(&contents.version.location, moment).await?;
        let columns = &modification.target.definition.columns;
        let is_same = older.schema().fields().len() == columns.fields().len()
            && older.schema().fields().iter().zip(columns.fields()).all(|(old, new)| {
                old.name() == new.name() && without_views(old.data_type()).equals_datatype(new.data_type())
            });
        if !is_same {
            return Err(Error::Classified {
                sql_state: SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                message: format!("table \"{}\" had other columns in version {}", modification.target.name, older.number),
                detail: None,
                hint: Some(format!("Make a table of its rows with CREATE TABLE … AS SELECT * FROM {name} VERSION AS OF {}.", older.number)),
                position: None,
            });
        }
        check(&modification, &older).await?;
        let changes = tables.restoring(&contents.version, &older).await?;
        if modification.apply(&contents, changes).await? {
            return Ok(command("RESTORE TABLE"));
        }
    }
    Err(Error::SerializationFailure)
}

/// Fails if rows of `older` break a rule that the table has now.
async fn check(modification: &Modification, older: &Arc<TableVersion>) -> Result<()> {
    let definition = &modification.target.definition;
    if enforcing_query(&modification.target.name, definition, TARGET, Enforced::Existing).is_none() {
        return Ok(());
    }
    let scan = DeltaScan::new(Arc::clone(older), &TableChanges::default())?.described(&definition.columns);
    let columns: Vec<String> = definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
    let query = skeleton(&format!("SELECT {} FROM {}", columns.join(", "), identifier(TARGET)))?;
    let table: Arc<dyn TableProvider> = Arc::new(scan);
    let rows = modification.plan_part(table, query, &[]).await?.logical;
    let rows = modification.enforced(rows, &[], Enforced::Existing).await?;
    // Only whether it fails is of interest.
    Ok(modification.run(rows).await?.try_for_each(|_| std::future::ready(Ok(()))).await?)
}
