//! One statement: what kind it is, how it is planned, and the one `match` that executes it.

mod alter_role;
mod alter_schema;
mod alter_table;
mod call;
mod comment;
mod copy_from;
mod copy_in;
mod copy_to;
mod copy_to_file;
mod create_external_table;
mod create_index;
mod create_materialized_view;
mod create_role;
mod create_schema;
mod create_secret;
mod create_table;
mod create_view;
mod cursor;
mod default_privileges;
mod delete;
mod discard;
mod drop_materialized_view;
mod drop_objects;
mod drop_relation;
mod drop_role;
mod drop_schema;
mod drop_secret;
mod drop_table;
mod drop_view;
mod explain;
mod grant;
mod grant_role;
mod insert;
mod joined;
mod keys;
mod merge;
mod modify;
mod names;
mod optimize;
mod owned;
mod prepare;
mod refresh_materialized_view;
mod restore_table;
mod roles;
mod select;
mod set;
mod show;
mod show_objects;
mod storage_parameters;
pub(crate) mod transaction;
mod truncate;
mod update;
mod use_schema;
mod vacuum;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;

use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::grant::{GrantStatement, GrantedOn};
use crate::planner;
use crate::response::{Notice, Response, Severity};
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};
use crate::sql_state::SqlState;

/// Plans a statement.
pub(crate) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let utility = |schema| {
        PreparedStatement::new(Prepared {
            statement: statement.clone(),
            parameter_types: declared.to_vec(),
            plan: None,
            schema,
            origins: vec![],
        })
    };
    if let Some(cursor) = statement.cursor.clone() {
        let text = statement.sql();
        let (session, statement, declared) = (Arc::clone(session), statement.clone(), declared.to_vec());
        return planner::aside(text, async move { cursor::prepare(&session, &statement, &cursor, &declared).await }).await;
    }
    let Some(ast) = statement.ast.as_deref() else { return Ok(utility(None)) };
    match ast {
        ast::Statement::Query(_)
        | ast::Statement::Copy { .. }
        | ast::Statement::Explain { .. }
        | ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_)
        | ast::Statement::Merge(_) => {
            let text = statement.sql();
            let (session, statement, declared) = (Arc::clone(session), statement.clone(), declared.to_vec());
            planner::aside(text, async move {
                match statement.ast.as_deref() {
                    Some(query @ ast::Statement::Query(_)) => select::prepare(&session, &statement, query, &declared).await,
                    Some(explain @ ast::Statement::Explain { .. }) => {
                        explain::prepare(&session, &statement, explain, &declared).await
                    }
                    Some(ast::Statement::Insert(insert)) => insert::prepare(&session, &statement, insert, &declared).await,
                    Some(ast::Statement::Update(update)) => update::prepare(&session, &statement, update, &declared).await,
                    Some(ast::Statement::Delete(delete)) => delete::prepare(&session, &statement, delete, &declared).await,
                    Some(ast::Statement::Merge(merge)) => merge::prepare(&session, &statement, merge, &declared).await,
                    Some(ast::Statement::Copy { to: false, .. }) => copy_from::prepare(&session, &statement, &declared).await,
                    _ => copy_to::prepare(&session, &statement, &declared).await,
                }
            })
            .await
        }
        show if show_objects::is_one(show) => show_objects::prepare(session, statement, show, declared).await,
        ast::Statement::ShowVariable { variable } => Ok(utility(Some(show::schema(variable)))),
        ast::Statement::Execute { .. } => Ok(utility(prepare::schema(session, ast)?)),
        _ => Ok(utility(None)),
    }
}

