//! `DELETE`: the files that have such rows are written again without them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, Delete, Expr, FromTable, Ident};
use engine::{FILE_COLUMN, Operation, TableChanges};

use super::joined::{Action, Clause, Joined, source_of, truth};
use super::modify::{
    ATTEMPTS_MAX, Modification, Needs, Target, Written, named_table, query_of, refuse_volatile, replaced, select_of, skeleton, target_query,
};
use crate::catalog::grants::Privilege;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner;
use crate::planner::assign::{cast_to_columns, identifier};
use crate::response::Response;
use crate::session::Session;
use crate::session::tables::pin_tables;
use crate::session::prepared::{Prepared, PreparedStatement};

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    delete: &Delete,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let (modification, alias) = modification(session, statement, delete)?;
    if let Some(joined) = joined(delete, &alias) {
        check_joined(&modification, delete, &alias, declared).await?;
        let types = joined.check(&modification, declared).await?;
        let (mut parameter_types, mut schema, mut origins) = (types, None, vec![]);
        if let Some(returned) = joined.described(&modification, &parameter_types).await? {
            (parameter_types, schema, origins) = (returned.parameter_types, Some(returned.schema), returned.origins);
        }
        return Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema, origins }));
    }
    let scan = modification.contents().await?.scan(&modification.target.definition)?.naming_files();
    let target: Arc<dyn TableProvider> = Arc::new(scan);
    let returned = delete.returning.clone().unwrap_or_default();
    modification.check_reads(&alias, returned, &[], condition(delete)?, declared).await?;
    let query = target_query(&alias, &identifier(FILE_COLUMN), condition(delete)?)?;
    let planned = modification.plan_part(target, query, declared).await?;
    refuse_volatile(&planned.logical)?;
    let (mut parameter_types, mut schema, mut origins) = (planned.parameter_types, None, vec![]);
    if let Some(items) = &delete.returning {
        let table: Arc<dyn TableProvider> = Arc::new(modification.contents().await?.scan(&modification.target.definition)?);
        let returning = modification.plan_returning(items, &alias, table, condition(delete)?, &parameter_types).await?;
        (parameter_types, schema, origins) = (returning.parameter_types, Some(returning.schema), returning.origins);
    }
    Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema, origins }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    delete: &Delete,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let (first, alias) = modification(session, prepared.statement(), delete)?;
    if let Some(joined) = joined(delete, &alias) {
        check_joined(&first, delete, &alias, prepared.parameter_types()).await?;
        let again = || modification(session, prepared.statement(), delete).map(|(modification, _)| modification);
        let done = joined.execute(again, prepared.parameter_types(), parameters, prepared.schema()).await?;
        return Ok(done.returned.unwrap_or(Response::Command { tag: "DELETE".into(), rows: Some(done.rows) }));
    }
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let (modification, alias) = modification(session, prepared.statement(), delete)?;
        let Some(contents) = modification.current().await? else { continue };
        let types = prepared.parameter_types();
        modification.check_reads(&alias, delete.returning.clone().unwrap_or_default(), &[], condition(delete)?, types).await?;
        let definition = &modification.target.definition;
        let deleted = async |rows, paths: &HashSet<String>| {
            let (Some(items), Some(schema)) = (&delete.returning, prepared.schema()) else {
                return Ok(Response::Command { tag: "DELETE".into(), rows: Some(rows) });
            };
            let table: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.of_files(paths));
            modification.returned(items, &alias, table, condition(delete)?, types, parameters, schema, "DELETE").await
        };
        let condition = condition(delete)?;
        let files: Vec<_> = contents.scan(definition)?.files().cloned().collect();
        let all = files.iter().map(|file| file.rows()).sum::<Option<usize>>();
        if let (None, Some(rows)) = (&condition, all) {
            let paths = files.iter().map(|file| file.path.clone()).collect();
            let changes = TableChanges { removed: files, operation: Operation::Delete, ..TableChanges::default() };
            let response = deleted(rows as u64, &paths).await?;
            if modification.apply(&contents, changes).await? {
                return Ok(response);
            }
            continue;
        }
        // Files of others do not always say how many rows they have.
        let condition = condition.unwrap_or_else(|| Expr::Value(ast::Value::Boolean(true).into()));
        let target: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.naming_files());
        let query = target_query(&alias, &identifier(FILE_COLUMN), Some(condition.clone()))?;
        let matching = modification.plan_part(target, query, types).await?;
        let touched = modification.touched(planner::bind(&matching.logical, types, parameters)?).await?;
        let rows = touched.iter().map(|(_, rows)| rows).sum();
        let paths: HashSet<String> = touched.iter().map(|(path, _)| path.clone()).collect();
        let scan = contents.scan(definition)?.of_files(&paths);
        let is_whole = |path: &String, size: Option<usize>| touched.iter().any(|(other, rows)| other == path && size == usize::try_from(*rows).ok());
        let partly: HashSet<String> =
            scan.files().filter(|file| !is_whole(&file.path, file.rows())).map(|file| file.path.clone()).collect();
        let mut written = Written::default();
        if !partly.is_empty() {
            let target: Arc<dyn TableProvider> = Arc::new(scan.of_files(&partly));
            let columns: Vec<String> = definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
            let kept = Expr::IsNotTrue(Box::new(Expr::Nested(Box::new(condition))));
            let kept = modification.plan_part(target, target_query(&alias, &columns.join(", "), Some(kept))?, types).await?;
            let kept = cast_to_columns(planner::bind(&kept.logical, types, parameters)?, definition, &modification.snapshot)?;
            written = modification.write(kept).await?;
        }
        let response = modification.or_discard(deleted(rows, &paths).await, &written).await?;
        if modification.apply(&contents, replaced(&contents, definition, &paths, written, Operation::Delete)?).await? {
            return Ok(response);
        }
    }
    Err(Error::SerializationFailure)
}

