//! What statements that change the rows of a table have in common.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{self, LogicalPlan, LogicalPlanBuilder, Volatility, lit};
use datafusion::sql::sqlparser::ast::{self, Expr, Ident, ObjectName, SelectItem, SetExpr, TableFactor, TableWithJoins};
use engine::{DeltaScan, Execution, NewFile, Operation, TableChanges};
use futures::{StreamExt, TryStreamExt, stream};
use udfs::postgres::{ENFORCE, ROW_ID};

use super::names::{folded, relation_in, unquoted};
use super::select::{self, Plan, Routed};
use crate::catalog::grants::Privilege;
use crate::catalog::{CatalogSnapshot, TableDefinition, TableKind};
use crate::error::{Error, Result};
use crate::parser::{self, Dialect, Statement};
use crate::planner::assign::{Enforced, as_table, cast_to_columns, enforcing_query, generating_query, identifier, type_name};
use crate::planner::{self, PlannedQuery, TARGET};
use crate::privileges::{Rights, denied, secured_relation};
use crate::response::{Response, Rows};
use crate::session::Session;
use crate::session::scope::StatementScope;
use crate::session::tables::TableContents;
use crate::sql_state::SqlState;

/// How long an ALTER TABLE takes at most between its two steps.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a statement is run again because others have changed the table.
pub(super) const ATTEMPTS_MAX: u32 = 20;

/// The table that a statement changes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) definition: TableDefinition,
}

/// A statement that changes a table, and what it sees.
#[derive(Clone)]
pub(super) struct Modification {
    pub(super) session: Arc<Session>,
    pub(super) statement: Statement,
    pub(super) snapshot: Arc<CatalogSnapshot>,
    pub(super) target: Target,
}

/// Files that were written and their rows.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) files: Vec<NewFile>,
    pub(super) rows: u64,
}

/// What it takes to change a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    Ownership,
    Privilege(Privilege),
    /// On some column; on which is checked when they are known.
    SomeColumn(Privilege),
}

impl Target {
    /// The table of this name; an error if it cannot be written, or not by this role. `action` is such as `insert into`.
    pub(super) fn find(
        session: &Session,
        name: &ObjectName,
        snapshot: &CatalogSnapshot,
        action: &'static str,
        needs: impl IntoIterator<Item = Needs>,
    ) -> Result<Self> {
        let undefined = || Error::UndefinedTable { name: unquoted(name), nearest: None, position: None };
        let (schema, table) = relation_in(session, name, snapshot)?.ok_or_else(undefined)?;
        let rights = Rights::in_session(session, snapshot);
        let secured = secured_relation(snapshot, schema, table);
        for need in needs {
            match need {
                Needs::Ownership => rights.check_owner(&secured)?,
                Needs::Privilege(privilege) => rights.check(&secured, privilege)?,
                Needs::SomeColumn(privilege) if rights.may_some_column(&secured, privilege) => {}
                Needs::SomeColumn(_) => return Err(denied(&secured)),
            }
        }
        let unwritable = |kind| Error::Unwritable { action, kind, name: table.name.clone() };
        match (table.kind, snapshot.table_definition(table.oid)) {
            (TableKind::MaterializedView, _) => {
                let (action, kind) = ("change", "materialized view");
                Err(Error::Unwritable { action, kind, name: table.name.clone() })
            }
            (_, Some(definition)) => Ok(Self { oid: table.oid, name: table.name.clone(), definition: definition.clone() }),
            (TableKind::View, None) => Err(unwritable("view")),
            (_, None) => Err(unwritable("table")),
        }
    }