/// Executes a planned statement.
pub(crate) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    if let Some(grant) = prepared.statement().grant.as_deref() {
        return execute_grant(session, grant).await;
    }
    if let Some(cursor) = prepared.statement().cursor.as_deref() {
        return cursor::execute(session, prepared, cursor, parameters).await;
    }
    let Some(ast) = prepared.statement().ast.as_deref() else { return Ok(Response::Empty) };
    if changes_catalog(prepared.statement()) || matches!(ast, ast::Statement::CreateTable(_) | ast::Statement::AlterTable(_) | ast::Statement::CreateView(_)) {
        session.refresh_catalog().await?;
    }
    use ast::Statement as S;
    if let Some(command) = writes(ast)
        && session.settings(|settings| settings.is_read_only())
    {
        return Err(Error::ReadOnlyTransaction { command });
    }
    match ast {
        S::Query(_) => select::execute(session, prepared, parameters).await,
        S::Copy { to: false, .. } => copy_from::execute(session, prepared, parameters).await,
        S::Copy { .. } => copy_to::execute(session, prepared, parameters).await,
        S::Explain { .. } => explain::execute(session, prepared, ast, parameters).await,
        S::Set(set) => set::set(session, set),
        S::Reset(reset) => set::reset(session, reset),
        S::ShowVariable { variable } => show::show(session, variable),
        S::Close { cursor: ast::CloseCursor::All } => {
            session.cursors.close_all();
            Ok(command("CLOSE CURSOR ALL"))
        }
        S::Close { cursor: ast::CloseCursor::Specific { name } } => {
            session.cursors.close(&names::folded(name))?;
            Ok(command("CLOSE CURSOR"))
        }
        // There are no notifications, so that there is nothing to end.
        S::UNLISTEN { .. } => Ok(command("UNLISTEN")),
        S::Discard { object_type } => discard::discard(session, object_type).await,
        S::Use(target) => use_schema::use_schema(session, target),
        show if show_objects::is_one(show) => show_objects::execute(session, prepared, show, parameters).await,
        S::StartTransaction { modes, begin, .. } => transaction::begin(session, modes, *begin),
        S::Commit { chain, .. } => transaction::commit(session, *chain).await,
        S::Rollback { chain, savepoint: None } => transaction::rollback(session, *chain).await,
        S::Rollback { savepoint: Some(name), .. } => transaction::rollback_to(session, name),
        S::Savepoint { name } => transaction::savepoint(session, name),
        S::ReleaseSavepoint { name } => transaction::release(session, name),
        S::Prepare { name, data_types, statement } => {
            prepare::prepare(session, prepared.statement(), name, data_types, statement).await
        }
        S::Execute { .. } => prepare::execute(session, ast).await,
        S::Deallocate { name, .. } => prepare::deallocate(session, name),
        S::CreateSchema { .. } => create_schema::create_schema(session, ast).await,
        S::AlterSchema(alter) => alter_schema::alter_schema(session, alter).await,
        S::CreateSecret { or_replace, if_not_exists, name: Some(name), secret_type, options, temporary: None, storage_specifier: None } => {
            create_secret::create_secret(session, name, secret_type, options, *or_replace, *if_not_exists).await
        }
        S::DropSecret { if_exists, name, temporary: None, storage_specifier: None } => drop_secret::drop_secret(session, name, *if_exists).await,
        S::CreateRole(create) => create_role::create_role(session, create).await,
        S::AlterRole { name, operation } => alter_role::alter_role(session, name, operation).await,
        S::Drop { object_type: ast::ObjectType::Role, if_exists, names, .. } => drop_role::drop_role(session, names, *if_exists).await,
        S::AlterTable(alter) => alter_table::alter_table(session, prepared.statement(), alter).await,
        S::Drop { object_type: ast::ObjectType::Schema, if_exists, names, cascade, .. } => {
            drop_schema::drop_schema(session, names, *if_exists, *cascade).await
        }
        S::CreateView(create) if create.materialized => {
            create_materialized_view::create_materialized_view(session, prepared.statement(), create).await
        }
        S::CreateView(create) => create_view::create_view(session, create).await,
        S::Drop { object_type: ast::ObjectType::View, if_exists, names, cascade, .. } => {
            drop_view::drop_view(session, names, *if_exists, *cascade).await
        }
        S::Drop { object_type: ast::ObjectType::MaterializedView, if_exists, names, cascade, .. } => {
            drop_materialized_view::drop_materialized_view(session, names, *if_exists, *cascade).await
        }
        S::Drop { object_type: ast::ObjectType::Table, if_exists, names, cascade, .. } => {
            drop_table::drop_table(session, names, *if_exists, *cascade).await
        }
        S::CreateIndex(create) => create_index::create_index(session, create).await,
        S::Drop { object_type: ast::ObjectType::Index, if_exists, names, .. } => create_index::drop_index(session, names, *if_exists).await,
        S::AlterIndex { name, operation: ast::AlterIndexOperation::RenameIndex { index_name } } => {
            let new_name = index_name.0.last().and_then(|part| part.as_ident()).map(names::folded);
            create_index::rename_index(session, name, &new_name.unwrap_or_else(|| index_name.to_string())).await
        }
        S::CreateTable(create) if create.external => {
            create_external_table::create_external_table(session, prepared.statement(), create).await
        }
        S::CreateTable(create) => create_table::create_table(session, prepared.statement(), create).await,
        S::Insert(insert) => insert::execute(session, prepared, insert, parameters).await,
        S::Update(update) => update::execute(session, prepared, update, parameters).await,
        S::Delete(delete) => delete::execute(session, prepared, delete, parameters).await,
        S::Call(function) => call::call(session, prepared.statement(), function).await,
        S::Vacuum(statement) => vacuum::vacuum(session, statement).await,
        S::OptimizeTable { name, partition: None, predicate: None, zorder: None, .. } => {
            optimize::optimize(session, prepared.statement(), name).await
        }
        // What is known of tables is exact.
        S::Analyze(_) => Ok(command("ANALYZE")),
        S::Merge(merge) => merge::execute(session, prepared, merge, parameters).await,
        S::Truncate(truncate) => truncate::truncate(session, truncate).await,
        S::Comment { object_type, object_name, comment: text, .. } => {
            comment::comment(session, *object_type, object_name, text.as_deref()).await
        }
        other => Err(Error::unsupported(describe(other))),
    }
}

