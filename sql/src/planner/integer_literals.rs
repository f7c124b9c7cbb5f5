//! Integer literals as PostgreSQL types them: int4 if they fit, else int8 (or numeric). The engine takes all for int8.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause, NamedWindowExpr, OrderByKind, Query, Select, Statement, TableFactor, Value,
    ValueWithSpan, VisitMut, VisitorMut, WindowFrameBound, WindowSpec, WindowType,
};

/// Writes casts around integers that are values. Those that are something else stay as they are: positions of columns, row
/// counts, bounds of frames, quantities of intervals, arguments of functions in FROM.
pub(super) fn rewrite_integers(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut RewriteIntegers);
}

/// Marks with the flag that the tokenizer sets for `1L` and that the planner does not look at what is not a value, before the
/// visitor gets to it.
struct RewriteIntegers;

impl VisitorMut for RewriteIntegers {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(ast::OrderBy { kind: OrderByKind::Expressions(keys), .. }) = &mut query.order_by {
            keys.iter_mut().for_each(|key| keep(&mut key.expr));
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter_mut().for_each(keep_all);
                offset.iter_mut().for_each(|offset| keep_all(&mut offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                keep_all(offset);
                keep_all(limit);
            }
            None => {}
        }
        if let Some(quantity) = query.fetch.as_mut().and_then(|fetch| fetch.quantity.as_mut()) {
            keep_all(quantity);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            keys.iter_mut().for_each(keep_grouping);
        }
        if let Some(ast::Distinct::On(keys)) = &mut select.distinct {
            keys.iter_mut().for_each(keep);
        }
        for window in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = &mut window.1 {
                keep_frame(window);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { args: Some(_), .. } | TableFactor::Function { .. } | TableFactor::TableFunction { .. } => {
                factor.visit(&mut Keep)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Interval(interval) => keep_all(&mut interval.value),
            Expr::Function(function) => {
                if is_count(function)
                    && let FunctionArguments::List(list) = &mut function.args
                {
                    // count(1) is count(*) to the engine.
                    list.args.iter_mut().for_each(|arg| {
                        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                            keep(arg);
                        }
                    });
                }
                if let Some(WindowType::WindowSpec(window)) = &mut function.over {
                    keep_frame(window);
                }
            }
            // What a cast makes of it is the same, and it need not be cast twice.
            Expr::Cast { expr, data_type, .. } => {
                keep(expr);
                if is_floating(data_type) {
                    exact(expr);
                }
            }
            // The engine wants them plain.
            Expr::Tuple(items) => items.iter_mut().for_each(keep),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Value(ValueWithSpan { value: Value::Number(number, is_kept), .. }) = expr {
            let is_kept = std::mem::take(is_kept);
            if let Some(digits) = without_exponent(number) {
                *number = digits;
                return ControlFlow::Continue(());
            }
            if is_kept || number.parse::<i32>().is_err() {
                return ControlFlow::Continue(());
            }
            let literal = std::mem::replace(expr, Expr::value(Value::Null));
            *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(literal), data_type: DataType::Integer(None), array: false, format: None };
        }
        ControlFlow::Continue(())
    }
}

fn is_floating(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float(_) | DataType::Float4 | DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision | DataType::Real)
}

/// A number with an exponent as text, which a cast reads without a numeric between.
fn exact(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value, .. }) = expr
        && let Value::Number(number, _) = value
        && number.contains(['e', 'E'])
    {
        *value = Value::SingleQuotedString(std::mem::take(number));
    }
}

fn is_count(function: &ast::Function) -> bool {
    matches!(function.name.0.as_slice(), [part] if part.as_ident().is_some_and(|name| name.value.eq_ignore_ascii_case("count")))
}

/// `1.5e3` as `1500.`; `None` without an exponent, or with more digits than a numeric has.
fn without_exponent(number: &str) -> Option<String> {
    const DIGITS_MAX: usize = 76;
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let (before, after) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits}{}", "0".repeat((point - digits.len()).min(DIGITS_MAX))), String::new()),
        Ok(point) => (digits[..point].to_owned(), digits[point..].to_owned()),
        Err(_) => ("0".to_owned(), format!("{}{digits}", "0".repeat(usize::try_from(-point).ok()?.min(DIGITS_MAX)))),
    };
    let before = if before.is_empty() { "0".to_owned() } else { before };
    (before.len() + after.len() <= DIGITS_MAX).then(|| format!("{before}.{after}"))
}

/// If it is a number.
fn keep(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(_, is_kept), .. }) = expr {
        *is_kept = true;
    }
}

fn keep_all(expr: &mut Expr) {
    let ControlFlow::Continue(()) = expr.visit(&mut Keep);
}

fn keep_grouping(expr: &mut Expr) {
    match expr {
        Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => sets.iter_mut().flatten().for_each(keep),
        Expr::Tuple(keys) => keys.iter_mut().for_each(keep),
        Expr::Nested(key) => keep_grouping(key),
        key => keep(key),
    }
}

fn keep_frame(window: &mut WindowSpec) {
    let Some(frame) = &mut window.window_frame else { return };
    for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()].into_iter().flatten() {
        if let WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) = bound {
            keep_all(rows);
        }
    }
}

struct Keep;

impl VisitorMut for Keep {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        keep(expr);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::rewrite_integers;

    #[test]
    fn values_are_cast_and_nothing_else() {
        for (sql, rewritten) in [
            ("SELECT 1.5e3, 2e-2, 1e0, CAST(1e15 AS REAL)", "SELECT 1500., 0.02, 1., CAST('1e15' AS REAL)"),
            ("SELECT count(1), (1, 2) = (1, 2)", "SELECT count(1), (1, 2) = (1, 2)"),
            ("SELECT 1, 2147483648, 1.5", "SELECT CAST(1 AS INTEGER), 2147483648, 1.5"),
            ("SELECT a FROM t GROUP BY 1 ORDER BY 1 LIMIT 2 OFFSET 3", "SELECT a FROM t GROUP BY 1 ORDER BY 1 LIMIT 2 OFFSET 3"),
            ("SELECT CAST(1 AS BIGINT), INTERVAL 1 DAY", "SELECT CAST(1 AS BIGINT), INTERVAL 1 DAY"),
            ("SELECT * FROM generate_series(1, 2 + 3)", "SELECT * FROM generate_series(1, 2 + 3)"),
            ("SELECT sum(a) OVER (ROWS 1 PRECEDING)", "SELECT sum(a) OVER (ROWS 1 PRECEDING)"),
            ("SELECT a FROM t GROUP BY a + 1 FETCH FIRST 1 ROWS ONLY", "SELECT a FROM t GROUP BY a + CAST(1 AS INTEGER) FETCH FIRST 1 ROWS ONLY"),
        ] {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect("valid").remove(0);
            rewrite_integers(&mut statement);
            assert_eq!(statement.to_string(), rewritten);
        }
    }
}