    /// Fails unless the session's role may do this to these columns.
    pub(super) fn check_columns(
        &self,
        session: &Session,
        snapshot: &CatalogSnapshot,
        privilege: Privilege,
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<()> {
        let Some((schema, table)) = snapshot.table(self.oid) else { return Ok(()) };
        let rights = Rights::in_session(session, snapshot);
        let secured = secured_relation(snapshot, schema, table);
        let may = |column: usize| rights.may_column(&secured, self.definition.columns.field(column).name(), privilege);
        match columns.into_iter().all(may) {
            true => Ok(()),
            false => Err(denied(&secured)),
        }
    }

    /// Fails unless the session's role may do this to the whole table.
    pub(super) fn check_privilege(&self, session: &Session, snapshot: &CatalogSnapshot, privilege: Privilege) -> Result<()> {
        let Some((schema, table)) = snapshot.table(self.oid) else { return Ok(()) };
        Rights::in_session(session, snapshot).check(&secured_relation(snapshot, schema, table), privilege)
    }

    pub(super) fn column(&self, name: &str) -> Result<usize> {
        self.definition.columns.index_of(name).map_err(|_| Error::UndefinedColumnOf {
            column: name.to_owned(),
            relation: self.name.clone(),
        })
    }

    /// The type of a column as statements name it; `None` for types without a name.
    pub(super) fn column_type(&self, index: usize, snapshot: &CatalogSnapshot) -> Option<ast::DataType> {
        let field = self.definition.columns.field(index);
        if field.data_type().is_string() {
            // A value that is too long must not be cut.
            return Some(ast::DataType::Text);
        }
        let name = type_name(snapshot, field);
        let ast::Statement::Query(query) = skeleton(&format!("SELECT CAST(NULL AS {name})")).ok()? else { return None };
        let SetExpr::Select(select) = *query.body else { return None };
        match select.projection.into_iter().next()? {
            SelectItem::UnnamedExpr(Expr::Cast { data_type, .. }) => Some(data_type),
            _ => None,
        }
    }

    /// Fails for a column whose values are computed, with a sentence that is made of its name.
    pub(super) fn refuse_generated(&self, index: usize, message: impl FnOnce(&str) -> String) -> Result<()> {
        let name = self.definition.columns.field(index).name();
        match self.definition.generated.contains_key(name) {
            true => Err(Error::Classified {
                sql_state: SqlState::GENERATED_ALWAYS,
                message: message(name),
                detail: Some(format!("Column \"{name}\" is a generated column.")),
                hint: None,
                position: None,
            }),
            false => Ok(()),
        }
    }

    /// The default of a column, as SQL.
    pub(super) fn default(&self, column: &str) -> &str {
        self.definition.defaults.get(column).map_or("NULL", String::as_str)
    }
}

impl Written {
    pub(super) fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.rows += other.rows;
    }
}

impl Modification {
    /// The table as the statement is to change it; `None` if what the catalog says of its columns is not true any more, and the
    /// statement is to be run again.
    pub(super) async fn current(&self) -> Result<Option<TableContents>> {
        let contents = self.contents().await?;
        if contents.is_described_by(&self.target.definition) {
            let is_idle = self.session.transaction_status() == crate::TransactionStatus::Idle;
            let now = self.session.catalog();
            // The rules may have changed while the contents were read.
            let is_same = now.table_definition(self.target.oid).is_some_and(|definition| *definition == self.target.definition);
            return Ok((is_same || !is_idle).then_some(contents));
        }
        if self.session.transaction_status() != crate::TransactionStatus::Idle {
            // If it is another program that has changed the columns, running the transaction again is of no use.
            let catalog = &self.session.sessions().catalog;
            catalog.refresh().await?;
            let latest = catalog.snapshot();
            let is_known = latest.table_definition(self.target.oid).is_none_or(|definition| *definition != self.target.definition);
            let is_own = self.snapshot.object(self.target.oid).is_none_or(|object| object.version == 0);
            return Err(match is_known || is_own {
                true => Error::SerializationFailure,
                false => Error::OutdatedTable { name: self.target.name.clone() },
            });
        }
        self.session.refresh_catalog().await?;
        if self.session.catalog().table_definition(self.target.oid).is_some_and(|definition| *definition == self.target.definition) {
            // Perhaps somebody is about to say what the columns are now.
            tokio::time::sleep(PAUSE).await;
            self.session.refresh_catalog().await?;
            if self.session.catalog().table_definition(self.target.oid).is_some_and(|definition| *definition == self.target.definition) {
                return Err(Error::OutdatedTable { name: self.target.name.clone() });
            }
        }
        Ok(None)
    }

    pub(super) async fn contents(&self) -> Result<TableContents> {
        self.session.contents(self.target.oid, &self.target.definition).await
    }

    /// Plans a query that the statement is made of. `target` is what the query names [`TARGET`].
    pub(super) async fn plan_part(
        &self,
        target: Arc<dyn TableProvider>,
        query: ast::Statement,
        declared: &[Option<DataType>],
    ) -> Result<PlannedQuery> {
        self.plan_with(Some(target), query, declared).await
    }

