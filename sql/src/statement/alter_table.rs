//! `ALTER TABLE`.
//!
//! A column that is added without a value, and whatever concerns names and rules only, is written down. Other changes of
//! columns write all rows again: readers of the table find its columns by their names.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::{
    self, AlterColumnOperation, AlterTable, AlterTableOperation, ColumnOption, Expr, ObjectName, RenameTableNameKind, TableConstraint,
};
use engine::{Operation, TableChanges};
use futures::TryStreamExt;
use uuid::Uuid;

use super::create_table::{check_expressions, check_names, field, type_defaults};
use super::modify::{ATTEMPTS_MAX, Modification, Needs, Target, skeleton};
use super::names::{folded, owner, relation_in, unquoted};
use super::owned::change_owner;
use super::{command, keys, skipped, storage_parameters};
use crate::catalog::object::{Change, Definition};
use crate::catalog::{CatalogSnapshot, KeyRole, TableDefinition, TableKind};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::TARGET;
use crate::planner::assign::{Enforced, identifier};
use crate::privileges::{Rights, secured_object, secured_relation};
use crate::response::Response;
use crate::session::tables::pin_tables;
use crate::session::temporary::is_temporary;
use crate::session::{Session, TransactionStatus};
use crate::sql_state::SqlState;

/// A table as it will be.
struct Altered {
    definition: TableDefinition,
    /// Where the values of each column come from, as SQL over the columns that there are.
    values: Vec<String>,
    /// Rows that are there already may break a new rule.
    needs_check: bool,
    /// Columns by their names before and after.
    renamed: Vec<(String, String)>,
}

pub(super) async fn alter_table(session: &Arc<Session>, statement: &Statement, alter: &AlterTable) -> Result<Response> {
    let snapshot = session.catalog();
    let Some((schema, table)) = relation_in(session, &alter.name, &snapshot)? else {
        let error = Error::UndefinedRelation { kind: "relation", name: unquoted(&alter.name) };
        if alter.if_exists {
            skipped(session, SqlState::SUCCESSFUL_COMPLETION, &error);
            return Ok(command(tag(statement)));
        }
        return Err(error);
    };
    let expected = match (tag(statement), table.kind) {
        ("ALTER VIEW", kind) if kind != TableKind::View => Some("view"),
        ("ALTER MATERIALIZED VIEW", kind) if kind != TableKind::MaterializedView => Some("materialized view"),
        _ => None,
    };
    if let Some(expected) = expected {
        return Err(Error::WrongRelation { name: table.name.clone(), expected, hint: None });
    }
    Rights::in_session(session, &snapshot).check_owner(&secured_relation(&snapshot, schema, table))?;
    if let [operation] = alter.operations.as_slice() {
        match operation {
            AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name) } => {
                rename(session, table.oid, name).await?;
                return Ok(command(tag(statement)));
            }
            AlterTableOperation::OwnerTo { new_owner } => {
                let role = owner(session, &snapshot, new_owner)?;
                give(session, table.oid, &role).await?;
                return Ok(command(tag(statement)));
            }
            _ => {}
        }
    }
    let alter_columns = async || alter_columns(session, statement, alter).await;
    if session.transaction_status() != TransactionStatus::Idle || snapshot.object(table.oid).is_some_and(|object| is_temporary(object)) {
        alter_columns().await?;
        return Ok(command("ALTER TABLE"));
    }
    // Rows that others add while all are written again come in the way each time, unless they wait.
    let location = snapshot.table_definition(table.oid).map(TableDefinition::url).transpose()?;
    let tables = session.sessions().engine.tables();
    for attempt in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let _held = match &location {
            Some(location) if attempt > 0 => Some(tables.hold(location).await),
            _ => None,
        };
        match alter_columns().await {
            Err(Error::SerializationFailure) => session.refresh_catalog().await?,
            altered => return altered.map(|()| command("ALTER TABLE")),
        }
    }
    Err(Error::SerializationFailure)
}

