//! `(a, b) IN (SELECT …)` in terms of EXISTS, which the engine knows for rows of any width.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableWithJoins, UnaryOperator,
    Value,
};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;

use super::build::{derived, ident, null, number, select};

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

/// Rewrites one that is a value: NULL if no row is equal and one could be, were its NULLs known.
pub(super) fn rewrite_value(expr: &mut Expr) {
    let Some(RowIn { row, subquery, negated }) = RowIn::of(expr) else { return };
    let boolean = |value| Expr::Value(Value::Boolean(value).into());
    let when = |condition, result| CaseWhen { condition, result };
    // The negation of the opposite: a CASE would give its name to the column.
    let opposite = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(exists(row, subquery, false, false), boolean(negated)),
            when(exists(row, subquery, true, false), null()),
        ],
        else_result: Some(Box::new(boolean(!negated))),
    };
    *expr = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(opposite) };
}

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
    let condition = match is_not_known {
        true => equal.map(|equal| Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(equal))))),
        false => equal,
    };
    let alias = TableAlias {
        explicit: true,
        name: ident("__row"),
        columns: names.iter().map(|name| TableAliasColumnDef { name: ident(name), data_type: None }).collect(),
        at: None,
    };
    let rows = TableWithJoins { relation: derived(subquery.clone(), false, Some(alias)), joins: vec![] };
    let mut found = select(vec![SelectItem::UnnamedExpr(number(1))], vec![rows]);
    if let SetExpr::Select(select) = found.body.as_mut() {
        select.selection = condition;
    }
    Expr::Exists { subquery: Box::new(found), negated }
}
