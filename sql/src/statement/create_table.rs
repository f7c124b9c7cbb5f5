//! `CREATE TABLE` and `CREATE TABLE AS`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{self, LogicalPlan, Volatility};
use datafusion::sql::sqlparser::ast::{
    self, CharacterLength, ColumnDef, ColumnOption, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle,
    TableConstraint, Visit, Visitor,
};
use engine::{Operation, TableChanges, TableVersion, storable_type};
use udfs::postgres::pg_type::{PG_TYPE, PG_TYPMOD};
use url::Url;
use uuid::Uuid;

use super::insert::parsed_expression;
use super::modify::{ATTEMPTS_MAX, Modification, Target, select_of, skeleton};
use super::names::{folded, new_relation, parent, temporary_relation};
use super::{command, keys, skipped, storage_parameters};
use crate::catalog::grants::Securable;
use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::pg_catalog::objects::COMMENT;
use crate::catalog::{CatalogSnapshot, OnCommit, TableDefinition, ViewDefinition};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner;
use crate::planner::assign::{Enforced, TYPMOD_HEADER, as_table, cast_to_columns, enforcing_query, generating_query, type_name};
use crate::planner::{PlannedQuery, TARGET};
use crate::privileges::{Rights, initial_grants, secured_object};
use crate::response::Response;
use crate::session::tables::{TableContents, pin_tables};
use crate::session::temporary::TEMPORARY_SCHEMA;
use crate::session::{Session, TransactionStatus};
use crate::sql_state::SqlState;

pub(super) async fn create_table(session: &Arc<Session>, statement: &Statement, create: &CreateTable) -> Result<Response> {
    self::create(session, statement, create, None).await
}

/// The same for a materialized view, which is a table of the rows of its query.
pub(super) async fn create(
    session: &Arc<Session>,
    statement: &Statement,
    create: &CreateTable,
    materialized: Option<ViewDefinition>,
) -> Result<Response> {
    refuse_others(create)?;
    for attempt in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        // Rows that others add come in the way each time, unless they wait.
        let _held = match replaced_location(session, create)? {
            Some(location) if attempt > 0 => Some(session.sessions().engine.tables().hold(&location).await),
            _ => None,
        };
        match create_once(session, statement, create, materialized.clone()).await {
            // The table that it replaces, and reads, was changed meanwhile.
            Err(Error::SerializationFailure) if session.transaction_status() == TransactionStatus::Idle => session.refresh_catalog().await?,
            created => return created,
        }
    }
    Err(Error::SerializationFailure)
}

/// What `numeric` without a precision is.
const UNLIMITED_NUMERIC: DataType = DataType::Decimal128(38, 10);

/// Where the table is that is to be replaced.
fn replaced_location(session: &Session, create: &CreateTable) -> Result<Option<Url>> {
    if create.temporary || !create.or_replace {
        return Ok(None);
    }
    let snapshot = session.catalog();
    let (schema, name) = new_relation(session, &create.name, &snapshot)?;
    let table = snapshot.schema(&schema).and_then(|schema| schema.tables.get(&name));
    table.and_then(|table| snapshot.table_definition(table.oid)).map(TableDefinition::url).transpose()
}