/// Executes a statement about privileges.
async fn execute_grant(session: &Arc<Session>, statement: &GrantStatement) -> Result<Response> {
    session.refresh_catalog().await?;
    if session.settings(|settings| settings.is_read_only()) {
        return Err(Error::ReadOnlyTransaction { command: statement.command() });
    }
    match statement {
        GrantStatement::Change(change) => match &change.on {
            GrantedOn::Roles(groups) => grant_role::grant_role(session, change, groups).await,
            _ => grant::grant_privileges(session, change).await,
        },
        GrantStatement::Default { roles, schemas, change } => {
            default_privileges::alter_default_privileges(session, roles, schemas, change).await
        }
        GrantStatement::ReassignOwned { roles, new_owner } => owned::reassign_owned(session, roles, new_owner).await,
        GrantStatement::DropOwned { roles, cascade } => owned::drop_owned(session, roles, *cascade).await,
    }
}

fn command(tag: &str) -> Response {
    Response::Command { tag: tag.to_owned(), rows: None }
}

/// A statement does nothing because of `reason`, and that is what was asked for.
fn skipped(session: &Session, sql_state: SqlState, reason: &Error) {
    let message = format!("{reason}, skipping");
    session.notify(Notice { severity: Severity::Notice, sql_state, message, detail: None, hint: None });
}

/// Whether a statement changes what is shared and kept. It is not cancelled: whether it was done must be known.
pub(crate) fn changes_catalog(statement: &Statement) -> bool {
    use ast::Statement as S;
    match statement.ast.as_deref() {
        None => statement.grant.is_some(),
        Some(S::CreateView(create)) => !create.materialized,
        Some(S::Commit { .. } | S::CreateSchema { .. } | S::AlterSchema(_) | S::Drop { .. } | S::Comment { .. }) => true,
        Some(S::CreateIndex(_) | S::AlterIndex { .. }) => true,
        Some(S::CreateRole(_) | S::AlterRole { .. } | S::CreateSecret { .. } | S::DropSecret { .. }) => true,
        Some(_) => false,
    }
}

