//! Casts, operators, functions and arrays within expressions.

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, Array, BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Subscript, TableAlias,
    TableAliasColumnDef, TableWithJoins, Value,
};
use udfs::postgres::text_output::parse_array;
use udfs::postgres::{ARRAY_OR_EMPTY, COMPARE_ALL, COMPARE_ANY};

use crate::planner::build::{aliased, call, call_with, derived, ident, null, number, select, string};
use super::detect::{Uses, last_name, schema_name};
use super::relations::unqualify;
use super::types::{Target, target};
use crate::catalog::functions::{CAST_TEXT, KEYWORD_FUNCTIONS, cast_function};
use crate::catalog::pg_catalog::PG_CATALOG;
use crate::catalog::pg_catalog::data::relations_of;
use crate::error::{Error, Result};

/// Rewrites one expression whose parts have been rewritten.
pub(super) fn rewrite(expr: &mut Expr, uses: &Uses) -> Result<()> {
    match expr {
        Expr::Identifier(name) if name.quote_style.is_none() => {
            let lower = name.value.to_lowercase();
            // Reserved words: no column has such a name without quotes.
            if KEYWORD_FUNCTIONS.contains(&lower.as_str()) {
                *expr = call(&lower, vec![]);
            }
        }
        Expr::Function(function) => {
            unqualify(&mut function.name);
            if is_array_constructor(function)
                && let FunctionArguments::Subquery(query) = &function.args
            {
                *expr = array_of_query(query)?;
            } else if matches!(function.args, FunctionArguments::None)
                && last_name(&function.name).is_some_and(|name| KEYWORD_FUNCTIONS.contains(&name.as_str()))
            {
                function.args = FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args: vec![], clauses: vec![] });
            }
        }
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } => {
            let operand = inner.as_ref().clone();
            if let Some(cast) = cast(operand, data_type, uses) {
                *expr = cast;
            } else if let Target::Known(known) = target(data_type) {
                *data_type = known;
            }
        }
        Expr::TypedString(typed) => {
            if let Some(text) = typed.value.value.clone().into_string()
                && let Target::Oid(_) | Target::Text = target(&typed.data_type)
                && let Some(cast) = cast(string(&text), &typed.data_type, uses)
            {
                *expr = cast;
            }
        }
        Expr::Collate { expr: inner, collation } => {
            // The database's collation is C: these are other names of it.
            let names = ["default", "C", "POSIX", "ucs_basic"];
            if matches!(schema_name(collation).as_deref(), None | Some(PG_CATALOG))
                && last_name(collation).is_some_and(|name| names.iter().any(|known| known.eq_ignore_ascii_case(&name)))
            {
                *expr = inner.as_ref().clone();
            }
        }
        Expr::BinaryOp { left, op, right } => {
            unqualify_operator(op)?;
            // A user's column may have the same name.
            if uses.only_catalog() {
                oids_of_literal(left, right);
                oids_of_literal(right, left);
            }
        }
        Expr::AnyOp { left, compare_op, right, .. } => {
            unqualify_operator(compare_op)?;
            if let Some(rewritten) = quantified(left, compare_op, right, true, uses) {
                *expr = rewritten;
            }
        }
        Expr::AllOp { left, compare_op, right } => {
            unqualify_operator(compare_op)?;
            if let Some(rewritten) = quantified(left, compare_op, right, false, uses) {
                *expr = rewritten;
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if is_vector(root)
                && let Some(AccessExpr::Subscript(Subscript::Index { index })) = access_chain.first_mut()
            {
                // Catalog vectors count from 0, arrays from 1.
                let from_zero = std::mem::replace(index, null());
                *index = Expr::BinaryOp { left: Box::new(from_zero), op: BinaryOperator::Plus, right: Box::new(number(1)) };
            }
        }
        _ => {}
    }
    Ok(())
}

/// A cast as a call, where the planner's own cast does not do.
fn cast(operand: Expr, data_type: &ast::DataType, uses: &Uses) -> Option<Expr> {
    match target(data_type) {
        Target::Oid(name) => Some(call(&cast_function(&name)?, vec![operand])),
        Target::Text => match operand {
            Expr::Value(ast::ValueWithSpan { value: Value::Placeholder(_), .. }) => Some(plain_text(operand)),
            Expr::Value(ref value) if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)) => {
                // A type may have stood here that the planner does not know, such as `name`.
                Some(operand)
            }
            Expr::Value(ref value) if value.value == Value::Null => Some(plain_text(operand)),
            operand if uses.only_catalog() => Some(call(CAST_TEXT, vec![operand])),
            operand if !matches!(data_type, ast::DataType::Text | ast::DataType::Varchar(_) | ast::DataType::CharacterVarying(_)) => {
                Some(plain_text(operand))
            }
            _ => None,
        },
        Target::TextArray => match text_of(&operand) {
            Some(text) => {
                let items = parse_array(&text)?;
                let elem = items.iter().map(|item| item.as_text().map_or_else(null, string)).collect::<Vec<_>>();
                let array = Expr::Array(Array { elem, named: true });
                Some(cast_to(array, array_of_text()))
            }
            None => Some(cast_to(operand, array_of_text())),
        },
        Target::Known(ast::DataType::Array(element)) => array_of_literal(&operand, &ast::DataType::Array(element)),
        Target::Known(_) | Target::Other => array_of_literal(&operand, data_type),
    }
}