async fn create_once(
    session: &Arc<Session>,
    statement: &Statement,
    create: &CreateTable,
    materialized: Option<ViewDefinition>,
) -> Result<Response> {
    let snapshot = session.catalog();
    let (schema, name) = match create.temporary {
        true => (TEMPORARY_SCHEMA.to_owned(), temporary_relation(&create.name)?),
        false => new_relation(session, &create.name, &snapshot)?,
    };
    let tag = if materialized.is_some() { "CREATE MATERIALIZED VIEW" } else { "CREATE TABLE" };
    let existing = snapshot.schema(&schema).and_then(|schema| schema.tables.get(&name));
    if existing.is_some() && !create.or_replace {
        let error = Error::DuplicateRelation { name };
        if create.if_not_exists {
            skipped(session, SqlState::DUPLICATE_TABLE, &error);
            return Ok(command(tag));
        }
        return Err(error);
    }
    let replaced = existing.and_then(|table| Some((table.oid, snapshot.table_definition(table.oid)?.clone())));
    let (mut definition, rows, read) = match &create.query {
        Some(query) => {
            let (definition, rows, read) = define_by_query(session, statement, &snapshot, create, query, &name).await?;
            (definition, Some(rows), read)
        }
        None => (define(session, statement, &snapshot, create, &name).await?, None, vec![]),
    };
    let retired = match replaced {
        Some((oid, definition)) => retirement(session, oid, &definition, &read).await?,
        None => None,
    };
    definition.materialized = materialized.map(Box::new);
    check_names(&definition)?;
    check_partitions(&definition)?;
    let location = definition.url()?;
    let made = make(session, statement, &snapshot, &name, &definition, rows).await;
    let made = match made {
        Ok(rows) => publish(session, create, &schema, &name, definition, retired).await.map(|()| rows),
        Err(error) => Err(error),
    };
    match made {
        Ok(Some(rows)) => Ok(Response::Command { tag: "SELECT".into(), rows: Some(rows) }),
        Ok(None) => Ok(command("CREATE TABLE")),
        // Perhaps the catalog knows of it all the same.
        Err(error) if error.may_be_made() => Err(error),
        Err(error) => {
            session.sessions().engine.tables().remove(&location).await;
            Err(error)
        }
    }
}

/// Names of columns are in the log, which takes those that differ in the case of letters only for one.
pub(super) fn check_names(definition: &TableDefinition) -> Result<()> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for field in definition.columns.fields() {
        if let Some(other) = known.insert(field.name().to_lowercase(), field.name()) {
            let what = format!("columns whose names differ in the case of letters only (\"{other}\" and \"{}\")", field.name());
            return Err(Error::unsupported(what));
        }
    }
    Ok(())
}