/// Changes columns and rules of a table.
async fn alter_columns(session: &Arc<Session>, statement: &Statement, alter: &AlterTable) -> Result<()> {
    let snapshot = session.catalog();
    let target = Target::find(session, &alter.name, &snapshot, "alter", [Needs::Ownership])?;
    let modification = Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target };
    let mut altered = Altered {
        values: modification.target.definition.columns.fields().iter().map(|field| identifier(field.name())).collect(),
        definition: modification.target.definition.clone(),
        needs_check: false,
        renamed: vec![],
    };
    for operation in &alter.operations {
        altered.apply(&modification, operation).await?;
    }
    check_names(&altered.definition)?;
    type_defaults(&mut altered.definition, &modification.snapshot);
    altered.make(modification).await
}

async fn rename(session: &Arc<Session>, oid: u32, name: &ObjectName) -> Result<()> {
    let [part] = name.0.as_slice() else { return Err(Error::ImproperName { name: name.to_string() }) };
    let name = part.as_ident().map_or_else(|| part.to_string(), folded);
    session
        .change_catalog(|snapshot| {
            let object = snapshot.object(oid).ok_or_else(|| Error::unsupported("renaming a table that is served from a location"))?;
            if let Some((schema, table)) = snapshot.table(oid) {
                let rights = Rights::in_session(session, snapshot);
                rights.check_owner(&secured_relation(snapshot, schema, table))?;
                rights.check_create_in(schema)?;
            }
            let schema = snapshot.schemas.iter().find(|schema| schema.oid == object.parent);
            if schema.is_some_and(|schema| schema.tables.contains_key(&name)) {
                return Err(Error::DuplicateRelation { name: name.clone() });
            }
            Ok(vec![Change::alter(object, |object| object.name.clone_from(&name))])
        })
        .await
}

/// The words that the statement began with: views may be altered as tables.
fn tag(statement: &Statement) -> &'static str {
    let mut words = statement.sql().split_whitespace().skip(1);
    match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "VIEW" => "ALTER VIEW",
        "MATERIALIZED" => "ALTER MATERIALIZED VIEW",
        _ => "ALTER TABLE",
    }
}

/// Makes `role` the owner of a relation.
async fn give(session: &Arc<Session>, oid: u32, role: &str) -> Result<()> {
    let new_oid = session.sessions().catalog.new_oid().await?;
    session
        .change_catalog(|snapshot| {
            let gone = || Error::UndefinedRelation { kind: "relation", name: oid.to_string() };
            let (schema, table) = snapshot.table(oid).ok_or_else(gone)?;
            let rights = Rights::in_session(session, snapshot);
            rights.check_owner(&secured_relation(snapshot, schema, table))?;
            rights.check_member(role)?;
            if !rights.is_superuser() {
                Rights::of(snapshot, role).check_create_in(schema)?;
            }
            Ok(vec![match snapshot.rights_of(table) {
                Some(object) => change_owner(object, role),
                None => Change::create(new_oid, 0, &table.name, role, Definition::Served),
            }])
        })
        .await
}

/// Views are texts: one that reads a column by its name would not work any more.
fn refuse_dependents(modification: &Modification, column: &str) -> Result<()> {
    let Target { oid, name, .. } = &modification.target;
    let dependents = modification.snapshot.with_dependents(&[*oid]);
    let views: Vec<String> = dependents
        .iter()
        .filter(|dependent| *dependent != oid)
        .filter_map(|dependent| modification.snapshot.object(*dependent))
        .map(|view| format!("view {} depends on table {name}", view.name))
        .collect();
    match views.is_empty() {
        true => Ok(()),
        false => Err(Error::Dependents { what: format!("or change column {column} of table {name}"), dependents: views }),
    }
}

impl Altered {
    fn position(&self, modification: &Modification, name: &str) -> Result<usize> {
        self.definition.columns.index_of(name).map_err(|_| Error::UndefinedColumnOf {
            column: name.to_owned(),
            relation: modification.target.name.clone(),
        })
    }

    fn set_field(&mut self, index: usize, field: Field) {
        let fields = self.definition.columns.fields().iter().enumerate();
        let fields = fields.map(|(other, old)| if other == index { Arc::new(field.clone()) } else { Arc::clone(old) });
        self.definition.columns = Schema::new(fields.collect::<Vec<_>>());
    }

