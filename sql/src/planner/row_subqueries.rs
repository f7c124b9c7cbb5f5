//! `(a, b) IN (SELECT …)` in terms of EXISTS, which the engine knows for rows of any width.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableWithJoins, UnaryOperator,
    Value,
};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;

use super::build::{aliased, call, derived, ident, null, number, select};

/// Rewrites those that are terms of a WHERE, to which NULL is the same as false: one EXISTS.
pub(super) fn rewrite_terms(condition: &mut Expr) {
    let mut condition = condition;
    loop {
        match condition {
            Expr::Nested(inner) => condition = inner,
            // A long chain is deep on the left.
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                rewrite_terms(right);
                condition = left;
            }
            term => {
                if let Some(RowIn { row, subquery, negated }) = RowIn::of(term) {
                    *term = exists(row, subquery, negated, negated);
                }
                return;
            }
        }
    }
}

/// Rewrites one that is a value: NULL if no row is equal and one could be, were its NULLs known. Row and subquery are taken
/// over once, since each may hold another of these.
pub(super) fn rewrite_value(expr: &mut Expr) {
    let Some(RowIn { row, subquery, negated }) = RowIn::of(expr) else { return };
    let equal = || Expr::Identifier(ident(EQUAL));
    let some = |condition| call("bool_or", vec![condition]);
    let boolean = |value| Expr::Value(Value::Boolean(value).into());
    let when = |condition, result| CaseWhen { condition, result };
    // The negation of the opposite: a CASE would give its name to the column.
    let opposite = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(some(equal()), boolean(negated)),
            when(some(Expr::IsNull(Box::new(equal()))), null()),
        ],
        else_result: Some(Box::new(boolean(!negated))),
    };
    let (condition, rows) = comparison(row, subquery);
    let comparisons = derived(select(vec![aliased(condition, EQUAL)], vec![rows]), false, Some(alias("__rows", &[])));
    let value = select(vec![SelectItem::UnnamedExpr(opposite)], vec![TableWithJoins { relation: comparisons, joins: vec![] }]);
    *expr = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Subquery(Box::new(value))) };
}

/// The column that says whether a row is equal.
const EQUAL: &str = "__equal";

struct RowIn<'a> {
    row: &'a [Expr],
    subquery: &'a Query,
    negated: bool,
}

impl<'a> RowIn<'a> {
    fn of(expr: &'a Expr) -> Option<Self> {
        let Expr::InSubquery { expr: row, subquery, negated } = expr else { return None };
        match row.as_ref() {
            Expr::Tuple(row) if !row.is_empty() => Some(Self { row, subquery, negated: *negated }),
            _ => None,
        }
    }
}

/// Whether a row of the subquery is equal to `row`, or `is_not_known` to be another.
fn exists(row: &[Expr], subquery: &Query, is_not_known: bool, negated: bool) -> Expr {
    let (condition, rows) = comparison(row, subquery);
    let condition = match is_not_known {
        true => Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(condition)))),
        false => condition,
    };
    let mut found = select(vec![SelectItem::UnnamedExpr(number(1))], vec![rows]);
    if let SetExpr::Select(select) = found.body.as_mut() {
        select.selection = Some(condition);
    }
    Expr::Exists { subquery: Box::new(found), negated }
}

/// Whether a row of the subquery is equal to `row`, as a condition over the rows of the subquery.
fn comparison(row: &[Expr], subquery: &Query) -> (Expr, TableWithJoins) {
    let names: Vec<String> = (1..=row.len()).map(|number| format!("__row_{number}")).collect();
    let terms = row.iter().zip(&names).map(|(value, name)| Expr::BinaryOp {
        left: Box::new(value.clone()),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Identifier(ident(name))),
    });
    let equal = terms.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    });
    let relation = derived(subquery.clone(), false, Some(alias("__row", &names)));
    (equal.unwrap_or_else(|| Expr::Value(Value::Boolean(true).into())), TableWithJoins { relation, joins: vec![] })
}

fn alias(name: &str, columns: &[String]) -> TableAlias {
    let columns = columns.iter().map(|name| TableAliasColumnDef { name: ident(name), data_type: None }).collect();
    TableAlias { explicit: true, name: ident(name), columns, at: None }
}