/// Values by which a table is partitioned are texts in its log, and some column is in its files.
fn check_partitions(definition: &TableDefinition) -> Result<()> {
    let of_partitions = |field: &&Arc<Field>| definition.partition_columns.contains(field.name());
    let fields = definition.columns.fields();
    if fields.iter().all(|field| of_partitions(&field)) {
        return Err(Error::unsupported("a table all of whose columns are those by which it is partitioned"));
    }
    let is_text = |data_type: &DataType| {
        let is_number = data_type.is_integer() || data_type.is_decimal();
        is_number || data_type.is_string() || matches!(data_type, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
    };
    match fields.iter().filter(of_partitions).find(|field| !is_text(field.data_type())) {
        Some(field) => Err(Error::unsupported(format!("a table partitioned by column \"{}\" of this type", field.name()))),
        None => Ok(()),
    }
}

fn refuse_others(create: &CreateTable) -> Result<()> {
    let what = match create {
        CreateTable { like: Some(_), .. } | CreateTable { clone: Some(_), .. } => "CREATE TABLE LIKE",
        CreateTable { location: Some(_), .. } => "CREATE TABLE with a location",
        CreateTable { partition_by: Some(_), .. } | CreateTable { cluster_by: Some(_), .. } => "PARTITION BY of this form",
        CreateTable { inherits: Some(_), .. } => "INHERITS",
        CreateTable { table_options, .. } if !matches!(table_options, CreateTableOptions::None | CreateTableOptions::With(_)) => {
            "CREATE TABLE with options of this form"
        }
        _ => return Ok(()),
    };
    let hint = (what == "PARTITION BY of this form").then(|| "Use PARTITIONED BY (column, …).".to_owned());
    Err(Error::Unsupported { what: what.into(), hint })
}

fn on_commit(create: &CreateTable) -> Result<Option<OnCommit>> {
    if create.on_commit.is_some() && !create.temporary {
        return Err(Error::classified(SqlState::INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables"));
    }
    Ok(match create.on_commit {
        Some(ast::OnCommit::Drop) => Some(OnCommit::Drop),
        Some(ast::OnCommit::DeleteRows) => Some(OnCommit::DeleteRows),
        Some(ast::OnCommit::PreserveRows) | None => None,
    })
}

/// Makes the table's log, with its first rows. Gives how many there are.
async fn make(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    definition: &TableDefinition,
    rows: Option<LogicalPlan>,
) -> Result<Option<u64>> {
    let target = Target { oid: 0, name: name.to_owned(), definition: definition.clone() };
    let modification = modification(session, statement, snapshot, target);
    let written = match rows {
        Some(rows) => Some(modification.write(rows).await?),
        None => None,
    };
    let files = written.as_ref().map_or(&[][..], |written| &written.files);
    let tables = session.sessions().engine.tables();
    tables.create(&definition.url()?, &definition.columns, &definition.partition_columns, files).await?;
    Ok(written.map(|written| written.rows))
}

fn modification(session: &Arc<Session>, statement: &Statement, snapshot: &Arc<CatalogSnapshot>, target: Target) -> Modification {
    Modification { session: Arc::clone(session), statement: statement.clone(), snapshot: Arc::clone(snapshot), target }
}

/// The end of a table that is replaced; what is in the log cannot be changed any more. `read` are the tables whose rows the new
/// one has: if it is one of them nobody else must have changed it since. `None`: nobody else knows of it.
async fn retirement(
    session: &Session,
    oid: u32,
    definition: &TableDefinition,
    read: &[(u32, TableContents)],
) -> Result<Option<Retirement>> {
    let location = definition.url()?;
    if session.transaction(|transaction| transaction.has_created(&location)) {
        return Ok(None);
    }
    let contents = read.iter().find(|(other, _)| *other == oid).map(|(_, contents)| contents.clone());
    let is_read = contents.is_some();
    let contents = match contents {
        Some(contents) => contents,
        None => session.contents(oid, definition).await?,
    };
    let columns = is_read.then(|| Arc::new(definition.columns.clone()));
    let changes = TableChanges { columns, operation: Operation::Alter, retires: true, ..TableChanges::default() };
    Ok(Some((contents.version, Arc::new(changes))))
}

/// A table and its last change.
type Retirement = (Arc<TableVersion>, Arc<TableChanges>);

async fn publish(
    session: &Arc<Session>,
    create: &CreateTable,
    schema: &str,
    name: &str,
    definition: TableDefinition,
    retired: Option<Retirement>,
) -> Result<()> {
    let oid = session.sessions().catalog.new_oid().await?;
    if session.transaction_status() != TransactionStatus::Idle {
        let location = definition.url()?;
        session.transaction(|transaction| transaction.created(location));
    }
    let is_idle = session.transaction_status() == TransactionStatus::Idle;
    let before = retired.as_ref().map(|(version, _)| version.location.to_string());
    let published = session.change_catalog_and(retired, |snapshot| {
        let (parent, made) = parent(session, snapshot, schema)?;
        let mut new = Change::create(oid, parent, name, &session.role(), Definition::Table(definition.clone()));
        new.object.grants = initial_grants(snapshot, &session.role(), Securable::Relation, parent);
        let Some(existing) = snapshot.schema(schema).and_then(|schema| schema.tables.get(name)) else {
            // What was to be replaced is gone.
            return if before.is_some() { Err(Error::SerializationFailure) } else { Ok(made.into_iter().chain([new]).collect()) };
        };
        let location = snapshot.table_definition(existing.oid).map(|definition| &definition.location);
        if create.or_replace && is_idle && location != before.as_ref() && location.is_some() {
            // Another one has come in its place, whose rows somebody may be changing.
            return Err(Error::SerializationFailure);
        }
        let is_table = |object: &&Arc<Object>| matches!(&object.definition, Definition::Table(table) if table.materialized.is_none());
        let object = snapshot.object(existing.oid).filter(is_table);
        match object {
            // What reads the table goes on to read it.
            Some(object) if create.or_replace => {
                Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
                Ok(vec![Change::alter(object, |object| {
                    object.definition = Definition::Table(definition.clone());
                    object.grants.columns.clear();
                })])
            }
            None if create.or_replace => {
                Err(Error::WrongRelation { name: name.to_owned(), expected: "table that can be replaced", hint: None })
            }
            _ => Err(Error::DuplicateRelation { name: name.to_owned() }),
        }
    });
    session.uncancelled(published).await?;
    if let Some(replaced) = session.catalog().schema(schema).and_then(|schema| schema.tables.get(name)) {
        session.transaction(|transaction| transaction.forget(replaced.oid));
    }
    Ok(())
}

/// A table of the columns that are given.
async fn define(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    create: &CreateTable,
    name: &str,
) -> Result<TableDefinition> {
    let mut columns = create.columns.clone();
    let partition_columns = partition_columns(create, &mut columns)?;
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    let (mut defaults, mut generated, mut checks) = (BTreeMap::new(), BTreeMap::new(), vec![]);
    let mut constraints: Vec<TableConstraint> = vec![];
    for column in &columns {
        let column_name = folded(&column.name);
        if fields.iter().any(|field| *field.name() == column_name) {
            return Err(Error::DuplicateColumn { name: column_name });
        }
        let mut field = field(session, statement, snapshot, &column_name, &column.data_type).await?;
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => field = field.with_nullable(false),
                ColumnOption::Default(default) => {
                    defaults.insert(column_name.clone(), default.to_string());
                }
                ColumnOption::Check(check) => {
                    let given = option.name.as_ref().or(check.name.as_ref()).map(folded);
                    checks.push((given.unwrap_or_else(|| format!("{name}_{column_name}_check")), check.expr.to_string()));
                }
                ColumnOption::Generated { generation_expr: Some(expression), .. } => {
                    generated.insert(column_name.clone(), expression.to_string());
                }
                // As constraints of the table of this one column.
                ColumnOption::PrimaryKey(key) => constraints.push(TableConstraint::PrimaryKey(ast::PrimaryKeyConstraint {
                    name: key.name.clone().or_else(|| option.name.clone()),
                    columns: vec![column.name.clone().into()],
                    ..key.clone()
                })),
                ColumnOption::Unique(key) => constraints.push(TableConstraint::Unique(ast::UniqueConstraint {
                    name: key.name.clone().or_else(|| option.name.clone()),
                    columns: vec![column.name.clone().into()],
                    ..key.clone()
                })),
                ColumnOption::ForeignKey(key) => constraints.push(TableConstraint::ForeignKey(ast::ForeignKeyConstraint {
                    name: key.name.clone().or_else(|| option.name.clone()),
                    columns: vec![column.name.clone()],
                    ..key.clone()
                })),
                other => return Err(Error::unsupported(format!("the column option {other}"))),
            }
        }
        if defaults.contains_key(&column_name) && generated.contains_key(&column_name) {
            let message = format!("both default and generation expression specified for column \"{column_name}\" of table \"{name}\"");
            return Err(Error::classified(SqlState::SYNTAX_ERROR, message));
        }
        fields.push(field);
    }
    if fields.is_empty() {
        return Err(Error::unsupported("a table without columns"));
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::Check(check) => {
                let given = check.name.as_ref().map(folded);
                checks.push((given.unwrap_or_else(|| format!("{name}_check")), check.expr.to_string()));
            }
            TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) | TableConstraint::ForeignKey(_) => constraints.push(constraint.clone()),
            other => return Err(Error::unsupported(format!("the constraint {other}"))),
        }
    }
    let columns = Schema::new(fields);
    let mut definition = TableDefinition {
        location: new_location(session, name)?,
        sort_columns: storage_parameters::of_new_table(&create.table_options, &columns, name)?,
        columns,
        partition_columns,
        defaults,
        generated,
        checks: distinct(checks),
        keys: vec![],
        rules: None,
        comment: create.comment.as_ref().map(|comment| match comment {
            ast::CommentDef::WithEq(text) | ast::CommentDef::WithoutEq(text) => text.clone(),
        }),
        on_commit: on_commit(create)?,
        materialized: None,
    };
    // What others refer to comes first.
    constraints.sort_by_key(|constraint| matches!(constraint, TableConstraint::ForeignKey(_)));
    for constraint in &constraints {
        if let Some(key) = keys::of_constraint(session, snapshot, name, &definition, constraint)? {
            keys::add(session, name, &mut definition, key)?;
        }
    }
    type_defaults(&mut definition, snapshot);
    check_expressions(session, statement, snapshot, name, &definition).await?;
    Ok(definition)
}