    /// The same for a query that does not name it.
    pub(super) async fn plan_query(&self, query: ast::Statement, declared: &[Option<DataType>]) -> Result<PlannedQuery> {
        self.plan_with(None, query, declared).await
    }

    async fn plan_with(
        &self,
        target: Option<Arc<dyn TableProvider>>,
        mut query: ast::Statement,
        declared: &[Option<DataType>],
    ) -> Result<PlannedQuery> {
        self.add_with(&mut query)?;
        let (this, declared) = (self.clone(), declared.to_vec());
        planner::aside(self.statement.sql(), async move {
            let Self { session, statement, snapshot, .. } = &this;
            let state = planner::session_state(session, snapshot);
            planner::plan_part(target.as_ref(), session, &state, snapshot, statement, &query, &declared).await
        })
        .await
    }

    /// What is before the statement is before each of its queries.
    fn add_with(&self, query: &mut ast::Statement) -> Result<()> {
        if let (Some(with), ast::Statement::Query(query)) = (&self.statement.with, query) {
            refuse_changes(with)?;
            let mut all = ast::With::clone(with);
            all.cte_tables.extend(query.with.take().map_or_else(Vec::new, |own| own.cte_tables));
            query.with = Some(all);
        }
        Ok(())
    }

    /// Fails if the statement reads columns of the table that the session's role may not: those in `items` and `condition`,
    /// which may also name what is in `others`.
    pub(super) async fn check_reads(
        &self,
        alias: &Ident,
        items: Vec<SelectItem>,
        others: &[TableWithJoins],
        condition: Option<Expr>,
        declared: &[Option<DataType>],
    ) -> Result<()> {
        let Some((schema, table)) = self.snapshot.table(self.target.oid) else { return Ok(()) };
        let rights = Rights::in_session(&self.session, &self.snapshot);
        let secured = secured_relation(&self.snapshot, schema, table);
        if rights.may(&secured, Privilege::Select) {
            return Ok(());
        }
        let mut query = target_query(alias, "1", condition)?;
        let select = select_of(&mut query)?;
        select.projection.extend(items);
        select.from.extend(others.iter().cloned());
        self.add_with(&mut query)?;
        let (this, declared) = (self.clone(), declared.to_vec());
        let read = planner::aside(self.statement.sql(), async move {
            let columns = Arc::new(this.target.definition.columns.clone());
            planner::columns_read_of_target(columns, &this.session, &this.snapshot, &this.statement, &query, &declared).await
        });
        // What cannot be planned alone could read any.
        let columns = read.await.unwrap_or_else(|_| (0..self.target.definition.columns.fields().len()).collect());
        self.target.check_columns(&self.session, &self.snapshot, Privilege::Select, columns)
    }

    /// `rows` as the table takes them: cast, and checked.
    pub(super) async fn assigned(&self, rows: LogicalPlan, declared: &[Option<DataType>]) -> Result<LogicalPlan> {
        self.enforced(rows, declared, Enforced::New).await
    }

    /// The same for rows that may be in the table already.
    pub(super) async fn enforced(&self, rows: LogicalPlan, declared: &[Option<DataType>], which: Enforced) -> Result<LogicalPlan> {
        let rows = cast_to_columns(rows, &self.target.definition, &self.snapshot)?;
        let rows = self.generated(rows, declared).await?;
        let Some(query) = enforcing_query(&self.target.name, &self.target.definition, TARGET, which) else { return Ok(rows) };
        let planned = self.plan_part(as_table(rows), skeleton(&query)?, declared).await?;
        cast_to_columns(planned.logical, &self.target.definition, &self.snapshot)
    }

    /// The same rows with the values of columns that are generated.
    pub(super) async fn generated(&self, rows: LogicalPlan, declared: &[Option<DataType>]) -> Result<LogicalPlan> {
        let Some(query) = generating_query(&self.target.definition, TARGET) else { return Ok(rows) };
        let planned = self.plan_part(as_table(rows), skeleton(&query)?, declared).await?;
        cast_to_columns(planned.logical, &self.target.definition, &self.snapshot)
    }

    /// Writes rows, which have values for their parameters, as files of the table that are not part of it yet.
    pub(super) async fn write(&self, rows: LogicalPlan) -> Result<Written> {
        self.write_in(rows, false).await
    }

