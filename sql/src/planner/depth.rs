//! Limits on what can be planned in reasonable time: the depth of expressions, and of subqueries inside expressions.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Statement, Visit, Visitor};

/// DataFusion checks its plans in a way that takes twice the time for each level: 0.2 s at this one, hours at forty.
const SUBQUERY_LEVELS_MAX: usize = 16;

/// A sum of so many terms takes a second: types are found anew for every part of it.
const EXPRESSION_LEVELS_MAX: usize = 1_000;

/// The limit that a statement exceeds, if it does. Subqueries in FROM have none but the parser's.
pub(super) fn exceeded(statement: &Statement) -> Option<usize> {
    match statement.visit(&mut Depth::default()) {
        ControlFlow::Continue(()) => None,
        ControlFlow::Break(limit) => Some(limit),
    }
}

#[derive(Default)]
struct Depth {
    expressions: usize,
    subqueries: usize,
}

impl Visitor for Depth {
    type Break = usize;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<usize> {
        self.expressions += 1;
        if self.expressions > EXPRESSION_LEVELS_MAX {
            return ControlFlow::Break(EXPRESSION_LEVELS_MAX);
        }
        if holds_query(expr) {
            self.subqueries += 1;
            if self.subqueries > SUBQUERY_LEVELS_MAX {
                return ControlFlow::Break(SUBQUERY_LEVELS_MAX);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<usize> {
        self.expressions -= 1;
        self.subqueries -= usize::from(holds_query(expr));
        ControlFlow::Continue(())
    }
}

fn holds_query(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
}