/// Whether a numeric column of a query has a precision that somebody has said.
fn has_precision(planned: &PlannedQuery, index: usize) -> bool {
    let is_cast = match &planned.logical {
        LogicalPlan::Projection(projection) => {
            projection.expr.get(index).is_some_and(|expr| matches!(expr.clone().unalias(), logical_expr::Expr::Cast(_)))
        }
        _ => false,
    };
    let is_default = *planned.logical.schema().field(index).data_type() == UNLIMITED_NUMERIC;
    planned.origins.get(index).is_some_and(Option::is_some) || (is_cast && !is_default)
}

/// What is generated is made of the columns of the same row, and is the same each time it is.
fn check_generated(definition: &TableDefinition, rows: &LogicalPlan) -> Result<()> {
    let wrong = |message: String| Err(Error::classified(SqlState::INVALID_OBJECT_DEFINITION, message));
    for expression in rows.expressions().iter().filter(|_| matches!(rows, LogicalPlan::Projection(_))) {
        let (_, name) = expression.qualified_name();
        if !definition.generated.contains_key(&name) {
            continue;
        }
        let is_generated = |column: &datafusion::common::Column| definition.generated.contains_key(&column.name);
        if let Some(column) = expression.column_refs().into_iter().find(|column| is_generated(column)) {
            return wrong(format!("cannot use generated column \"{}\" in column generation expression", column.name));
        }
        let has = |is: &dyn Fn(&logical_expr::Expr) -> bool| expression.exists(|expr| Ok(is(expr)));
        let is_subquery = |expr: &logical_expr::Expr| {
            use logical_expr::Expr as E;
            matches!(expr, E::ScalarSubquery(_) | E::Exists(_) | E::InSubquery(_) | E::OuterReferenceColumn(..))
        };
        if has(&is_subquery)? {
            return Err(Error::unsupported("a subquery in a column generation expression"));
        }
        let changes = |expr: &logical_expr::Expr| match expr {
            logical_expr::Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
            _ => false,
        };
        if has(&changes)? {
            return wrong("generation expression is not immutable".into());
        }
    }
    Ok(())
}