    /// The same of rows that only this process has.
    pub(super) async fn write_here(&self, rows: LogicalPlan) -> Result<Written> {
        self.write_in(rows, true).await
    }

    async fn write_in(&self, rows: LogicalPlan, here: bool) -> Result<Written> {
        let definition = &self.target.definition;
        let plan = engine::write(rows, &definition.url()?, &definition.partition_columns, &definition.sort_columns)?;
        let mut written = Written::default();
        let mut reports = self.run_in(plan, here).await?;
        loop {
            let added = match reports.try_next().await {
                Ok(Some(batch)) => add_reports(&batch, &mut written),
                Ok(None) => return Ok(written),
                Err(error) => Err(error.into()),
            };
            self.or_discard(added, &written).await?;
        }
    }

    /// `done`; if it failed, what was written before is removed.
    pub(super) async fn or_discard<T>(&self, done: Result<T>, written: &Written) -> Result<T> {
        if done.is_err()
            && let Ok(location) = self.target.definition.url()
        {
            self.session.discard(&location, &written.files).await;
        }
        done
    }

    /// The rows of files that were written, as a table.
    pub(super) fn of_written(&self, contents: &TableContents, written: &Written) -> Result<Arc<dyn TableProvider>> {
        let columns = contents.changes.columns.clone();
        let changes = TableChanges { added: written.files.clone(), columns, ..TableChanges::default() };
        let paths = written.files.iter().map(|file| file.path().to_owned()).collect();
        let scan = DeltaScan::new(Arc::clone(&contents.version), &changes)?.of_files(&paths);
        Ok(Arc::new(scan.described(&self.target.definition.columns)))
    }

    /// Runs a plan where it is best run.
    pub(super) async fn run(&self, logical: LogicalPlan) -> Result<Execution> {
        self.run_in(logical, false).await
    }

    async fn run_in(&self, logical: LogicalPlan, here: bool) -> Result<Execution> {
        let routed = self.place(logical, here).await?;
        let engine = &self.session.sessions().engine;
        Ok(match routed.plan {
            Plan::Local(plan) => engine.run_local(&routed.state, &plan),
            Plan::Cluster(plan) => {
                let schema = plan.physical.schema();
                engine.run_distributed(self.statement.sql().to_owned(), plan, schema)?
            }
        })
    }

    async fn place(&self, logical: LogicalPlan, here: bool) -> Result<Routed> {
        let this = self.clone();
        planner::aside(self.statement.sql(), async move {
            let state = planner::session_state(&this.session, &this.snapshot);
            select::place(&this.session, &this.statement, state, Arc::clone(&this.snapshot), logical, here).await
        })
        .await
    }

    /// Plans what RETURNING gives of rows of the target: those of `rows` for which `condition` is true.
    pub(super) async fn plan_returning(
        &self,
        items: &[SelectItem],
        alias: &Ident,
        rows: Arc<dyn TableProvider>,
        condition: Option<Expr>,
        declared: &[Option<DataType>],
    ) -> Result<PlannedQuery> {
        let mut query = target_query(alias, "1", condition)?;
        select_of(&mut query)?.projection = items.to_vec();
        let planned = self.plan_part(rows, query, declared).await?;
        refuse_aggregates(&planned.logical)?;
        Ok(planned)
    }

    /// What RETURNING gives, all of it: an error in it must come before anything is changed. `command` is the word of the
    /// command tag.
    #[expect(clippy::too_many_arguments, reason = "those of the planning and those of the result")]
    pub(super) async fn returned(
        &self,
        items: &[SelectItem],
        alias: &Ident,
        rows: Arc<dyn TableProvider>,
        condition: Option<Expr>,
        types: &[Option<DataType>],
        parameters: &[ScalarValue],
        promised: &SchemaRef,
        command: &'static str,
    ) -> Result<Response> {
        let planned = self.plan_returning(items, alias, rows, condition, types).await?;
        self.collected(planner::bind(&planned.logical, types, parameters)?, promised, command).await
    }

