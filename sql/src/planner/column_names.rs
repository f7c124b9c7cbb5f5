//! Expressions that differ in casts or subqueries only get different names. DataFusion leaves casts out of the names of
//! expressions and names subqueries after their column: it takes `sum(x)` and `sum(x::float8)`, or `GROUP BY t, t::date`, for
//! two columns of one name.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, CastKind, Expr, GroupByExpr, ObjectNamePart, Select, Statement, Visit, VisitMut, Visitor, VisitorMut,
};
use udfs::postgres::NAMED;

use super::build::{call, null, string};
use super::output_names::{folded, subquery_name};

/// Marks the casts and subqueries of such aggregates, window functions and grouping expressions.
pub(super) fn distinguish_columns(statement: &mut Statement, is_aggregate: &dyn Fn(&str) -> bool) {
    let mut found = Found { is_aggregate, by_name: HashMap::new() };
    let ControlFlow::Continue(()) = Visit::visit(statement, &mut found);
    let mut marked = HashSet::new();
    for expressions in found.by_name.into_values().filter(|expressions| expressions.len() > 1) {
        for expr in expressions.into_values() {
            let _: ControlFlow<()> = ast::visit_expressions(&expr, |expr| {
                if is_nameless(expr) {
                    marked.insert(key(expr));
                }
                ControlFlow::Continue(())
            });
        }
    }
    if !marked.is_empty() {
        let ControlFlow::Continue(()) = VisitMut::visit(statement, &mut Mark { marked, names: vec![] });
    }
}

fn is_nameless(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast { .. } | Expr::Subquery(_))
}

/// The text of an expression, however its casts are written.
fn key(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let _: ControlFlow<()> = ast::visit_expressions_mut(&mut expr, |expr| {
        if let Expr::Cast { kind: kind @ CastKind::DoubleColon, .. } = expr {
            *kind = CastKind::Cast;
        }
        ControlFlow::Continue(())
    });
    expr.to_string()
}

/// The expressions that become columns, by their text as it is in names and by that which is written.
struct Found<'a> {
    is_aggregate: &'a dyn Fn(&str) -> bool,
    by_name: HashMap<String, HashMap<String, Expr>>,
}

impl Found<'_> {
    fn add(&mut self, expr: &Expr) {
        let mut plain = expr.clone();
        let _: ControlFlow<()> = ast::visit_expressions_mut(&mut plain, |expr| {
            while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
                *expr = std::mem::replace(inner.as_mut(), null());
            }
            if let Expr::Subquery(query) = expr {
                *expr = string(&subquery_name(query).unwrap_or_default());
            }
            ControlFlow::Continue(())
        });
        self.by_name.entry(plain.to_string()).or_default().insert(key(expr), expr.clone());
    }
}

impl Visitor for Found<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr
            && let Some(ObjectNamePart::Identifier(name)) = function.name.0.last()
            && (function.over.is_some() || (self.is_aggregate)(&folded(name)))
        {
            self.add(expr);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if let GroupByExpr::Expressions(expressions, _) = &select.group_by {
            expressions.iter().for_each(|expr| self.add(expr));
        }
        ControlFlow::Continue(())
    }
}

struct Mark {
    marked: HashSet<String>,
    /// Of each expression that is being visited, from the outermost in: the name to give it.
    names: Vec<Option<String>>,
}

impl VisitorMut for Mark {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let name = if is_nameless(expr) { Some(key(expr)) } else { None };
        self.names.push(name.filter(|name| self.marked.contains(name)));
        ControlFlow::Continue(())
    }

    /// From the innermost out, so that what is put in is not visited again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Some(name) = self.names.pop().flatten() {
            let value = std::mem::replace(expr, null());
            *expr = call(NAMED, vec![value, string(&name)]);
        }
        ControlFlow::Continue(())
    }
}
