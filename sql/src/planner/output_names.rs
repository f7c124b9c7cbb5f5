//! Names of result columns, as PostgreSQL chooses them: `count`, `?column?`, `case`; never DataFusion's `count(*)`.
//!
//! PostgreSQL allows several columns of one name, DataFusion does not. Repeated names get a suffix that no SQL text can
//! hold, which is taken off where names are shown.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, Value, VisitMut, VisitorMut,
};

/// Starts the suffix of a repeated name.
const REPEATED: char = '\u{1}';

/// Gives every unnamed output of every SELECT the name PostgreSQL gives it.
pub(super) fn name_outputs(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut NameOutputs) else { return };
}

/// A column's name without what made it unique.
pub(super) fn shown_name(name: &str) -> &str {
    name.split(REPEATED).next().unwrap_or(name)
}

/// A plan's text without the marks that make names unique.
pub(crate) fn shown_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split(REPEATED).enumerate() {
        shown.push_str(if index == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_digit()) });
    }
    shown
}

struct NameOutputs;

impl VisitorMut for NameOutputs {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        name_set_expr(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn name_set_expr(body: &mut SetExpr) {
    // Iterates over the left side: a chain of a thousand UNIONs is deep on the left.
    let mut body = body;
    loop {
        match body {
            SetExpr::Select(select) => return name_select(select),
            SetExpr::SetOperation { left, right, .. } => {
                name_set_expr(right);
                body = left;
            }
            // A parenthesised query is visited by itself.
            _ => return,
        }
    }
}

fn name_select(select: &mut Select) {
    let mut uses: HashMap<String, usize> = HashMap::new();
    // The engine takes names in these for outputs before it takes them for columns; in PostgreSQL they are columns.
    let mut in_conditions = HashSet::new();
    for condition in [&select.having, &select.qualify].into_iter().flatten() {
        let _: ControlFlow<()> = ast::visit_expressions(condition, |expr| {
            if let Expr::Identifier(column) = expr {
                in_conditions.insert(folded(column));
            }
            ControlFlow::Continue(())
        });
    }
    let mut repeats: HashMap<String, usize> = HashMap::new();
    // `t.id` and another output called `id` would be ambiguous.
    let (mut plain, mut qualified) = (HashSet::new(), HashSet::new());
    for item in &mut select.projection {
        let (name, is_named) = match &*item {
            SelectItem::ExprWithAlias { alias, .. } => (folded(alias), true),
            SelectItem::UnnamedExpr(Expr::Identifier(column)) => (folded(column), true),
            // Two columns of one name from different tables are told apart by their qualifiers.
            SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(_)) => (expr.to_string(), true),
            SelectItem::UnnamedExpr(expr) => (name_of(expr), false),
            _ => continue,
        };
        let column = match &*item {
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
            _ => None,
        };
        let clashes = match &column {
            Some(column) => plain.contains(column),
            None => qualified.contains(&name),
        };
        let count = uses.entry(name.clone()).or_insert(0);
        *count += 1;
        let is_first = *count == 1 && !clashes;
        if is_first {
            match &column {
                Some(column) => qualified.insert(column.clone()),
                None => plain.insert(name.clone()),
            };
            if is_named {
                continue;
            }
        }
        let shown = column.unwrap_or(name);
        let unique = match is_first && !in_conditions.contains(&shown) {
            true => shown,
            false => {
                let repeats = repeats.entry(shown.clone()).or_insert(1);
                *repeats += 1;
                format!("{shown}{REPEATED}{repeats}")
            }
        };
        let alias = Ident::with_quote('"', unique);
        match item {
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            SelectItem::UnnamedExpr(expr) => {
                let expr = std::mem::replace(expr, Expr::Value(Value::Null.into()));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            _ => {}
        }
    }
}

/// An identifier as DataFusion will know it: lower case unless quoted.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// What an expression within casts is called, but for them.
fn named_in_casts(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } => named_in_casts(expr),
        Expr::Nested(expr) => named_in_casts(expr),
        Expr::TypedString(_) | Expr::Value(_) => None,
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(figure_column),
        expr => figure(expr),
    }
}

/// PostgreSQL's `FigureColname`: the name of the outermost thing that has one.
fn name_of(expr: &Expr) -> String {
    figure(expr).unwrap_or_else(|| "?column?".into())
}

fn figure(expr: &Expr) -> Option<String> {
    let name = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Some(folded(ident)),
            _ => None,
        },
        // Of several casts the last one names it.
        Expr::Cast { expr: inner, data_type, .. } => named_in_casts(inner).or_else(|| Some(type_name(data_type))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        Expr::Interval(_) => name("interval"),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(figure_column) {
            Some(column) => Some(column),
            None => name("case"),
        },
        Expr::Exists { .. } => name("exists"),
        Expr::Subquery(query) => subquery_name(query),
        Expr::Array(_) => name("array"),
        Expr::Tuple(_) => name("row"),
        Expr::Extract { .. } => name("extract"),
        Expr::Substring { .. } => name("substring"),
        Expr::Position { .. } => name("position"),
        Expr::Overlay { .. } => name("overlay"),
        Expr::Trim { trim_where, .. } => name(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Ceil { .. } => name("ceil"),
        Expr::Floor { .. } => name("floor"),
        Expr::AtTimeZone { .. } => name("timezone"),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|access| match access {
                ast::AccessExpr::Dot(inner) => figure(inner),
                ast::AccessExpr::Subscript(_) => None,
            })
            .or_else(|| figure(root)),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => name("bool"),
            _ => None,
        },
        _ => None,
    }
}

/// Only columns name a CASE.
fn figure_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_) => figure(expr),
        _ => None,
    }
}

/// The name of a subquery's first column.
pub(super) fn subquery_name(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => figure(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// PostgreSQL's internal name of a type, which a cast constant is called.
fn type_name(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_ascii_lowercase();
    let base = text.split('(').next().unwrap_or(&text).trim();
    let name = match base {
        "smallint" => "int2",
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "double" | "float" => "float8",
        "boolean" => "bool",
        "decimal" => "numeric",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time without time zone" => "time",
        other => other,
    };
    if text.ends_with("with time zone") && base.starts_with("timestamp") && name == "timestamp" {
        return "timestamptz".into();
    }
    name.rsplit('.').next().unwrap_or(name).to_owned()
}