/// The word of a statement that a read-only transaction refuses.
fn writes(statement: &ast::Statement) -> Option<&'static str> {
    use ast::Statement as S;
    Some(match statement {
        S::Insert(_) => "INSERT",
        S::Copy { to: false, .. } => "COPY FROM",
        S::Update(_) => "UPDATE",
        S::Delete(_) => "DELETE",
        S::Merge(_) => "MERGE",
        S::Truncate(_) => "TRUNCATE TABLE",
        S::CreateTable(create) if create.query.is_some() => "CREATE TABLE AS",
        S::CreateTable(_) => "CREATE TABLE",
        S::CreateView(create) if create.materialized => "CREATE MATERIALIZED VIEW",
        S::CreateView(_) => "CREATE VIEW",
        S::CreateIndex(_) => "CREATE INDEX",
        S::AlterIndex { .. } => "ALTER INDEX",
        S::CreateSchema { .. } => "CREATE SCHEMA",
        S::CreateSecret { .. } => "CREATE SECRET",
        S::DropSecret { .. } => "DROP SECRET",
        S::CreateRole(_) => "CREATE ROLE",
        S::AlterRole { .. } => "ALTER ROLE",
        S::AlterTable(_) => "ALTER TABLE",
        S::AlterSchema(_) => "ALTER SCHEMA",
        S::Drop { object_type: ast::ObjectType::Table, .. } => "DROP TABLE",
        S::Drop { object_type: ast::ObjectType::View, .. } => "DROP VIEW",
        S::Drop { .. } => "DROP",
        S::Comment { .. } => "COMMENT",
        S::OptimizeTable { .. } => "OPTIMIZE",
        S::Vacuum(_) => "VACUUM",
        S::Call(procedure) => call::command(procedure),
        _ => return None,
    })
}

/// Forgets the transaction block of a session that has ended, and removes what it has written.
pub(crate) fn abandon(session: &Arc<Session>) {
    transaction::abandon(session);
    discard::abandon(session);
}

/// Whether a statement commits, itself or the block that it ends.
pub(crate) fn may_end_transaction(statement: &Statement) -> bool {
    use ast::Statement as S;
    let Some(ast) = statement.ast.as_deref() else { return false };
    matches!(ast, S::Commit { .. } | S::Rollback { .. } | S::Execute { .. }) || writes(ast).is_some()
}

/// A word for logs and metrics.
pub(crate) fn kind(statement: &Statement) -> &'static str {
    use ast::Statement as S;
    match statement.ast.as_deref() {
        None if statement.grant.is_some() => "definition",
        None if statement.cursor.is_some() => "cursor",
        None => "empty",
        Some(S::Query(_)) => "select",
        Some(S::Copy { .. }) => "copy",
        Some(S::Explain { .. }) => "explain",
        Some(S::Set(_) | S::Reset(_)) => "set",
        Some(S::ShowVariable { .. }) => "show",
        Some(show) if show_objects::is_one(show) => "show",
        Some(S::Prepare { .. } | S::Execute { .. } | S::Deallocate { .. }) => "prepare",
        Some(_) if statement.is_transaction_control() => "transaction",
        Some(S::Insert(_) | S::Update(_) | S::Delete(_) | S::Merge(_) | S::Truncate(_)) => "modification",
        Some(S::CreateTable(_) | S::AlterTable(_) | S::CreateView(_)) => "definition",
        Some(_) if changes_catalog(statement) => "definition",
        Some(_) => "other",
    }
}

/// What a failed transaction block still accepts.
pub(crate) fn ends_failed_transaction(statement: &Statement) -> bool {
    let ends = matches!(statement.ast.as_deref(), Some(ast::Statement::Commit { .. } | ast::Statement::Rollback { .. }));
    ends || statement.is_empty()
}

pub(crate) fn is_copy_out(statement: &Statement) -> bool {
    matches!(statement.ast.as_deref(), Some(ast::Statement::Copy { to: true, target: ast::CopyTarget::Stdout, .. }))
}

/// `CREATE TABLE` of `CREATE TABLE t (…)`: the leading keywords.
fn describe(statement: &ast::Statement) -> String {
    let text = statement.to_string();
    text.split_whitespace()
        .take_while(|word| word.chars().all(|c| c.is_ascii_uppercase()))
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

