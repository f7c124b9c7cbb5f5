//! What clients' catalog queries say and DataFusion's planner does not know, in words that it knows.
//!
//! Every rewrite keeps the meaning; what cannot be kept is left for the planner to refuse. Statements that touch neither
//! system tables nor functions of `pg_catalog` pass unchanged.

mod detect;
mod expressions;
mod finish;
mod relations;
mod set_functions;
mod types;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, ObjectName, Select, TableFactor, VisitMut, VisitorMut};

use crate::error::{Error, Result};

pub(crate) use detect::Uses;
pub(crate) use finish::finish_plan;

/// Rewrites a statement in place. The answer says what it touches.
///
/// `database` is the name of the connected database; names in others are an error.
pub(crate) fn rewrite_catalog_statement(statement: &mut ast::Statement, database: &str) -> Result<Uses> {
    let uses = detect::uses(statement);
    let mut rewriter = Rewriter { database, uses: &uses, error: None };
    let flow = statement.visit(&mut rewriter);
    if let Some(error) = rewriter.error {
        return Err(error);
    }
    debug_assert!(matches!(flow, ControlFlow::Continue(())));
    Ok(uses)
}

struct Rewriter<'a> {
    database: &'a str,
    uses: &'a Uses,
    error: Option<Error>,
}

impl Rewriter<'_> {
    fn keep<T: Default>(&mut self, outcome: Result<T>) -> ControlFlow<(), T> {
        match outcome {
            Ok(value) => ControlFlow::Continue(value),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        // Before expressions are visited, while `alias.tableoid` still stands next to its FROM.
        if self.uses.catalog {
            relations::replace_system_columns(select);
        }
        set_functions::unnest_projection(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let outcome = relations::qualify(relation, self.database, self.uses);
        self.keep(outcome)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if self.uses.needs_finish() {
            set_functions::derive_table(factor);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        set_functions::take_field(expr);
        let outcome = expressions::rewrite(expr, self.uses);
        self.keep(outcome)
    }

}