    async fn apply(&mut self, modification: &Modification, operation: &AlterTableOperation) -> Result<()> {
        use AlterTableOperation as O;
        match operation {
            O::AddColumn { if_not_exists, column_def, .. } => {
                let name = folded(&column_def.name);
                if self.definition.columns.index_of(&name).is_ok() {
                    let error = Error::DuplicateColumnOf { column: name, relation: modification.target.name.clone() };
                    if *if_not_exists {
                        skipped(&modification.session, SqlState::DUPLICATE_COLUMN, &error);
                        return Ok(());
                    }
                    return Err(error);
                }
                self.add_column(modification, column_def).await
            }
            O::DropColumn { column_names, if_exists, .. } => {
                for name in column_names.iter().map(folded) {
                    refuse_dependents(modification, &name)?;
                    match self.position(modification, &name) {
                        Err(error) if *if_exists => skipped(&modification.session, SqlState::SUCCESSFUL_COMPLETION, &error),
                        index => self.drop_column(index?, &name)?,
                    }
                }
                Ok(())
            }
            O::RenameColumn { old_column_name, new_column_name } => {
                let (old, new) = (folded(old_column_name), folded(new_column_name));
                let index = self.position(modification, &old)?;
                refuse_dependents(modification, &old)?;
                if self.definition.columns.index_of(&new).is_ok() {
                    return Err(Error::DuplicateColumnOf { column: new, relation: modification.target.name.clone() });
                }
                if !self.definition.checks.is_empty() || !self.definition.generated.is_empty() {
                    return Err(Error::unsupported("renaming a column of a table with CHECK constraints or generated columns"));
                }
                if self.definition.partition_columns.contains(&old) {
                    return Err(Error::unsupported("renaming a column by which a table is partitioned"));
                }
                for column in self.definition.sort_columns.iter_mut().filter(|column| column.name == old) {
                    column.name.clone_from(&new);
                }
                for column in self.definition.keys.iter_mut().flat_map(|key| &mut key.columns).filter(|column| **column == old) {
                    column.clone_from(&new);
                }
                self.renamed.push((old.clone(), new.clone()));
                self.set_field(index, self.definition.columns.field(index).clone().with_name(&new));
                if let Some(default) = self.definition.defaults.remove(&old) {
                    self.definition.defaults.insert(new.clone(), default);
                }
                Ok(())
            }
            O::AlterColumn { column_name, op } => self.alter_column(modification, &folded(column_name), op).await,
            O::AddConstraint { constraint: TableConstraint::Check(check), .. } => {
                let name = check.name.as_ref().map_or_else(|| format!("{}_check", modification.target.name), folded);
                if self.definition.checks.insert(name.clone(), check.expr.to_string()).is_some() {
                    return Err(Error::DuplicateConstraint { constraint: name, relation: modification.target.name.clone() });
                }
                self.needs_check = true;
                Ok(())
            }
            O::AddConstraint { constraint, .. } => {
                let (session, table) = (&modification.session, &modification.target.name);
                let Some(key) = keys::of_constraint(session, &modification.snapshot, table, &self.definition, constraint)? else {
                    return Err(Error::unsupported(format!("the constraint {constraint}")));
                };
                self.needs_check |= key.role == KeyRole::Primary;
                keys::add(session, table, &mut self.definition, key)
            }
            O::DropConstraint { if_exists, name, .. } => {
                let name = folded(name);
                if let Some(at) = self.definition.keys.iter().position(|key| key.role.is_constraint() && key.name == name) {
                    self.definition.keys.remove(at);
                    return Ok(());
                }
                if self.definition.checks.remove(&name).is_none() {
                    let error = Error::UndefinedConstraint { constraint: name, relation: modification.target.name.clone() };
                    if !if_exists {
                        return Err(error);
                    }
                    skipped(&modification.session, SqlState::SUCCESSFUL_COMPLETION, &error);
                }
                Ok(())
            }
            O::SetOptionsParens { options } => {
                let Self { definition, .. } = self;
                let given = storage_parameters::sort_columns(options, &definition.columns, &modification.target.name)?;
                definition.sort_columns = given.unwrap_or_else(|| std::mem::take(&mut definition.sort_columns));
                Ok(())
            }
            other => Err(Error::unsupported(format!("ALTER TABLE … {other}"))),
        }
    }