/// Gives defaults that are quoted texts the types of their columns.
pub(super) fn type_defaults(definition: &mut TableDefinition, snapshot: &CatalogSnapshot) {
    let target = Target { oid: 0, name: String::new(), definition: definition.clone() };
    for (column, default) in &mut definition.defaults {
        let Ok(index) = target.column(column) else { continue };
        let Some(Expr::Nested(value)) = parsed_expression(default) else { continue };
        if let Some(data_type) = target.column_type(index, snapshot)
            && let Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(_), .. }) = value.as_ref()
        {
            *default = format!("{value}::{}", data_type.to_string().to_ascii_lowercase());
        }
    }
}

/// Conditions by names of their own: `t_check`, `t_check1`, …
fn distinct(checks: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for (name, condition) in checks {
        let names = std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}{number}")));
        if let Some(free) = names.into_iter().find(|name| !named.contains_key(name)) {
            named.insert(free, condition);
        }
    }
    named
}

/// Defaults and conditions are wrong now or never.
pub(super) async fn check_expressions(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    definition: &TableDefinition,
) -> Result<()> {
    refuse_subqueries(definition)?;
    let target = Target { oid: 0, name: name.to_owned(), definition: definition.clone() };
    let modification = modification(session, statement, snapshot, target);
    let state = planner::session_state(session, snapshot);
    let values = definition.columns.fields().iter().map(|field| format!("({})", modification.target.default(field.name())));
    let query = skeleton(&format!("SELECT {}", values.collect::<Vec<_>>().join(", ")))?;
    let row = modification.plan_query(query, &[]).await?.logical;
    let mut row = cast_to_columns(row, definition, snapshot)?;
    if let Some(query) = generating_query(definition, TARGET) {
        let planned = modification.plan_part(as_table(row), skeleton(&query)?, &[]).await?;
        check_generated(definition, &planned.logical)?;
        row = cast_to_columns(planned.logical, definition, snapshot)?;
        let analyzer = state.analyzer();
        analyzer.execute_and_check(row.clone(), state.config_options(), |_, _| {})?;
    }
    if let Some(query) = enforcing_query(name, definition, TARGET, Enforced::New) {
        let planned = modification.plan_part(as_table(row), skeleton(&query)?, &[]).await?;
        // Types are compared when a plan is analyzed.
        let analyzer = state.analyzer();
        analyzer.execute_and_check(planned.logical, state.config_options(), |_, _| {})?;
    }
    Ok(())
}

