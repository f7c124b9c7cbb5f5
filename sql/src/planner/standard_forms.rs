//! Forms of the SQL standard: those that have a twin which the engine knows, and those that it would answer wrongly.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator,
    LimitClause, Query, Select, SetExpr, SetOperator, SetQuantifier, Statement, TableFactor, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::build::{aliased, select};
use super::row_subqueries;
use crate::error::{Error, Result};

/// `FETCH FIRST n ROWS ONLY` becomes `LIMIT n`. Wrong answers become errors.
pub(super) fn rewrite_queries(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut RewriteQueries) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct RewriteQueries;

impl VisitorMut for RewriteQueries {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        rewrite_fetch(query);
        rewrite_values(&mut query.body);
        check_set_operations(&query.body)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            // The engine would answer from all rows.
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                ControlFlow::Break(Error::unsupported("TABLESAMPLE"))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        row_subqueries::rewrite_value(expr);
        if let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr
            && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
            && list.args.iter().any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)))
        {
            // The engine would count all rows.
            return ControlFlow::Break(Error::unsupported(format!("{name}(DISTINCT *)")));
        }
        if let Expr::Function(Function { args: FunctionArguments::List(list), over: Some(_), .. }) = expr
            && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        {
            // The engine's sums of distinct values would wrap around; PostgreSQL has none.
            return ControlFlow::Break(Error::unsupported("DISTINCT in a window function"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Some(condition) = &mut select.selection {
            row_subqueries::rewrite_terms(condition);
        }
        let joins = select.from.iter().flat_map(|table| &table.joins);
        for join in joins {
            // The column that both sides share would be the left side's, NULL where only the right side has a row.
            if let JoinOperator::FullOuter(JoinConstraint::Using(_) | JoinConstraint::Natural) = &join.join_operator {
                return ControlFlow::Break(Error::Unsupported {
                    what: "FULL JOIN with USING or NATURAL".into(),
                    hint: Some("Write the condition with ON, and coalesce(a.x, b.x) for the column.".into()),
                });
            }
        }
        ControlFlow::Continue(())
    }
}

/// `VALUES` with a subquery in a row becomes `SELECT … UNION ALL SELECT …`: the engine runs no query for the rows of VALUES.
fn rewrite_values(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            rewrite_values(left);
            rewrite_values(right);
        }
        SetExpr::Values(values) if values.rows.iter().any(|row| row.content.iter().any(holds_query)) => {
            let rows = std::mem::take(&mut values.rows).into_iter().map(|row| row.content);
            if let Some(union) = union_of(rows.collect()) {
                *body = union;
            }
        }
        _ => {}
    }
}

fn holds_query(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

/// A query of each row, as a tree that is as deep on both sides.
fn union_of(mut rows: Vec<Vec<Expr>>) -> Option<SetExpr> {
    if rows.len() > 1 {
        let right = rows.split_off(rows.len() / 2);
        let (left, right) = (Box::new(union_of(rows)?), Box::new(union_of(right)?));
        return Some(SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right });
    }
    let named = |(index, expr): (usize, Expr)| aliased(expr, &format!("column{}", index + 1));
    let row = rows.pop()?.into_iter().enumerate().map(named).collect();
    Some(*select(row, vec![]).body)
}

fn rewrite_fetch(query: &mut Query) {
    let Some(fetch) = &query.fetch else { return };
    if fetch.with_ties || fetch.percent {
        return;
    }
    let one = || Expr::value(Value::Number("1".into(), false));
    let count = fetch.quantity.clone().unwrap_or_else(one);
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: vec![] });
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(count),
        Some(_) => return,
    }
    query.fetch = None;
}

/// The engine decides EXCEPT ALL and INTERSECT ALL by whether a row is on the other side, not by how often.
fn check_set_operations(mut body: &SetExpr) -> ControlFlow<Error> {
    while let SetExpr::SetOperation { op, set_quantifier, left, right } = body {
        if *set_quantifier == SetQuantifier::All && matches!(op, SetOperator::Except | SetOperator::Intersect) {
            return ControlFlow::Break(Error::unsupported(format!("{op} ALL")));
        }
        check_set_operations(right)?;
        body = left;
    }
    ControlFlow::Continue(())
}
