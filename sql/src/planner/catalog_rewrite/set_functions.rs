//! Functions that return rows, in SELECT lists and in FROM: `unnest` of a function that returns an array.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, ObjectName, Select, SelectItem, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

use crate::planner::build::{aliased, arguments, call, derived, ident, null, number, plain_arguments, select, string};
use super::detect::{folded, last_name, schema_name};
use super::relations::unqualify;
use crate::catalog::functions::{SET_FUNCTIONS, SetFunction};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::PG_CATALOG;

fn set_function(name: &ObjectName) -> Option<&'static SetFunction> {
    let in_catalog = match schema_name(name) {
        None => true,
        Some(schema) => schema == PG_CATALOG || schema == INFORMATION_SCHEMA,
    };
    let name = last_name(name)?;
    SET_FUNCTIONS.iter().find(|function| in_catalog && function.name == name)
}

/// `SELECT generate_subscripts(a, 1)`: the function's array is unnested. Several in one list advance in step.
pub(super) fn unnest_projection(select: &mut Select) {
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                let _: ControlFlow<()> = expr.visit(&mut UnnestCalls { depth: 0 });
            }
            _ => {}
        }
    }
}

struct UnnestCalls {
    /// Subqueries have their own lists.
    depth: usize,
}

impl VisitorMut for UnnestCalls {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Function(Function { name, args, .. }) => {
                let is_unnest_call = last_name(name).is_some_and(|name| name == "unnest");
                match (set_function(name), arguments(args)) {
                    (Some(function), Some(args)) => *expr = call("unnest", vec![call(function.array_function, args)]),
                    // A table made of `generate_series`, which is an array's name too, comes with its `unnest`.
                    (None, Some(args)) if is_unnest_call && args.first().is_some_and(is_unnest) => {
                        *expr = args.into_iter().next().unwrap_or_else(null);
                    }
                    _ => {}
                }
            }
            // `(f(x)).n` is one field of the rows.
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice()
                    && is_unnest(root)
                {
                    let field = string(&folded(&field.value, field.quote_style.is_some()));
                    let root = std::mem::replace(root.as_mut(), null());
                    *expr = call("get_field", vec![root, field]);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `(t.c).f`: a field of a composite value.
pub(super) fn take_field(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    let ([AccessExpr::Dot(Expr::Identifier(field))], Expr::Nested(value)) = (access_chain.as_slice(), root.as_mut()) else { return };
    if matches!(value.as_ref(), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
        let field = string(&folded(&field.value, field.quote_style.is_some()));
        let value = std::mem::replace(value.as_mut(), null());
        *expr = call("get_field", vec![value, field]);
    }
}

fn is_unnest(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_unnest(inner),
        Expr::Function(function) => last_name(&function.name).is_some_and(|name| name == "unnest"),
        _ => false,
    }
}

/// A function in FROM as a lateral derived table.
pub(super) fn derive_table(factor: &mut TableFactor) {
    let rewritten = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            plain_arguments(&args.args).and_then(|args| function_table(name, args, *with_ordinality, alias.clone()))
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            plain_arguments(args).and_then(|args| function_table(name, args, *with_ordinality, alias.clone()))
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality, with_offset: false, .. } => {
            Some(unnest_table(array_exprs.clone(), *with_ordinality, alias.clone()))
        }
        _ => None,
    };
    match rewritten {
        Some(rewritten) => *factor = rewritten,
        None => {
            if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
                unqualify(name);
            }
        }
    }
}

fn function_table(name: &ObjectName, args: Vec<Expr>, with_ordinality: bool, alias: Option<TableAlias>) -> Option<TableFactor> {
    let function_name = last_name(name)?;
    if function_name == "unnest" {
        return Some(unnest_table(args, with_ordinality, alias));
    }
    let Some(function) = set_function(name) else {
        let is_ours = matches!(schema_name(name).as_deref(), None | Some(PG_CATALOG | INFORMATION_SCHEMA));
        if !is_ours || DATAFUSION_TABLE_FUNCTIONS.contains(&function_name.as_str()) {
            return None;
        }
        // A function of one value is a table of one row.
        let value = aliased(call(&function_name, args), column_name(&function_name, alias.as_ref()));
        return Some(derived(select(vec![value], vec![]), true, Some(named(alias, &function_name))));
    };
    if function.name == "generate_series" && !with_ordinality && args.iter().all(is_constant) {
        // DataFusion streams it; only the name of its column is its own.
        let mut alias = named(alias, &function_name);
        if alias.columns.is_empty() {
            alias.columns = vec![TableAliasColumnDef { name: alias.name.clone(), data_type: None }];
        }
        let args = args
            .into_iter()
            .map(|arg| FunctionArg::Unnamed(datafusion::sql::sqlparser::ast::FunctionArgExpr::Expr(arg)))
            .collect();
        return Some(TableFactor::Function {
            lateral: false,
            name: crate::planner::build::object_name(&[&function_name]),
            args,
            with_ordinality: false,
            alias: Some(alias),
        });
    }
    let array = call(function.array_function, args);
    if function.columns.is_empty() {
        let column = column_name(&function_name, alias.as_ref()).to_owned();
        return Some(unnested(vec![(array, column)], with_ordinality, named(alias, &function_name)));
    }
    // Rows of several columns: the array's elements are unnested first, then their fields are taken.
    let rows = select(vec![aliased(call("unnest", vec![array]), "row")], vec![]);
    let rows = TableWithJoins { relation: derived(rows, true, Some(plain_alias("rows"))), joins: vec![] };
    let fields = function
        .columns
        .iter()
        .map(|column| aliased(call("get_field", vec![Expr::Identifier(ident("row")), string(column)]), column))
        .collect();
    Some(derived(select(fields, vec![rows]), true, Some(named(alias, &function_name))))
}

/// Table functions that DataFusion has.
const DATAFUSION_TABLE_FUNCTIONS: [&str; 2] = ["generate_series", "range"];

fn unnest_table(arrays: Vec<Expr>, with_ordinality: bool, alias: Option<TableAlias>) -> TableFactor {
    let single = arrays.len() == 1;
    let columns = arrays
        .into_iter()
        .enumerate()
        .map(|(index, array)| match single {
            true => (array, column_name("unnest", alias.as_ref()).to_owned()),
            false => (array, format!("unnest{}", index + 1)),
        })
        .collect();
    unnested(columns, with_ordinality, named(alias, "unnest"))
}

fn unnested(columns: Vec<(Expr, String)>, with_ordinality: bool, alias: TableAlias) -> TableFactor {
    let mut items: Vec<SelectItem> = Vec::new();
    if with_ordinality && let Some((array, _)) = columns.first() {
        let length = call("array_length", vec![array.clone()]);
        let ordinals = call("generate_series", vec![number(1), length]);
        items.push(aliased(call("unnest", vec![ordinals]), "ordinality"));
    }
    for (index, (array, name)) in columns.into_iter().enumerate() {
        items.insert(index, aliased(call("unnest", vec![array]), &name));
    }
    derived(select(items, vec![]), true, Some(alias))
}

/// A function's only column is named like the table: by its alias, else by the function.
fn column_name<'a>(function: &'a str, alias: Option<&'a TableAlias>) -> &'a str {
    match alias {
        Some(alias) => &alias.name.value,
        None => function,
    }
}

fn named(alias: Option<TableAlias>, function: &str) -> TableAlias {
    alias.unwrap_or_else(|| plain_alias(function))
}

fn plain_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(name), columns: vec![], at: None }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::Interval(_) | Expr::TypedString(_) => true,
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) | Expr::Cast { expr, .. } => is_constant(expr),
        _ => false,
    }
}
