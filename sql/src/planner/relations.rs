//! The relations that a statement names: views are planned from their text, so that they are good for tables as they are
//! now, and tables that can be written have the files that they have now.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{ResolvedTableReference, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, TableSource};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast;
use engine::{DeltaScan, TableChanges};

use super::PlannedQuery;
use super::columns_read::{ColumnsRead, Stub};
use super::context::resolve;
use super::in_place::{self, InPlace, Planning};
use crate::catalog::grants::Privilege;
use crate::catalog::object::Definition;
use crate::catalog::{CatalogSnapshot, Schema, Table, ViewDefinition};
use crate::error::{Error, Result};
use crate::parser;
use crate::privileges::{Rights, denied, secured_relation};
use crate::session::Session;
use crate::session::tables::TableContents;

/// The name of the table that a statement changes, in the queries that it is made of. No name in a text can be this one.
pub(crate) const TARGET: &str = "\u{1}target";

/// Views that read views that read views: each is planned within the planning of the one before.
const DEPTH_MAX: usize = 32;

/// What a statement names.
pub(super) struct Relations {
    pub(super) sources: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
    /// Oids of the tables and views that are in the catalog.
    pub(super) oids: Vec<u32>,
    /// The tables that can be written, those in views too, as they are read.
    pub(super) tables: Vec<(u32, TableContents)>,
    /// There are views, and neither they nor the statement read anything but system tables.
    pub(super) only_catalog: bool,
    /// See [`PlannedQuery::is_momentary`].
    pub(super) is_momentary: bool,
    /// Those of which the role may read some columns only.
    pub(super) in_part: Vec<InPart>,
}

/// A relation of which a role may read some columns only.
pub(super) struct InPart {
    pub(super) name: ResolvedTableReference,
    schema: Arc<Schema>,
    table: Arc<Table>,
}

impl InPart {
    /// The relation for finding out which columns are read.
    pub(super) fn stub(&self) -> Arc<dyn TableSource> {
        Arc::new(Stub { oid: self.table.oid, schema: Arc::clone(&self.table.schema) })
    }
}

/// Fails for a column that is read and may not be.
pub(super) fn check_columns(rights: &Rights<'_>, relations: &[InPart], read: &ColumnsRead) -> Result<()> {
    for InPart { schema, table, .. } in relations {
        let relation = secured_relation(rights.snapshot, schema, table);
        let columns = read.get(&table.oid).into_iter().flatten();
        for column in columns {
            let name = table.schema.fields().get(*column).map_or("", |field| field.name());
            if !rights.may_column(&relation, name, Privilege::Select) {
                return Err(denied(&relation));
            }
        }
    }
    Ok(())
}

/// Plans what `query` names, which is itself that of the last of the views `within`. `target` is what [`TARGET`] names, and
/// `in_place` what was taken out of the query.
pub(super) async fn plan(
    within: &[u32],
    target: Option<&Arc<dyn TableProvider>>,
    in_place: &[InPlace],
    planning: Planning<'_>,
    query: &ast::Statement,
) -> Result<Relations> {
    let Planning { session, state, snapshot, .. } = planning;
    let rights = planning.rights();
    let statement = DataFusionStatement::Statement(Box::new(query.clone()));
    let mut named = Relations { sources: HashMap::new(), oids: vec![], tables: vec![], only_catalog: true, is_momentary: !in_place.is_empty(), in_part: vec![] };
    for reference in state.resolve_table_references(&statement)? {
        let resolved = resolve(state, reference);
        if let (Some(target), TARGET) = (target, &*resolved.table) {
            named.only_catalog = false;
            named.sources.insert(resolved, provider_as_source(Arc::clone(target)));
            continue;
        }
        if let Some(relation) = in_place::index(&resolved.table).and_then(|index| in_place.get(index)) {
            let (oid, provider) = in_place::plan(planning, relation).await?;
            named.oids.extend(oid);
            named.only_catalog &= matches!(relation, InPlace::History { .. });
            named.sources.insert(resolved, provider_as_source(provider));
            continue;
        }
        let schema = snapshot.schema(&resolved.schema).filter(|_| *resolved.catalog == *snapshot.database);
        let Some(schema) = schema else { continue };
        // What a view names was looked up when it was made.
        if within.is_empty() {
            rights.check_usage(schema)?;
        }
        let Some(table) = schema.tables.get(&*resolved.table) else { continue };
        let relation = secured_relation(snapshot, schema, table);
        if !rights.may(&relation, Privilege::Select) {
            if !rights.may_some_column(&relation, Privilege::Select) {
                return Err(denied(&relation));
            }
            named.in_part.push(InPart { name: resolved.clone(), schema: Arc::clone(schema), table: Arc::clone(table) });
        }
        if !named.oids.contains(&table.oid) {
            named.oids.push(table.oid);
        }
        let view = match snapshot.object(table.oid).map(|object| &object.definition) {
            Some(Definition::View(view)) => view,
            Some(Definition::Table(definition)) => {
                named.only_catalog = false;
                let contents = session.contents(table.oid, definition).await?;
                named.sources.insert(resolved, provider_as_source(Arc::new(contents.scan(definition)?)));
                named.tables.push((table.oid, contents));
                continue;
            }
            Some(Definition::External(definition)) => {
                named.only_catalog = false;
                named.is_momentary = true;
                let owner = Rights::of(snapshot, &relation.owner);
                let rules = session.sessions().config.locations.of(&owner);
                let provider = definition.open(&session.sessions().engine, state, &rules).await?;
                named.sources.insert(resolved, provider_as_source(provider));
                continue;
            }
            _ => {
                named.only_catalog = false;
                if let Some(url) = &table.delta {
                    named.is_momentary = true;
                    let version = session.version(url).await?;
                    let scan = DeltaScan::new(version, &TableChanges::default())?;
                    named.sources.insert(resolved, provider_as_source(Arc::new(scan)));
                }
                continue;
            }
        };
        if named.sources.contains_key(&resolved) {
            continue;
        }
        if within.contains(&table.oid) {
            return Err(Error::RecursiveView { name: table.name.clone() });
        }
        if within.len() >= DEPTH_MAX {
            return Err(Error::TooDeep { depth_max: DEPTH_MAX });
        }
        let planned = plan_view_of(&[within, &[table.oid]].concat(), &relation.owner, session, snapshot, &table.name, view).await?;
        named.only_catalog &= planned.only_catalog;
        named.is_momentary |= planned.is_momentary;
        named.tables.extend(planned.tables);
        let source = provider_as_source(Arc::new(ViewTable::new(planned.logical, Some(view.query.clone()))));
        named.sources.insert(resolved, source);
    }
    named.only_catalog &= !named.sources.is_empty();
    Ok(named)
}