    async fn add_column(&mut self, modification: &Modification, column: &ast::ColumnDef) -> Result<()> {
        let name = folded(&column.name);
        let Modification { session, statement, snapshot, .. } = modification;
        let mut field = field(session, statement, snapshot, &name, &column.data_type).await?;
        let mut value = "NULL".to_owned();
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => {
                    field = field.with_nullable(false);
                    self.needs_check = true;
                }
                ColumnOption::Default(default) => {
                    value = default.to_string();
                    self.definition.defaults.insert(name.clone(), value.clone());
                }
                ColumnOption::Check(check) => {
                    let given = option.name.as_ref().or(check.name.as_ref()).map(folded);
                    let constraint = given.unwrap_or_else(|| format!("{}_{name}_check", modification.target.name));
                    self.definition.checks.insert(constraint, check.expr.to_string());
                    self.needs_check = true;
                }
                ColumnOption::Generated { generation_expr: Some(expression), .. } => {
                    value = expression.to_string();
                    self.definition.generated.insert(name.clone(), value.clone());
                }
                other => return Err(Error::unsupported(format!("the column option {other}"))),
            }
        }
        let fields = self.definition.columns.fields().iter().cloned().chain([Arc::new(field)]);
        self.definition.columns = Schema::new(fields.collect::<Vec<_>>());
        self.values.push(value);
        Ok(())
    }

    fn drop_column(&mut self, index: usize, name: &str) -> Result<()> {
        if self.definition.columns.fields().len() == 1 {
            return Err(Error::unsupported("a table without columns"));
        }
        if self.definition.partition_columns.iter().any(|column| column == name) {
            return Err(Error::unsupported("dropping a column by which a table is partitioned"));
        }
        let is_generated = self.definition.generated.remove(name).is_some();
        if !self.definition.checks.is_empty() || !(is_generated || self.definition.generated.is_empty()) {
            return Err(Error::unsupported("dropping a column of a table with CHECK constraints or generated columns"));
        }
        self.definition.keys.retain(|key| !key.columns.iter().any(|column| column == name));
        // What comes after it has no order without it.
        let sorted = self.definition.sort_columns.iter().position(|column| column.name == name);
        self.definition.sort_columns.truncate(sorted.unwrap_or(usize::MAX));
        let fields = self.definition.columns.fields().iter().enumerate().filter(|(other, _)| *other != index);
        self.definition.columns = Schema::new(fields.map(|(_, field)| Arc::clone(field)).collect::<Vec<_>>());
        self.definition.defaults.remove(name);
        self.values.remove(index);
        Ok(())
    }

    async fn alter_column(&mut self, modification: &Modification, name: &str, operation: &AlterColumnOperation) -> Result<()> {
        let index = self.position(modification, name)?;
        let old = self.definition.columns.field(index).clone();
        match operation {
            AlterColumnOperation::SetNotNull => {
                self.set_field(index, old.with_nullable(false));
                self.needs_check = true;
            }
            AlterColumnOperation::DropNotNull => self.set_field(index, old.with_nullable(true)),
            AlterColumnOperation::SetDefault { .. } if self.definition.generated.contains_key(name) => {
                modification.target.refuse_generated(index, |column| {
                    format!("column \"{column}\" of relation \"{}\" is a generated column", modification.target.name)
                })?;
            }
            AlterColumnOperation::SetDefault { value } => {
                self.definition.defaults.insert(name.to_owned(), value.to_string());
            }
            AlterColumnOperation::DropDefault => {
                self.definition.defaults.remove(name);
            }
            AlterColumnOperation::SetDataType { data_type, using, .. } => {
                if !self.definition.generated.is_empty() {
                    return Err(Error::unsupported("changing the type of a column of a table with generated columns"));
                }
                refuse_dependents(modification, name)?;
                let Modification { session, statement, snapshot, .. } = modification;
                let new = field(session, statement, snapshot, name, data_type).await?.with_nullable(old.is_nullable());
                self.values[index] = match using {
                    Some(value) => value.to_string(),
                    None => Expr::Cast {
                        kind: ast::CastKind::Cast,
                        expr: Box::new(Expr::Identifier(ast::Ident::with_quote('"', name))),
                        data_type: data_type.clone(),
                        array: false,
                        format: None,
                    }
                    .to_string(),
                };
                self.set_field(index, new);
            }
            AlterColumnOperation::AddGenerated { .. } => return Err(Error::unsupported("a generated column")),
        }
        Ok(())
    }

    /// Makes the change, of the rows first.
    async fn make(self, before: Modification) -> Result<()> {
        let Self { mut definition, values, needs_check, renamed } = self;
        let (oid, old) = (before.target.oid, before.target.definition.clone());
        // Who writes at the same time must find that the rules have changed.
        let is_different = definition.columns != old.columns || needs_check;
        if is_different {
            definition.rules = Some(Uuid::new_v4());
        }
        let after = Modification { target: Target { definition: definition.clone(), ..before.target.clone() }, ..before.clone() };
        let Some(contents) = before.current().await? else { return Err(Error::SerializationFailure) };
        check_expressions(&before.session, &before.statement, &before.snapshot, &before.target.name, &definition).await?;
        let is_added = |index: usize| index >= old.columns.fields().len();
        let is_kept = |(index, value): (usize, &String)| match is_added(index) {
            true => value == "NULL",
            false => {
                let column = old.columns.field(index);
                *value == identifier(column.name())
                    && definition.columns.field(index).name() == column.name()
                    && definition.columns.field(index).data_type() == column.data_type()
            }
        };
        let keeps_rows = values.len() >= old.columns.fields().len() && values.iter().enumerate().all(is_kept);
        let named = values.iter().zip(definition.columns.fields()).map(|(value, field)| format!("({value}) AS {}", identifier(field.name())));
        let query = skeleton(&format!("SELECT {} FROM {}", named.collect::<Vec<_>>().join(", "), identifier(TARGET)))?;
        let table: Arc<dyn TableProvider> = Arc::new(contents.scan(&old)?);
        let rows = after.plan_part(table, query, &[]).await?.logical;
        let rows = after.enforced(rows, &[], Enforced::Existing).await?;
        let columns = is_different.then(|| Arc::new(definition.columns.clone()));
        let changes = match keeps_rows {
            true => {
                if needs_check {
                    // Only whether it fails is of interest.
                    after.run(rows).await?.try_for_each(|_| std::future::ready(Ok(()))).await?;
                }
                TableChanges { columns, rules: definition.rules.filter(|_| is_different), operation: Operation::Alter, ..TableChanges::default() }
            }
            false => {
                let removed = contents.scan(&old)?.files().cloned().collect();
                TableChanges {
                    added: after.write(rows).await?.files,
                    removed,
                    columns,
                    rules: definition.rules.filter(|_| is_different),
                    operation: Operation::Alter,
                    retires: false,
                }
            }
        };
        let session = &before.session;
        let change = |snapshot: &CatalogSnapshot| -> Result<Change> {
            let object = snapshot.object(oid).filter(|object| object.definition == Definition::Table(old.clone()));
            let object = object.ok_or(Error::SerializationFailure)?;
            Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
            Ok(Change::alter(object, |object| {
                object.definition = Definition::Table(definition.clone());
                for (from, to) in &renamed {
                    object.grants.rename_column(from, to);
                }
                object.grants.columns.retain(|column, _| definition.columns.index_of(column).is_ok());
            }))
        };
        if session.transaction_status() != TransactionStatus::Idle {
            session.change_table(oid, &contents, changes).await?;
            return session.change_catalog(|snapshot| Ok(vec![change(snapshot)?])).await;
        }
        let (sessions, change) = (Arc::clone(session.sessions()), change(&session.catalog())?);
        if is_temporary(&change.object) {
            session.change_table(oid, &contents, changes).await?;
            session.change_temporary(&[change]);
            return Ok(());
        }
        let commit = async move {
            let (delta_tables, location, added) = (sessions.engine.tables(), contents.version.location.clone(), changes.added.clone());
            let tables = match changes.is_empty() {
                true => vec![],
                false => vec![(contents.version, Arc::new(changes))],
            };
            let made = sessions.catalog.commit_all(delta_tables, &[change], tables).await;
            if let Err(Error::SerializationFailure) = made {
                delta_tables.discard(&location, &added).await;
            }
            made
        };
        session.committing(commit).await
    }
}