fn modification(session: &Arc<Session>, statement: &Statement, delete: &Delete) -> Result<(Modification, Ident)> {
    if delete.limit.is_some() || !delete.order_by.is_empty() || !delete.tables.is_empty() {
        return Err(Error::unsupported("this DELETE"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [table] = from.as_slice() else { return Err(Error::unsupported("DELETE from several tables")) };
    let (name, alias) = named_table(table)?;
    let snapshot = session.catalog();
    let target = Target::find(session, name, &snapshot, "delete from", [Needs::Privilege(Privilege::Delete)])?;
    Ok((Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target }, alias))
}

/// With rows of other tables of which RETURNING tells; without RETURNING it is enough that there are some.
fn joined(delete: &Delete, alias: &Ident) -> Option<Joined> {
    let (using, returning) = (delete.using.as_ref()?, delete.returning.as_ref()?);
    Some(Joined {
        alias: alias.clone(),
        source: source_of(using)?,
        on: delete.selection.clone().unwrap_or_else(|| truth(true)),
        clauses: vec![Clause { is_matched: true, condition: None, action: Action::Delete }],
        inserts: vec![],
        operation: Operation::Delete,
        returning: Some(returning.clone()),
    })
}

/// Fails for columns that the session's role may not read.
async fn check_joined(modification: &Modification, delete: &Delete, alias: &Ident, declared: &[Option<DataType>]) -> Result<()> {
    let (using, returned) = (delete.using.as_deref().unwrap_or_default(), delete.returning.clone().unwrap_or_default());
    modification.check_reads(alias, returned, using, delete.selection.clone(), declared).await
}

/// Which rows go: those for which a row of the other tables meets the condition.
fn condition(delete: &Delete) -> Result<Option<Expr>> {
    let Some(using) = &delete.using else { return Ok(delete.selection.clone()) };
    let mut exists = skeleton("SELECT 1")?;
    let select = select_of(&mut exists)?;
    select.from.clone_from(using);
    select.selection.clone_from(&delete.selection);
    Ok(Some(Expr::Exists { subquery: query_of(exists)?, negated: false }))
}
