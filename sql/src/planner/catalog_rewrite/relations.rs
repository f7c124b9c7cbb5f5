//! Names of system tables, and the columns every system table has without showing them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query, Select, TableFactor, VisitMut, VisitorMut};

use crate::planner::build::{call, ident, number, object_name};
use super::detect::{Uses, folded, last_name, part_name, schema_name};
use crate::catalog::functions::cast_function;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::PG_CATALOG;
use crate::catalog::pg_catalog::data::relation;
use crate::error::{Error, Result};

/// `pg_class` is in `pg_catalog`, which every search path starts with; names in another database are refused.
pub(super) fn qualify(name: &mut ObjectName, database: &str, uses: &Uses) -> Result<()> {
    if let [first, _, _] = name.0.as_slice()
        && let Some(given) = part_name(first)
        && given != database
    {
        return Err(Error::unsupported(format!("cross-database reference \"{name}\"")));
    }
    match (schema_name(name), last_name(name)) {
        (None, Some(table)) if !uses.is_common_table(&table) && relation(PG_CATALOG, &table).is_some() => {
            *name = object_name(&[PG_CATALOG, &table]);
        }
        // In any case.
        (Some(schema), Some(table)) if schema == PG_CATALOG || schema == INFORMATION_SCHEMA => {
            *name = object_name(&[&schema, &table]);
        }
        _ => {}
    }
    Ok(())
}

/// Replaces `t.tableoid` by the OID of the system table that `t` is.
pub(super) fn replace_system_columns(select: &mut Select) {
    let mut tables = Vec::new();
    for from in &select.from {
        for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
            if let TableFactor::Table { name, alias, args: None, .. } = factor
                && let Some(table) = last_name(name)
                && matches!(schema_name(name).as_deref(), None | Some(PG_CATALOG))
                && let Some(relation) = relation(PG_CATALOG, &table)
            {
                let alias = alias.as_ref().map_or(table, |alias| fold(&alias.name));
                tables.push((alias, relation.oid));
            }
        }
    }
    if tables.is_empty() {
        return;
    }
    let _: ControlFlow<()> = select.visit(&mut SystemColumns { tables, depth: 0 });
}

fn fold(ident: &Ident) -> String {
    folded(&ident.value, ident.quote_style.is_some())
}

struct SystemColumns {
    tables: Vec<(String, u32)>,
    /// Queries within the SELECT: a bare name there may be another table's.
    depth: usize,
}

impl VisitorMut for SystemColumns {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (table, column) = match &*expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, column] => (Some(fold(table)), fold(column)),
                _ => return ControlFlow::Continue(()),
            },
            Expr::Identifier(column) if self.depth == 0 => (None, fold(column)),
            _ => return ControlFlow::Continue(()),
        };
        let oid = match table {
            Some(table) => self.tables.iter().find(|(alias, _)| *alias == table).map(|(_, oid)| *oid),
            None => self.tables.first().map(|(_, oid)| *oid),
        };
        if column == "tableoid"
            && let (Some(oid), Some(cast)) = (oid, cast_function("oid"))
        {
            *expr = call(&cast, vec![number(oid)]);
        }
        ControlFlow::Continue(())
    }
}

/// Removes `pg_catalog` or `information_schema` from the name of a function.
pub(super) fn unqualify(name: &mut ObjectName) {
    if let (Some(schema), Some(function)) = (schema_name(name), last_name(name))
        && (schema == PG_CATALOG || schema == INFORMATION_SCHEMA)
    {
        name.0 = vec![ObjectNamePart::Identifier(ident(&function))];
    }
}