/// What a subquery names would be looked up, and read, by whoever writes a row.
fn refuse_subqueries(definition: &TableDefinition) -> Result<()> {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let defaults = definition.defaults.values().map(|text| (text, "DEFAULT expression"));
    for (text, place) in defaults.chain(definition.checks.values().map(|text| (text, "check constraint"))) {
        if parsed_expression(text).is_some_and(|expr| expr.visit(&mut Queries).is_break()) {
            return Err(Error::unsupported(format!("a subquery in a {place}")));
        }
    }
    Ok(())
}

/// A table of the columns of a query, and their rows.
async fn define_by_query(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    create: &CreateTable,
    query: &ast::Query,
    name: &str,
) -> Result<(TableDefinition, LogicalPlan, Vec<(u32, TableContents)>)> {
    let (state, text) = (planner::session_state(session, snapshot), statement.sql().to_owned());
    let query = ast::Statement::Query(Box::new(query.clone()));
    let planned = {
        let (session, statement, snapshot, state) = (Arc::clone(session), statement.clone(), Arc::clone(snapshot), state.clone());
        let plan = async move { planner::plan_query(&session, &state, &snapshot, &statement, &query, &[]).await };
        planner::aside(&text, plan).await?
    };
    if !planned.parameter_types.is_empty() {
        return Err(Error::UndefinedParameter { number: 1 });
    }
    if create.columns.len() > planned.schema.fields().len() {
        return Err(Error::Classified {
            sql_state: SqlState::SYNTAX_ERROR,
            message: "too many column names were specified".into(),
            detail: None,
            hint: None,
            position: None,
        });
    }
    // The types are those of the plan when it is analyzed, such as those of a UNION.
    let analyzed = state.analyzer().execute_and_check(planned.logical.clone(), state.config_options(), |_, _| {})?;
    let mut fields: Vec<Field> = Vec::with_capacity(planned.schema.fields().len());
    for (index, (shown, typed)) in planned.schema.fields().iter().zip(analyzed.schema().fields()).enumerate() {
        let given = create.columns.get(index).map(|column| folded(&column.name));
        let column = given.unwrap_or_else(|| shown.name().clone());
        if fields.iter().any(|field| *field.name() == column) {
            return Err(Error::DuplicateColumn { name: column });
        }
        let data_type = storable_type(typed.data_type())
            .ok_or_else(|| Error::UnstorableType { column: column.clone(), data_type: type_name(snapshot, typed) })?;
        let mut metadata = shown.metadata().clone();
        metadata.remove(COMMENT);
        if data_type.is_decimal() && !metadata.contains_key(PG_TYPMOD) && !has_precision(&planned, index) {
            // The engine chose it.
            metadata.insert(PG_TYPMOD.to_owned(), "-1".to_owned());
        }
        fields.push(Field::new(column, data_type, true).with_metadata(metadata));
    }
    let mut no_columns = vec![];
    let partition_columns = partition_columns(create, &mut no_columns)?;
    if let Some(missing) = partition_columns.iter().find(|name| fields.iter().all(|field| field.name() != *name)) {
        return Err(Error::UndefinedColumnOf { column: missing.clone(), relation: name.to_owned() });
    }
    let columns = Schema::new(fields);
    let definition = TableDefinition {
        location: new_location(session, name)?,
        sort_columns: storage_parameters::of_new_table(&create.table_options, &columns, name)?,
        columns,
        partition_columns,
        defaults: BTreeMap::new(),
        generated: BTreeMap::new(),
        checks: BTreeMap::new(),
        keys: vec![],
        rules: None,
        comment: None,
        on_commit: on_commit(create)?,
        materialized: None,
    };
    let rows = cast_to_columns(planned.logical, &definition, snapshot)?;
    Ok((definition, rows, planned.tables))
}

