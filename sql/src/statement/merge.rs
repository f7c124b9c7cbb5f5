//! `MERGE INTO`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, Expr, Merge, MergeAction, MergeClauseKind, MergeInsertExpr, MergeInsertKind, ObjectName, SelectItem,
    TableWithJoins,
};
use engine::Operation;

use super::insert;
use super::joined::{Action, Clause, InsertClause, Joined};
use super::modify::{Needs, Modification, Target, is_default, named_table};
use super::update::assignments;
use crate::catalog::grants::Privilege;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::merge_actions::NOTHING;
use crate::response::Response;
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    merge: &Merge,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let modification = modification(session, statement, merge)?;
    let joined = joined(&modification, merge)?;
    check_rights(&modification, &joined, declared).await?;
    let parameter_types = joined.check(&modification, declared).await?;
    Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema: None, origins: vec![] }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    merge: &Merge,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let modification = || modification(session, prepared.statement(), merge);
    let first = modification()?;
    let joined = joined(&first, merge)?;
    check_rights(&first, &joined, prepared.parameter_types()).await?;
    let done = joined.execute(modification, prepared.parameter_types(), parameters, None).await?;
    Ok(Response::Command { tag: "MERGE".into(), rows: Some(done.rows) })
}

fn modification(session: &Arc<Session>, statement: &Statement, merge: &Merge) -> Result<Modification> {
    if merge.output.is_some() {
        return Err(Error::unsupported("MERGE … RETURNING"));
    }
    let table = TableWithJoins { relation: merge.table.clone(), joins: vec![] };
    let (name, _) = named_table(&table)?;
    let snapshot = session.catalog();
    let acting = merge.clauses.iter().filter(|clause| !is_nothing(&clause.action));
    let needs = acting.map(|clause| match &clause.action {
        MergeAction::Update(_) => Needs::SomeColumn(Privilege::Update),
        MergeAction::Insert(_) => Needs::SomeColumn(Privilege::Insert),
        _ => Needs::Privilege(Privilege::Delete),
    });
    let target = Target::find(session, name, &snapshot, "merge into", needs)?;
    Ok(Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target })
}

/// Fails for columns that the session's role may not change, or not read.
async fn check_rights(modification: &Modification, joined: &Joined, declared: &[Option<DataType>]) -> Result<()> {
    let Modification { session, snapshot, target, .. } = modification;
    let mut read: Vec<Expr> = vec![];
    for clause in &joined.clauses {
        read.extend(clause.condition.clone());
        if let Action::Update(values) = &clause.action {
            target.check_columns(session, snapshot, Privilege::Update, values.keys().copied())?;
            read.extend(values.values().cloned());
        }
    }
    for values in joined.inserts.iter().filter_map(|insert| insert.values.as_ref()) {
        target.check_columns(session, snapshot, Privilege::Insert, values.keys().copied())?;
    }
    let items = read.into_iter().map(SelectItem::UnnamedExpr).collect();
    let others = std::slice::from_ref(&joined.source);
    modification.check_reads(&joined.alias, items, others, Some(joined.on.clone()), declared).await
}

fn joined(modification: &Modification, merge: &Merge) -> Result<Joined> {
    let table = TableWithJoins { relation: merge.table.clone(), joins: vec![] };
    let (_, alias) = named_table(&table)?;
    let (mut clauses, mut inserts) = (vec![], vec![]);
    for clause in &merge.clauses {
        let is_matched = clause.clause_kind == MergeClauseKind::Matched;
        let condition = clause.predicate.clone();
        let for_table = matches!(clause.clause_kind, MergeClauseKind::Matched | MergeClauseKind::NotMatchedBySource);
        match &clause.action {
            action if is_nothing(action) && for_table => clauses.push(Clause { is_matched, condition, action: Action::Nothing }),
            action if is_nothing(action) => inserts.push(InsertClause { condition, values: None }),
            MergeAction::Update(update) if for_table => {
                if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                    return Err(Error::unsupported("WHERE in a clause of MERGE"));
                }
                let action = Action::Update(assignments(modification, &update.assignments)?);
                clauses.push(Clause { is_matched, condition, action });
            }
            MergeAction::Delete { .. } if for_table => clauses.push(Clause { is_matched, condition, action: Action::Delete }),
            MergeAction::Insert(insert) if !for_table => {
                inserts.push(InsertClause { condition, values: Some(values(&modification.target, insert)?) });
            }
            action => return Err(Error::unsupported(format!("{action} in this clause of MERGE"))),
        }
    }
    // What does nothing matters to what comes after it.
    if clauses.iter().all(|clause| matches!(clause.action, Action::Nothing)) {
        clauses.clear();
    }
    if inserts.iter().all(|insert| insert.values.is_none()) {
        inserts.clear();
    }
    let source = TableWithJoins { relation: merge.source.clone(), joins: vec![] };
    Ok(Joined { alias, source, on: merge.on.as_ref().clone(), clauses, inserts, operation: Operation::Merge, returning: None })
}

/// `DO NOTHING`
fn is_nothing(action: &MergeAction) -> bool {
    let names_nothing = |name: &ObjectName| matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|name| name.value == NOTHING));
    match action {
        MergeAction::Update(update) => {
            update.assignments.iter().any(|set| matches!(&set.target, AssignmentTarget::ColumnName(name) if names_nothing(name)))
        }
        MergeAction::Insert(insert) => insert.columns.iter().any(names_nothing),
        _ => false,
    }
}

fn values(target: &Target, insert: &MergeInsertExpr) -> Result<BTreeMap<usize, Expr>> {
    let MergeInsertKind::Values(values) = &insert.kind else { return Err(Error::unsupported("INSERT ROW")) };
    if insert.insert_predicate.is_some() {
        return Err(Error::unsupported("WHERE in a clause of MERGE"));
    }
    let [row] = values.rows.as_slice() else { return Err(Error::unsupported("several rows in a clause of MERGE")) };
    let columns = insert::columns(target, &insert.columns)?;
    if row.content.len() > columns.len() {
        return Err(Error::InsertWidth { more: "expressions", fewer: "target columns" });
    }
    if row.content.len() < columns.len() && !insert.columns.is_empty() {
        return Err(Error::InsertWidth { more: "target columns", fewer: "expressions" });
    }
    let given: BTreeMap<usize, Expr> =
        columns.into_iter().zip(&row.content).filter(|(_, value)| !is_default(value)).map(|(column, value)| (column, value.clone())).collect();
    for column in given.keys() {
        target.refuse_generated(*column, |name| format!("cannot insert a non-DEFAULT value into column \"{name}\""))?;
    }
    Ok(given)
}