    /// All rows of a plan, in memory.
    pub(super) async fn collected(&self, plan: LogicalPlan, promised: &SchemaRef, command: &'static str) -> Result<Response> {
        let routed = self.place(plan, false).await?;
        let mut rows = select::rows_of(&self.session, self.statement.sql(), routed, promised, command)?;
        let held = MemoryConsumer::new("rows of RETURNING").register(&self.session.sessions().engine.runtime_env().memory_pool);
        let mut batches = vec![];
        while let Some(batch) = rows.try_next().await? {
            held.try_grow(batch.get_array_memory_size())?;
            batches.push(Ok(batch));
        }
        let batches = stream::iter(batches).inspect(move |_| {
            // The memory is in use until the last batch has gone.
            let _ = &held;
        });
        Ok(Response::Rows(Rows::new(Arc::clone(rows.schema()), batches.boxed(), command)))
    }

    /// The files that have rows of `matching`, a plan whose only column is their file, and how many of each.
    pub(super) async fn touched(&self, matching: LogicalPlan) -> Result<Vec<(String, u64)>> {
        let file = logical_expr::Expr::from(matching.schema().qualified_field(0)).alias("file");
        let plan = LogicalPlanBuilder::from(matching).aggregate([file], [count(lit(1_i64)).alias("rows")])?.build()?;
        let batches: Vec<RecordBatch> = self.run(plan).await?.try_collect().await?;
        let mut touched = vec![];
        for batch in &batches {
            let (files, rows) = (first_texts(batch)?, batch.column(1).as_primitive::<Int64Type>());
            let row = |index: usize| (files.value(index).to_owned(), u64::try_from(rows.value(index)).unwrap_or_default());
            touched.extend((0..batch.num_rows()).map(row));
        }
        Ok(touched)
    }