/// `PARTITIONED BY (a, b)`; columns that are only declared there are added to `columns`.
fn partition_columns(create: &CreateTable, columns: &mut Vec<ColumnDef>) -> Result<Vec<String>> {
    let HiveDistributionStyle::PARTITIONED { columns: partitions } = &create.hive_distribution else {
        return match create.hive_distribution {
            HiveDistributionStyle::NONE => Ok(vec![]),
            _ => Err(Error::unsupported("this distribution of a table")),
        };
    };
    let mut names = vec![];
    for partition in partitions {
        let name = folded(&partition.name);
        let is_known = columns.iter().any(|column| folded(&column.name) == name);
        if !is_known && partition.data_type != ast::DataType::Unspecified {
            columns.push(partition.clone());
        } else if !is_known && create.query.is_none() {
            return Err(Error::UndefinedColumn { name, nearest: None, position: None });
        }
        if names.contains(&name) {
            return Err(Error::DuplicateColumn { name });
        }
        names.push(name);
    }
    Ok(names)
}

/// A column of a declared type.
pub(super) async fn field(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    data_type: &ast::DataType,
) -> Result<Field> {
    let state = planner::session_state(session, snapshot);
    let mut query = skeleton("SELECT CAST(NULL AS int) AS x")?;
    let [ast::SelectItem::ExprWithAlias { expr: Expr::Cast { data_type: of, .. }, .. }] = select_of(&mut query)?.projection.as_mut_slice()
    else {
        return Err(Error::internal("the query of a column's type has another form"));
    };
    *of = data_type.clone();
    let planned = planner::plan_query(session, &state, snapshot, statement, &query, &[]).await?;
    let (shown, typed) = (planned.schema.field(0), planned.logical.schema().field(0));
    let stored = storable_type(typed.data_type())
        .ok_or_else(|| Error::UnstorableType { column: name.to_owned(), data_type: data_type.to_string().to_ascii_lowercase() })?;
    let mut metadata = shown.metadata().clone();
    if let (DataType::Utf8, Some((pg_type, length))) = (&stored, text_length(data_type)) {
        metadata.insert(PG_TYPE.to_owned(), pg_type.to_owned());
        metadata.extend(length.map(|length| (PG_TYPMOD.to_owned(), (length + TYPMOD_HEADER as u64).to_string())));
    }
    Ok(Field::new(name, stored, true).with_metadata(metadata))
}

/// The type of a text that is not `text`, and how many characters it has at most.
fn text_length(data_type: &ast::DataType) -> Option<(&'static str, Option<u64>)> {
    use ast::DataType as T;
    let characters = |length: &Option<CharacterLength>| match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        Some(CharacterLength::Max) | None => None,
    };
    match data_type {
        T::Varchar(length) | T::CharacterVarying(length) | T::CharVarying(length) => Some(("varchar", characters(length))),
        T::Char(length) | T::Character(length) => Some(("bpchar", characters(length).or(Some(1)))),
        _ => None,
    }
}

/// A place of its own, named after the table for people who look there.
fn new_location(session: &Session, name: &str) -> Result<String> {
    let warehouse = &session.sessions().config.warehouse;
    let mut location: Url = warehouse.clone();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(63).collect();
    match location.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend([&format!("{name}-{}", Uuid::new_v4().simple()), ""]),
        Err(()) => {
            return Err(Error::Location { location: warehouse.to_string(), message: "is no place for tables".into() });
        }
    };
    Ok(location.to_string())
}
