//! `INTERVAL '1 year 2 mons 04:05:06'` in the words that the engine's parser knows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut};

use crate::interval::parse_interval;

/// Literals that PostgreSQL would not accept either are left to the engine, which names them in its error.
pub(super) fn rewrite_intervals(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut RewriteIntervals) else { return };
}

struct RewriteIntervals;

impl VisitorMut for RewriteIntervals {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Interval(interval) = expr
            && interval.leading_field.is_none()
            && let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = interval.value.as_mut()
            && let Ok(parsed) = parse_interval(text)
        {
            let micros = parsed.nanoseconds / 1_000;
            *text = format!("{} months {} days {micros} microseconds", parsed.months, parsed.days);
        }
        ControlFlow::Continue(())
    }
}