/// `'{1,2}'::int[]`: an array of the literal's items.
fn array_of_literal(literal: &Expr, data_type: &ast::DataType) -> Option<Expr> {
    let ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(element, _)) = data_type else { return None };
    let items = parse_array(&text_of(literal)?)?;
    let item = |text: &str| cast_to(string(text), element.as_ref().clone());
    let elem = items.iter().map(|value| value.as_text().map_or_else(null, item)).collect();
    Some(cast_to(Expr::Array(Array { elem, named: true }), data_type.clone()))
}

fn plain_text(operand: Expr) -> Expr {
    cast_to(operand, ast::DataType::Text)
}

fn cast_to(operand: Expr, data_type: ast::DataType) -> Expr {
    Expr::Cast { kind: CastKind::DoubleColon, expr: Box::new(operand), data_type, array: false, format: None }
}

fn array_of_text() -> ast::DataType {
    ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(ast::DataType::Text), None))
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) => text_of(inner),
        _ => None,
    }
}

/// `OPERATOR(pg_catalog.~)` is `~`.
fn unqualify_operator(op: &mut BinaryOperator) -> Result<()> {
    use BinaryOperator as B;
    let B::PGCustomBinaryOperator(parts) = &*op else { return Ok(()) };
    let name = match parts.as_slice() {
        [name] => name,
        [schema, name] if schema.eq_ignore_ascii_case(PG_CATALOG) => name,
        _ => return Err(Error::unsupported(format!("operator {}", parts.join(".")))),
    };
    *op = match name.as_str() {
        "=" => B::Eq,
        "<>" | "!=" => B::NotEq,
        "<" => B::Lt,
        "<=" => B::LtEq,
        ">" => B::Gt,
        ">=" => B::GtEq,
        "+" => B::Plus,
        "-" => B::Minus,
        "*" => B::Multiply,
        "/" => B::Divide,
        "%" => B::Modulo,
        "||" => B::StringConcat,
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "~~*" => B::PGILikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "!~~*" => B::PGNotILikeMatch,
        "@>" => B::AtArrow,
        "<@" => B::ArrowAt,
        "&&" => B::PGOverlap,
        other => return Err(Error::unsupported(format!("operator pg_catalog.{other}"))),
    };
    Ok(())
}

/// `left op ANY (right)`, `left op ALL (right)`; `None` is left for the planner.
fn quantified(left: &Expr, op: &BinaryOperator, right: &Expr, any: bool, uses: &Uses) -> Option<Expr> {
    let operator = match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    };
    let mut right = right;
    while let Expr::Nested(inner) = right {
        right = inner;
    }
    match (right, operator, any) {
        (Expr::Subquery(query), "=", true) => {
            Some(Expr::InSubquery { expr: Box::new(left.clone()), subquery: query.clone(), negated: false })
        }
        (Expr::Subquery(query), "<>", false) => {
            Some(Expr::InSubquery { expr: Box::new(left.clone()), subquery: query.clone(), negated: true })
        }
        (Expr::Subquery(_), ..) => None,
        (Expr::Array(array), "=", true) if !array.elem.is_empty() => {
            Some(Expr::InList { expr: Box::new(left.clone()), list: array.elem.clone(), negated: false })
        }
        (Expr::Array(array), "<>", false) if !array.elem.is_empty() => {
            Some(Expr::InList { expr: Box::new(left.clone()), list: array.elem.clone(), negated: true })
        }
        _ if uses.only_catalog() => {
            let function = if any { COMPARE_ANY } else { COMPARE_ALL };
            Some(call(function, vec![left.clone(), string(operator), right.clone()]))
        }
        _ => None,
    }
}

fn is_array_constructor(function: &Function) -> bool {
    last_name(&function.name).is_some_and(|name| name.eq_ignore_ascii_case("array"))
}

/// `ARRAY(SELECT x FROM … ORDER BY y)`: the rows aggregated in that order; of no rows an empty array.
fn array_of_query(query: &Query) -> Result<Expr> {
    let mut query = query.clone();
    let collected = match collect_select(&mut query) {
        true => query,
        false => collect_any(query),
    };
    Ok(call(ARRAY_OR_EMPTY, vec![Expr::Subquery(Box::new(collected))]))
}

