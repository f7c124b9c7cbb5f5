//! Long chains of AND and OR, as programs write them, as balanced trees. The parser nests them to the left, and planning
//! takes time in proportion to the square of the depth.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Statement, Value, VisitMut, VisitorMut};

/// Shorter chains stay as they are, so that what EXPLAIN and generated column names show is what was written.
const TERMS_MIN: usize = 64;

pub(super) fn balance_chains(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut Balance) else { return };
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = &*expr {
            let op = op.clone();
            if count_terms(expr, &op) >= TERMS_MIN {
                let chain = std::mem::replace(expr, Expr::Value(Value::Null.into()));
                *expr = balanced(terms(chain, &op), &op);
            }
        }
        ControlFlow::Continue(())
    }
}

fn count_terms(mut expr: &Expr, chain: &BinaryOperator) -> usize {
    let mut count = 1;
    while let Expr::BinaryOp { left, op, .. } = expr {
        if op != chain {
            break;
        }
        count += 1;
        expr = left;
    }
    count
}

fn terms(mut expr: Expr, chain: &BinaryOperator) -> Vec<Expr> {
    let mut terms = Vec::new();
    loop {
        match expr {
            Expr::BinaryOp { left, op, right } if op == *chain => {
                terms.push(*right);
                expr = *left;
            }
            first => {
                terms.push(first);
                terms.reverse();
                return terms;
            }
        }
    }
}

fn balanced(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or(Expr::Value(Value::Null.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{Dialect, parse};

    #[test]
    fn order_is_kept() {
        let sql = (0..100).map(|term| format!("a = {term}")).collect::<Vec<_>>().join(" OR ");
        let mut statement = parse(&format!("SELECT 1 WHERE {sql}"), Dialect::Postgres).expect("valid").remove(0);
        let statement = std::sync::Arc::make_mut(statement.ast.as_mut().expect("a statement"));
        balance_chains(statement);
        assert_eq!(statement.to_string(), format!("SELECT 1 WHERE {sql}"));
        let mut depth = 0;
        let deepest = datafusion::sql::sqlparser::ast::visit_expressions(statement, |expr| {
            depth = depth.max(count_terms(expr, &BinaryOperator::Or));
            ControlFlow::<()>::Continue(())
        });
        assert!(deepest.is_continue() && depth < 10, "{depth}");
    }
}
