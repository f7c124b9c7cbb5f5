//! What a statement touches: system tables, functions and types of `pg_catalog`, tables of users.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, ObjectName, ObjectNamePart, Query, Statement, TableFactor, Visit, Visitor,
};

use super::types::{Target, target};
use crate::catalog::functions::SET_FUNCTIONS;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::PG_CATALOG;
use crate::catalog::pg_catalog::data::relation;

/// What a statement touches.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// A system table, or a function, operator or type that only catalog queries name.
    pub catalog: bool,
    /// A table of a user.
    pub user_tables: bool,
    /// A function that returns rows, which makes a lateral join.
    pub set_functions: bool,
    /// Names of common table expressions, which hide system tables.
    common_tables: HashSet<String>,
}

impl Uses {
    /// Nothing but system tables: the statement runs in this process, and PostgreSQL's rules cost nothing.
    pub(crate) fn only_catalog(&self) -> bool {
        self.catalog && !self.user_tables
    }

    /// Whether [`super::finish_plan`] has work to do.
    pub(crate) fn needs_finish(&self) -> bool {
        self.catalog || self.set_functions
    }

    pub(super) fn is_common_table(&self, name: &str) -> bool {
        self.common_tables.contains(name)
    }
}

pub(super) fn uses(statement: &Statement) -> Uses {
    let mut detector = Detector::default();
    let _: ControlFlow<()> = statement.visit(&mut detector);
    let mut uses = detector.uses;
    for name in detector.relations {
        match resolve(&name, &uses.common_tables) {
            Relation::System => uses.catalog = true,
            Relation::User => uses.user_tables = true,
            Relation::CommonTable => {}
        }
    }
    uses
}

#[derive(Default)]
struct Detector {
    uses: Uses,
    relations: Vec<ObjectName>,
    /// Names of table functions, which are visited as relations too.
    functions: Vec<ObjectName>,
}

impl Visitor for Detector {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.uses.common_tables.insert(folded(&table.alias.name.value, table.alias.name.quote_style.is_some()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            self.uses.catalog |= is_catalog_function(name);
            self.uses.set_functions = true;
            self.functions.push(name.clone());
        }
        self.uses.set_functions |= matches!(factor, TableFactor::UNNEST { .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        match self.functions.iter().position(|function| function == relation) {
            Some(index) => drop(self.functions.remove(index)),
            None => self.relations.push(relation.clone()),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.uses.catalog |= match expr {
            Expr::Function(Function { name, .. }) => is_catalog_function(name),
            Expr::Cast { data_type, .. } => {
                is_oid(data_type) || data_type.to_string().to_ascii_lowercase().starts_with("pg_catalog.")
            }
            Expr::TypedString(typed) => is_oid(&typed.data_type),
            Expr::BinaryOp { op: BinaryOperator::PGCustomBinaryOperator(parts), .. } => {
                parts.first().is_some_and(|schema| schema.eq_ignore_ascii_case(PG_CATALOG))
            }
            _ => false,
        };
        ControlFlow::Continue(())
    }
}

fn is_oid(data_type: &DataType) -> bool {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => is_oid(element),
        data_type => matches!(target(data_type), Target::Oid(_)),
    }
}

/// Whether only catalog queries call a function: it is qualified, or bears the catalog's prefix.
fn is_catalog_function(name: &ObjectName) -> bool {
    match schema_name(name) {
        Some(schema) => schema == PG_CATALOG || schema == INFORMATION_SCHEMA,
        None => last_name(name).is_some_and(|name| {
            let is_set = SET_FUNCTIONS.iter().any(|function| function.name == name && name != "generate_series");
            is_set || ["pg_", "to_reg", "has_"].iter().any(|prefix| name.starts_with(prefix)) || OTHERS.contains(&name.as_str())
        }),
    }
}

/// Functions of the catalog without a common prefix.
const OTHERS: [&str; 5] = ["format_type", "obj_description", "col_description", "shobj_description", "current_schemas"];

enum Relation {
    System,
    User,
    CommonTable,
}

fn resolve(name: &ObjectName, common_tables: &HashSet<String>) -> Relation {
    let Some(table) = last_name(name) else { return Relation::User };
    match schema_name(name) {
        Some(schema) if schema == PG_CATALOG || schema == INFORMATION_SCHEMA => Relation::System,
        Some(_) => Relation::User,
        None if common_tables.contains(&table) => Relation::CommonTable,
        None if relation(PG_CATALOG, &table).is_some() => Relation::System,
        None => Relation::User,
    }
}

/// The schema of a qualified name, folded.
pub(super) fn schema_name(name: &ObjectName) -> Option<String> {
    let parts = &name.0;
    part_name(parts.get(parts.len().checked_sub(2)?)?)
}

/// The last part of a name, folded.
pub(super) fn last_name(name: &ObjectName) -> Option<String> {
    part_name(name.0.last()?)
}

pub(super) fn part_name(part: &ObjectNamePart) -> Option<String> {
    match part {
        ObjectNamePart::Identifier(ident) => Some(folded(&ident.value, ident.quote_style.is_some())),
        ObjectNamePart::Function(_) => None,
    }
}

pub(super) fn folded(name: &str, is_quoted: bool) -> String {
    if is_quoted { name.to_owned() } else { name.to_lowercase() }
}