/// Puts the aggregate into a plain SELECT; `false` if it is not one.
fn collect_select(query: &mut Query) -> bool {
    let plain_query = query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(inner) = query.body.as_mut() else { return false };
    let no_groups = matches!(&inner.group_by, ast::GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    if !plain_query || !no_groups || inner.distinct.is_some() || inner.having.is_some() || inner.projection.len() != 1 {
        return false;
    }
    let value = match &inner.projection[0] {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
        _ => return false,
    };
    if holds_set_or_aggregate(&value) {
        return false;
    }
    let order = match &query.order_by {
        None => vec![],
        Some(ast::OrderBy { kind: OrderByKind::Expressions(order), .. }) => order.iter().map(|sort| by_value(sort, &value)).collect(),
        Some(_) => return false,
    };
    inner.projection = vec![aliased(array_agg(value, order), "array")];
    query.order_by = None;
    true
}

/// `ORDER BY 1` is by the value itself.
fn by_value(sort: &OrderByExpr, value: &Expr) -> OrderByExpr {
    let is_first = matches!(&sort.expr, Expr::Value(number) if matches!(&number.value, Value::Number(digits, _) if digits == "1"));
    OrderByExpr { expr: if is_first { value.clone() } else { sort.expr.clone() }, ..sort.clone() }
}

/// Whether an expression cannot simply be put into an aggregate.
fn holds_set_or_aggregate(expr: &Expr) -> bool {
    use std::ops::ControlFlow;
    let flow = ast::visit_expressions(expr, |expr| match expr {
        Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
        Expr::Function(function)
            if last_name(&function.name).is_some_and(|name| {
                ["unnest", "count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or"].contains(&name.as_str())
            }) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// Aggregates the only column of any query. The order of an inner ORDER BY is that of its rows' numbers.
fn collect_any(mut query: Query) -> Query {
    let alias = |columns: &[&str]| TableAlias {
        explicit: true,
        name: ident("collected"),
        columns: columns.iter().map(|name| TableAliasColumnDef { name: ident(name), data_type: None }).collect(),
        at: None,
    };
    // Ordinals and names in ORDER BY mean the one column, so ordering by it again is the same.
    let order = match query.order_by.take() {
        Some(order_by) => {
            let sorts = match &order_by.kind {
                OrderByKind::Expressions(sorts) => sorts
                    .iter()
                    .map(|sort| OrderByExpr { expr: Expr::Identifier(ident("value")), ..sort.clone() })
                    .collect(),
                OrderByKind::All(_) => vec![],
            };
            // LIMIT needs the order within.
            query.order_by = Some(order_by);
            sorts
        }
        None => vec![],
    };
    let from = TableWithJoins { relation: derived(query, false, Some(alias(&["value"]))), joins: vec![] };
    select(vec![aliased(array_agg(Expr::Identifier(ident("value")), order), "array")], vec![from])
}

fn array_agg(value: Expr, order: Vec<OrderByExpr>) -> Expr {
    let clauses = if order.is_empty() { vec![] } else { vec![FunctionArgumentClause::OrderBy(order)] };
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
    call_with("array_agg", FunctionArgumentList { duplicate_treatment: None, args, clauses })
}

/// Whether an expression is a column of type `int2vector` or `oidvector` by its name, which no other column has.
fn is_vector(expr: &Expr) -> bool {
    is_catalog_column(expr, |type_name| type_name.ends_with("vector") && type_name != "tsvector")
}

/// `polroles = '{0}'`: the literal is an array like the column it is compared with.
fn oids_of_literal(column: &Expr, literal: &mut Expr) {
    if let Some(items) = text_of(literal).as_deref().and_then(parse_array)
        && is_catalog_column(column, |type_name| type_name == "_oid")
        && let Some(cast) = cast_function("oid")
    {
        let elem = items.iter().map(|item| item.as_text().map_or_else(null, |text| call(&cast, vec![string(text)]))).collect();
        *literal = Expr::Array(Array { elem, named: true });
    }
}

/// Whether an expression is a column of `pg_catalog` of a type of which only such columns have the name.
fn is_catalog_column(expr: &Expr, is_wanted: impl Fn(&str) -> bool) -> bool {
    let name = match expr {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(name) => name,
            None => return false,
        },
        Expr::Nested(inner) => return is_catalog_column(inner, is_wanted),
        _ => return false,
    };
    relations_of(PG_CATALOG)
        .flat_map(|relation| &relation.columns)
        .any(|column| column.name == name.value && is_wanted(column.type_name))
}