    /// Makes changes; `false` if others were faster and the statement is to be run again.
    pub(super) async fn apply(&self, before: &TableContents, changes: TableChanges) -> Result<bool> {
        let can_repeat = self.session.transaction_status() == crate::TransactionStatus::Idle && !StatementScope::is_stopped();
        match self.session.change_table(self.target.oid, before, changes).await {
            Ok(()) => Ok(true),
            Err(Error::SerializationFailure) if can_repeat => {
                // Perhaps the table is another one now.
                self.session.refresh_catalog().await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// RETURNING gives a row for each that was changed.
pub(super) fn refuse_aggregates(plan: &LogicalPlan) -> Result<()> {
    let mut message = None;
    plan.apply(|node| {
        match node {
            LogicalPlan::Aggregate(_) => message = Some("aggregate functions are not allowed in RETURNING"),
            LogicalPlan::Window(_) => message = Some("window functions are not allowed in RETURNING"),
            _ => {}
        }
        // What is below is a query of its own.
        Ok(match node {
            LogicalPlan::Projection(_) | LogicalPlan::Sort(_) if message.is_none() => TreeNodeRecursion::Continue,
            _ => TreeNodeRecursion::Stop,
        })
    })?;
    match message {
        Some(message) => Err(Error::classified(SqlState::GROUPING_ERROR, message)),
        None => Ok(()),
    }
}

/// What is before a statement only reads.
fn refuse_changes(with: &ast::With) -> Result<()> {
    let changes = |cte: &ast::Cte| matches!(*cte.query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_));
    match with.cte_tables.iter().any(changes) {
        true => Err(Error::unsupported("a statement that changes rows within WITH")),
        false => Ok(()),
    }
}

fn add_reports(batch: &RecordBatch, written: &mut Written) -> Result<()> {
    let rows = batch.column(1).as_primitive::<Int64Type>();
    for (file, rows) in first_texts(batch)?.iter().zip(rows.iter()) {
        written.files.push(NewFile::from_json(file.unwrap_or_default())?);
        written.rows += rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default();
    }
    Ok(())
}

/// The first column, of whatever kind of text it is.
pub(super) fn first_texts(batch: &RecordBatch) -> Result<StringArray> {
    let texts = arrow::compute::cast(batch.column(0), &DataType::Utf8).map_err(engine::Error::from)?;
    Ok(texts.as_string::<i32>().clone())
}

/// Changes that put `written` in the place of the files of `paths`.
pub(super) fn replaced(
    contents: &TableContents,
    definition: &TableDefinition,
    paths: &HashSet<String>,
    written: Written,
    operation: Operation,
) -> Result<TableChanges> {
    let scan = contents.scan(definition)?;
    let removed = scan.files().filter(|file| paths.contains(&file.path)).cloned().collect();
    Ok(TableChanges { added: written.files, removed, operation, ..TableChanges::default() })
}

/// A condition that is not the same each time it is evaluated would change a row by halves: it is evaluated to find files and
/// to write them.
pub(super) fn refuse_volatile(plan: &LogicalPlan) -> Result<()> {
    let ours = [ROW_ID, ENFORCE];
    let is_volatile = |expr: &logical_expr::Expr| match expr {
        logical_expr::Expr::ScalarFunction(call) => {
            call.func.signature().volatility == Volatility::Volatile && !ours.contains(&call.func.name())
        }
        _ => false,
    };
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            found = found || expr.exists(|expr| Ok(is_volatile(expr)))?;
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    match found {
        true => Err(Error::unsupported("a volatile function in the condition of a statement that changes rows")),
        false => Ok(()),
    }
}

/// The SELECT of a query that this crate has written.
pub(super) fn select_of(query: &mut ast::Statement) -> Result<&mut ast::Select> {
    match query {
        ast::Statement::Query(query) => match query.body.as_mut() {
            SetExpr::Select(select) => Ok(select),
            _ => Err(Error::internal("a query of a statement is no SELECT")),
        },
        _ => Err(Error::internal("a part of a statement is no query")),
    }
}

/// A query that this crate has written, as a part of another.
pub(super) fn query_of(statement: ast::Statement) -> Result<Box<ast::Query>> {
    match statement {
        ast::Statement::Query(query) => Ok(query),
        _ => Err(Error::internal("a part of a statement is no query")),
    }
}

/// The syntax tree of a query that this crate has written.
pub(super) fn skeleton(query: &str) -> Result<ast::Statement> {
    let statement = parser::parse(query, Dialect::Postgres)?.remove(0);
    statement.ast.as_deref().cloned().ok_or_else(|| Error::unsupported("an empty query"))
}

/// `SELECT columns FROM target AS alias WHERE condition`, whose columns and condition may come from a statement.
pub(super) fn target_query(alias: &Ident, columns: &str, condition: Option<Expr>) -> Result<ast::Statement> {
    let mut query = skeleton(&format!("SELECT {columns} FROM {} AS {}", identifier(TARGET), identifier(&folded(alias))))?;
    select_of(&mut query)?.selection = condition;
    Ok(query)
}

/// Name and alias of the one table in `UPDATE table` or `DELETE FROM table`.
pub(super) fn named_table(table: &TableWithJoins) -> Result<(&ObjectName, Ident)> {
    match &table.relation {
        TableFactor::Table { version: Some(_), .. } => Err(Error::unsupported("changing an older version of a table")),
        TableFactor::Table { name, alias, args: None, .. } if table.joins.is_empty() => {
            let last = name.0.last().and_then(|part| part.as_ident()).cloned();
            let alias = alias.as_ref().map(|alias| alias.name.clone()).or(last);
            Ok((name, alias.ok_or_else(|| Error::ImproperName { name: name.to_string() })?))
        }
        _ => Err(Error::unsupported("changing anything but a table")),
    }
}

/// A value whose type is that of the column that it is for, if nothing else says what it is.
pub(super) fn typed(value: Expr, data_type: Option<&ast::DataType>) -> Expr {
    let Some(data_type) = data_type else { return value };
    let is_decimal = matches!(data_type, ast::DataType::Numeric(_) | ast::DataType::Decimal(_) | ast::DataType::Dec(_));
    let value = digits(&value).filter(|_| is_decimal).unwrap_or(value);
    let is_open = match &value {
        Expr::Value(value) => {
            matches!(value.value, ast::Value::Placeholder(_) | ast::Value::SingleQuotedString(_) | ast::Value::Null)
        }
        _ => false,
    };
    if !is_open {
        return value;
    }
    Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(value), data_type: data_type.clone(), array: false, format: None }
}

/// A number with a point as a text of its digits: as a floating point number it would lose some.
fn digits(value: &Expr) -> Option<Expr> {
    let (sign, number) = match value {
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => ("-", expr.as_ref()),
        number => ("", number),
    };
    let Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) = number else { return None };
    let (whole, fraction) = text.split_once('.')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if whole.is_empty() { "0" } else { whole };
    let text = || ast::Value::SingleQuotedString(format!("{sign}{whole}.{fraction}"));
    (is_digits(whole) && is_digits(fraction)).then(|| Expr::Value(text().into()))
}

/// `DEFAULT` in the place of a value.
pub(super) fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}