/// The plan of a view, with the columns that it had when it was made and the rights of its owner.
pub(crate) async fn plan_view(
    owner: &str,
    session: &Session,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    view: &ViewDefinition,
) -> Result<PlannedQuery> {
    plan_view_of(&[], owner, session, snapshot, name, view).await
}

/// The same for the last of `views`, which the others name.
async fn plan_view_of(
    views: &[u32],
    owner: &str,
    session: &Session,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    view: &ViewDefinition,
) -> Result<PlannedQuery> {
    let state = super::session_state_in(session, snapshot, &view.search_path);
    let statement = parser::parse(&view.query, view.dialect)?.remove(0);
    let query = statement.ast.clone().ok_or_else(|| Error::unsupported("a view without a query"))?;
    let mut planned = super::plan_query_of(views, owner, None, session, &state, snapshot, &statement, &query, &[]).await?;
    let schema = Arc::clone(planned.logical.schema());
    let positions = positions(&planned.schema, view).ok_or_else(|| Error::OutdatedView { name: name.to_owned() })?;
    let columns: Vec<Expr> = positions
        .into_iter()
        .zip(view.columns.fields())
        .map(|(position, column)| {
            let (qualifier, field) = schema.qualified_field(position);
            let expr = Expr::from((qualifier, field));
            let expr = match field.data_type() == column.data_type() {
                true => expr,
                false => expr.cast_to(column.data_type(), &schema)?,
            };
            Ok(expr.alias_qualified(None::<TableReference>, column.name()))
        })
        .collect::<Result<_>>()?;
    planned.logical = LogicalPlanBuilder::from(planned.logical).project(columns)?.build()?;
    Ok(planned)
}

/// Where the columns of a view are among those of its query, which may have more now: `*` means what there is. `None` if one is
/// not to be told.
fn positions(query: &arrow::datatypes::Schema, view: &ViewDefinition) -> Option<Vec<usize>> {
    let names: Vec<&str> = query.fields().iter().map(|field| field.name().as_str()).collect();
    if names == view.outputs {
        return Some((0..names.len()).collect());
    }
    if view.outputs.is_empty() {
        // Made before names were kept.
        return (names.len() >= view.columns.fields().len()).then(|| (0..view.columns.fields().len()).collect());
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut positions = Vec::with_capacity(view.outputs.len());
    for name in &view.outputs {
        let count = |names: &mut dyn Iterator<Item = &str>| names.filter(|other| other == name).count();
        // With another column of the name there is no telling which is which.
        if count(&mut names.iter().copied()) != count(&mut view.outputs.iter().map(String::as_str)) {
            return None;
        }
        let before = seen.entry(name).or_default();
        positions.push(names.iter().enumerate().filter(|(_, other)| *other == name).nth(*before)?.0);
        *before += 1;
    }
    Some(positions)
}
