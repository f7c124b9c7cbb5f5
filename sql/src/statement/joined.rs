//! Changes of a table's rows that other rows decide on: `MERGE`, `UPDATE … FROM` and `DELETE … USING … RETURNING`.
//!
//! First the table is joined with the other rows, to find the files with rows that change. Then those files are joined with
//! them again, and written as they are afterwards, together with rows that are new.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{self, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CaseWhen, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use engine::{FILE_COLUMN, Operation, TableChanges};
use futures::TryStreamExt;
use udfs::postgres::ROW_ID;

use super::insert::parsed_expression;
use super::modify::{ATTEMPTS_MAX, Modification, Written, first_texts, query_of, refuse_aggregates, refuse_volatile, replaced, select_of, skeleton, typed};
use super::names::folded;
use crate::catalog::TableDefinition;
use crate::error::{Error, Result};
use crate::planner::assign::{as_table, flag_column, identifier, new_column, with_new_values};
use crate::planner::build::{aliased, ident, null, number};
use crate::planner::{self, PlannedQuery, TARGET};
use crate::response::Response;
use crate::session::tables::pin_tables;
use crate::sql_state::SqlState;

/// Columns and relations of the queries below. No name in a text can be one of these.
const ROW: &str = "\u{1}row";
const ACTION: &str = "\u{1}action";
const GONE: &str = "\u{1}gone";
const MARKER: &str = "\u{1}marker";
const MATCHED: &str = "\u{1}matched";

/// What becomes of the rows of a table that is joined with others.
#[derive(Clone)]
pub(super) struct Joined {
    /// What the statement calls the table.
    pub(super) alias: Ident,
    pub(super) source: TableWithJoins,
    pub(super) on: Expr,
    /// In the order in which they are tried.
    pub(super) clauses: Vec<Clause>,
    pub(super) inserts: Vec<InsertClause>,
    /// In a MERGE a row that several others change is an error; else one of them does.
    pub(super) operation: Operation,
    /// What RETURNING gives of rows that change, which may name columns of the other rows.
    pub(super) returning: Option<Vec<SelectItem>>,
}

/// What was done.
pub(super) struct Done {
    /// Rows that were changed, deleted or inserted.
    pub(super) rows: u64,
    /// What RETURNING gives.
    pub(super) returned: Option<Response>,
}

/// For rows of the table.
#[derive(Clone)]
pub(super) struct Clause {
    /// For rows that are joined with another; else for those that are not.
    pub(super) is_matched: bool,
    pub(super) condition: Option<Expr>,
    pub(super) action: Action,
}

#[derive(Clone)]
pub(super) enum Action {
    /// New values by the index of their columns.
    Update(BTreeMap<usize, Expr>),
    Delete,
    /// The row stays, whatever later clauses say.
    Nothing,
}

/// For other rows that are not joined with one of the table.
#[derive(Clone)]
pub(super) struct InsertClause {
    pub(super) condition: Option<Expr>,
    /// By the index of their columns; others have their defaults. `None`: nothing is inserted, whatever later clauses say.
    pub(super) values: Option<BTreeMap<usize, Expr>>,
}

/// Rows of a file.
struct Touched {
    path: String,
    /// Rows of the join, and of these that change a row.
    pairs: i64,
    acting: i64,
    /// Rows of the table in the join, and of these that are changed.
    rows: i64,
    changed: i64,
}

impl Joined {
    /// The types of the parameters, and what is wrong with the statement.
    pub(super) async fn check(&self, modification: &Modification, declared: &[Option<DataType>]) -> Result<Vec<Option<DataType>>> {
        let contents = modification.contents().await?;
        let scan = contents.scan(&modification.target.definition)?.naming_files();
        let table: Arc<dyn TableProvider> = Arc::new(scan);
        let actions = modification.plan_part(Arc::clone(&table), self.actions_query()?, declared).await?;
        refuse_volatile(&actions.logical)?;
        let changed = modification.plan_part(Arc::clone(&table), self.changed_query(modification)?, &actions.parameter_types).await?;
        let mut types = changed.parameter_types;
        self.left(modification, changed.logical, true, &types).await?;
        if let Some(query) = self.inserted_query(modification)? {
            let planned = modification.plan_part(table, query, &types).await?;
            types = planned.parameter_types;
            modification.assigned(planned.logical, &types).await?;
        }
        Ok(types)
    }

    /// What RETURNING gives, as a client is told; `types` are those of the parameters so far.
    pub(super) async fn described(&self, modification: &Modification, types: &[Option<DataType>]) -> Result<Option<PlannedQuery>> {
        let Some(items) = &self.returning else { return Ok(None) };
        if self.may_differ() {
            return Err(Error::unsupported(format!("RETURNING of {} with a LIMIT among the other tables", self.tag())));
        }
        let table: Arc<dyn TableProvider> = Arc::new(modification.contents().await?.scan(&modification.target.definition)?);
        let mut query = self.join_query("1")?;
        select_of(&mut query)?.projection.clone_from(&self.without_marker(modification, items)?);
        let planned = modification.plan_part(table, query, types).await?;
        refuse_aggregates(&planned.logical)?;
        // The new values are computed once to be written and once to be returned.
        let table: Arc<dyn TableProvider> = Arc::new(modification.contents().await?.scan(&modification.target.definition)?);
        let twice = modification.plan_part(table, self.returning_query(modification)?, &planned.parameter_types).await?;
        refuse_volatile(&twice.logical)
            .map_err(|_| Error::unsupported(format!("a volatile function in {} of several tables with RETURNING", self.tag())))?;
        Ok(Some(planned))
    }

    /// Makes the changes, again if others are faster. RETURNING gives rows as `promised`.
    pub(super) async fn execute(
        &self,
        modification: impl Fn() -> Result<Modification>,
        types: &[Option<DataType>],
        parameters: &[ScalarValue],
        promised: Option<&SchemaRef>,
    ) -> Result<Done> {
        for _ in 0..ATTEMPTS_MAX {
            let modification = modification()?;
            let _pinned = pin_tables();
            let Some(contents) = modification.current().await? else { continue };
            let definition = &modification.target.definition;
            let scan = || contents.scan(definition);
            let bind = |plan: &LogicalPlan| planner::bind(plan, types, parameters);

            let named: Arc<dyn TableProvider> = Arc::new(scan()?.naming_files());
            let actions = modification.plan_part(named, self.actions_query()?, types).await?;
            let touched = touched(&modification, bind(&actions.logical)?, types).await?;
            if self.operation == Operation::Merge && touched.iter().any(|file| file.acting > file.changed) {
                return Err(changed_twice());
            }
            let paths: HashSet<String> = touched.iter().map(|file| file.path.clone()).collect();
            let mut rows: i64 = touched.iter().map(|file| file.changed).sum();
            let mut changes = TableChanges { operation: self.operation, ..TableChanges::default() };
            let mut returned = None;
            if let Some(promised) = promised.filter(|_| self.returning.is_some()) {
                let table: Arc<dyn TableProvider> = Arc::new(scan()?.of_files(&paths));
                let query = self.returning_query(&modification)?;
                let rows = modification.plan_part(table, query, types).await?;
                let rows = self.once(&modification, rows.logical, types).await?;
                returned = Some(modification.collected(bind(&of_types(rows, promised)?)?, promised, self.tag()).await?);
            }
            if !paths.is_empty() {
                let table: Arc<dyn TableProvider> = Arc::new(scan()?.of_files(&paths));
                let joined = modification.plan_part(table, self.changed_query(&modification)?, types).await?;
                let is_repeated = self.may_differ() || touched.iter().any(|file| file.pairs > file.rows);
                let left = self.left(&modification, joined.logical, is_repeated, types).await?;
                let written = modification.write(bind(&left)?).await?;
                changes = replaced(&contents, definition, &paths, written, self.operation)?;
            }
            if let Some(query) = self.inserted_query(&modification)? {
                let table: Arc<dyn TableProvider> = Arc::new(scan()?);
                let inserted = modification.plan_part(table, query, types).await?;
                let inserted = modification.assigned(inserted.logical, types).await?;
                let before = Written { files: changes.added.clone(), rows: 0 };
                let written = modification.write(bind(&inserted)?).await;
                let written = modification.or_discard(written, &before).await?;
                rows += i64::try_from(written.rows).unwrap_or_default();
                changes.added.extend(written.files);
            }
            if modification.apply(&contents, changes).await? {
                return Ok(Done { rows: u64::try_from(rows).unwrap_or_default(), returned });
            }
        }
        Err(Error::SerializationFailure)
    }

    /// The statement, as it is called.
    fn tag(&self) -> &'static str {
        match self.operation {
            Operation::Delete => "DELETE",
            Operation::Merge => "MERGE",
            _ => "UPDATE",
        }
    }

    /// Like [`Joined::changed_query`], with what RETURNING gives of each row of the join.
    fn returning_query(&self, modification: &Modification) -> Result<ast::Statement> {
        let mut query = self.changed_query(modification)?;
        let items = self.returned_items(modification)?;
        let select = select_of(&mut query)?;
        select.projection.extend(items.into_iter().enumerate().map(|(index, item)| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => aliased(expr, &returned_column(index)),
            // Of other rows: these have names of their own, by which nothing looks for them.
            item => item,
        }));
        Ok(query)
    }

    /// What RETURNING gives of the rows of a plan of [`Joined::returning_query`], each row of the table once: the same as
    /// those that [`Joined::left`] leaves.
    async fn once(&self, modification: &Modification, joined: LogicalPlan, types: &[Option<DataType>]) -> Result<LogicalPlan> {
        let own = modification.target.definition.columns.fields().len() + 3 + 2 * self.changed_columns().len();
        let names = (own..joined.schema().fields().len()).map(|index| returned_column(index - own));
        let names: Vec<String> = names.collect();
        let schema = Arc::clone(joined.schema());
        let columns = schema.iter().enumerate().map(|(index, (qualifier, field))| {
            let column = logical_expr::Expr::Column(Column::from((qualifier, field)));
            match index.checked_sub(own) {
                Some(index) => column.alias(&names[index]),
                None => column,
            }
        });
        let columns: Vec<logical_expr::Expr> = columns.collect();
        let joined = LogicalPlanBuilder::from(joined).project(columns)?.build()?;
        let (row, action, target) = (identifier(ROW), identifier(ACTION), identifier(TARGET));
        let list: Vec<String> = names.iter().map(|name| identifier(name)).collect();
        let query = skeleton(&format!(
            "SELECT {} FROM (SELECT *, row_number() OVER (PARTITION BY {row} ORDER BY {}) AS \"\u{1}n\" FROM {target})
             AS \"\u{1}numbered\" WHERE \"\u{1}n\" = 1 AND {action} IS TRUE",
            list.join(", "),
            self.preference(),
        ))?;
        Ok(modification.plan_part(as_table(joined), query, types).await?.logical)
    }

    /// Which of the rows of the join that are for one row of the table is taken. Those with the same new values are equal.
    fn preference(&self) -> String {
        let first = format!("{} DESC", identifier(ACTION));
        let new = self.changed_columns().into_iter().filter(|_| self.returning.is_some()).map(|index| identifier(&new_column(index)));
        [first].into_iter().chain(new).collect::<Vec<_>>().join(", ")
    }

    /// The items of RETURNING over the join, with the new values in the place of columns of the table.
    fn returned_items(&self, modification: &Modification) -> Result<Vec<SelectItem>> {
        let target = &modification.target;
        let alias = folded(&self.alias);
        let mut values: BTreeMap<String, Expr> = BTreeMap::new();
        for clause in &self.clauses {
            let Action::Update(new) = &clause.action else { continue };
            for (index, value) in new {
                let value = match target.column_type(*index, &modification.snapshot) {
                    Some(data_type) => Expr::Cast {
                        kind: ast::CastKind::Cast,
                        expr: Box::new(Expr::Nested(Box::new(value.clone()))),
                        data_type,
                        array: false,
                        format: None,
                    },
                    None => value.clone(),
                };
                values.insert(target.definition.columns.field(*index).name().clone(), value);
            }
        }
        if !values.is_empty() {
            // In the expressions of generated columns names are without that of the table, which others may have too.
            let own = |field: &Arc<Field>| {
                let column = Expr::CompoundIdentifier(vec![ident(&alias), ident(field.name())]);
                (field.name().clone(), values.get(field.name()).cloned().unwrap_or(column))
            };
            let all: BTreeMap<String, Expr> = target.definition.columns.fields().iter().map(own).collect();
            for (column, expression) in &target.definition.generated {
                if let Some(mut expression) = parsed_expression(expression) {
                    substitute(&mut expression, &alias, &target.definition, &all)?;
                    values.insert(column.clone(), expression);
                }
            }
        }
        let mut items = self.without_marker(modification, self.returning.as_deref().unwrap_or_default())?;
        for item in &mut items {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                substitute(expr, &alias, &target.definition, &values)?;
            }
        }
        Ok(items)
    }

    /// `items` with their wildcards for the table written out, so that the columns that this module adds are none of them.
    fn without_marker(&self, modification: &Modification, items: &[SelectItem]) -> Result<Vec<SelectItem>> {
        let alias = folded(&self.alias);
        let own = || {
            let column = |field: &Arc<Field>| {
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![ident(&alias), ident(field.name())]))
            };
            modification.target.definition.columns.fields().iter().map(column).collect::<Vec<_>>()
        };
        let mut all = vec![];
        for item in items {
            match item {
                SelectItem::Wildcard(_) => {
                    all.extend(own());
                    for relation in relations(&self.source)? {
                        let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(relation));
                        all.push(SelectItem::QualifiedWildcard(kind, WildcardAdditionalOptions::default()));
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                    if matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| folded(ident) == alias)) =>
                {
                    all.extend(own());
                }
                item => all.push(item.clone()),
            }
        }
        Ok(all)
    }

    /// Whether the other rows may not be the same when they are asked for again: which rows a LIMIT leaves is nobody's promise.
    fn may_differ(&self) -> bool {
        struct Limits;
        impl Visitor for Limits {
            type Break = ();

            fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
                match query.limit_clause.is_some() || query.fetch.is_some() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }
        }
        self.source.visit(&mut Limits).is_break()
    }

    /// File, row and, if the row changes, a number: for each row of the join that a clause may be for.
    fn actions_query(&self) -> Result<ast::Statement> {
        let alias = identifier(&folded(&self.alias));
        let columns = format!("{alias}.{}, {alias}.{}", identifier(FILE_COLUMN), identifier(ROW));
        let mut query = self.join_query(&columns)?;
        let result = |clause: &Clause| if matches!(clause.action, Action::Nothing) { null() } else { number(1) };
        let numbered = self.clauses.iter().map(|clause| CaseWhen { condition: clause.applies(), result: result(clause) });
        let select = select_of(&mut query)?;
        select.projection.push(aliased(case(numbered.collect(), None), ACTION));
        Ok(query)
    }

    /// The columns that some clause gives a new value.
    fn changed_columns(&self) -> Vec<usize> {
        let columns = self.clauses.iter().flat_map(|clause| match &clause.action {
            Action::Update(values) => values.keys().copied().collect(),
            Action::Delete | Action::Nothing => vec![],
        });
        columns.collect::<BTreeSet<usize>>().into_iter().collect()
    }

    /// All rows of the join with their old and new values, [`ROW`], [`ACTION`] and whether they are [`GONE`].
    fn changed_query(&self, modification: &Modification) -> Result<ast::Statement> {
        let alias = identifier(&folded(&self.alias));
        let columns = modification.target.definition.columns.fields();
        let old = columns.iter().map(|field| format!("{alias}.{}", identifier(field.name())));
        let list: Vec<String> = old.chain([format!("{alias}.{}", identifier(ROW))]).collect();
        let mut query = self.join_query(&list.join(", "))?;
        let select = select_of(&mut query)?;
        let flag = |is: &dyn Fn(&Clause) -> bool| {
            let flags = self.clauses.iter().map(|clause| CaseWhen { condition: clause.applies(), result: truth(is(clause)) });
            case(flags.collect(), Some(truth(false)))
        };
        select.projection.push(aliased(flag(&|clause| !matches!(clause.action, Action::Nothing)), ACTION));
        select.projection.push(aliased(flag(&|clause| matches!(clause.action, Action::Delete)), GONE));
        for index in self.changed_columns() {
            let new = |clause: &Clause| match &clause.action {
                Action::Update(values) => values.get(&index).cloned(),
                Action::Delete | Action::Nothing => None,
            };
            let values = self.clauses.iter().map(|clause| CaseWhen { condition: clause.applies(), result: new(clause).unwrap_or_else(null) });
            select.projection.push(aliased(flag(&|clause| new(clause).is_some()), &flag_column(index)));
            select.projection.push(aliased(case(values.collect(), None), &new_column(index)));
        }
        Ok(query)
    }

    /// What is left of the rows of [`Joined::changed_query`], each row of the table once, as the table takes them.
    /// Rows are told apart if the join may have some of them several times.
    async fn left(
        &self,
        modification: &Modification,
        joined: LogicalPlan,
        is_repeated: bool,
        types: &[Option<DataType>],
    ) -> Result<LogicalPlan> {
        let (row, gone, target) = (identifier(ROW), identifier(GONE), identifier(TARGET));
        let query = match is_repeated {
            true => format!(
                "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {row} ORDER BY {}) AS \"\u{1}n\" FROM {target})
                 AS \"\u{1}numbered\" WHERE \"\u{1}n\" = 1 AND {gone} IS NOT TRUE",
                self.preference()
            ),
            false => format!("SELECT * FROM {target} WHERE {gone} IS NOT TRUE"),
        };
        let query = skeleton(&query)?;
        let left = modification.plan_part(as_table(joined), query, types).await?.logical;
        let left = with_new_values(left, &modification.target.definition, &modification.snapshot, &self.changed_columns())?;
        modification.assigned(left, types).await
    }

    /// The rows that are new.
    fn inserted_query(&self, modification: &Modification) -> Result<Option<ast::Statement>> {
        if self.inserts.is_empty() {
            return Ok(None);
        }
        let target = &modification.target;
        let condition = |clause: &InsertClause| clause.condition.clone().unwrap_or_else(|| truth(true));
        let mut query = skeleton("SELECT 1")?;
        let mut exists = skeleton(&format!("SELECT 1 FROM {} AS {}", identifier(TARGET), identifier(&folded(&self.alias))))?;
        select_of(&mut exists)?.selection = Some(self.on.clone());
        let select = select_of(&mut query)?;
        select.from = vec![self.source.clone()];
        let inserts = |clause: &InsertClause| CaseWhen { condition: condition(clause), result: truth(clause.values.is_some()) };
        let is_any = match self.inserts.iter().all(|clause| clause.values.is_some()) {
            true => self.inserts.iter().map(condition).reduce(|left, right| binary(left, BinaryOperator::Or, right)),
            false => Some(case(self.inserts.iter().map(inserts).collect(), Some(truth(false)))),
        };
        let exists = Expr::Exists { subquery: query_of(exists)?, negated: true };
        select.selection = is_any.map(|any| binary(exists, BinaryOperator::And, any));
        select.projection = vec![];
        for (index, field) in target.definition.columns.fields().iter().enumerate() {
            let data_type = target.column_type(index, &modification.snapshot);
            let default = || parsed_expression(target.default(field.name())).unwrap_or_else(null);
            let given = |clause: &InsertClause| clause.values.as_ref().and_then(|values| values.get(&index)).cloned();
            let value = |clause: &InsertClause| typed(given(clause).unwrap_or_else(default), data_type.as_ref());
            let value = match self.inserts.as_slice() {
                [clause] => value(clause),
                clauses => {
                    let values = clauses.iter().map(|clause| CaseWhen { condition: condition(clause), result: value(clause) });
                    case(values.collect(), None)
                }
            };
            select.projection.push(aliased(value, field.name()));
        }
        Ok(Some(query))
    }

    /// `SELECT columns` of the table, its rows numbered, joined with the others.
    fn join_query(&self, columns: &str) -> Result<ast::Statement> {
        let join = if self.clauses.iter().all(|clause| clause.is_matched) && columns.contains(FILE_COLUMN) { "JOIN" } else { "LEFT JOIN" };
        let mut query = skeleton(&format!(
            "SELECT {columns} FROM (SELECT *, {ROW_ID}() AS {} FROM {}) AS {} {join} (x CROSS JOIN (SELECT TRUE AS {}) AS {}) ON TRUE",
            identifier(ROW),
            identifier(TARGET),
            identifier(&folded(&self.alias)),
            identifier(MATCHED),
            identifier(MARKER),
        ))?;
        let unexpected = || Error::internal("the query of a join has another form");
        let [TableWithJoins { joins, .. }] = select_of(&mut query)?.from.as_mut_slice() else { return Err(unexpected()) };
        let [Join { relation, join_operator, .. }] = joins.as_mut_slice() else { return Err(unexpected()) };
        use JoinOperator as J;
        match join_operator {
            J::Join(JoinConstraint::On(on)) | J::Left(JoinConstraint::On(on)) | J::LeftOuter(JoinConstraint::On(on)) => *on = self.on.clone(),
            _ => return Err(unexpected()),
        }
        let TableFactor::NestedJoin { table_with_joins, .. } = relation else { return Err(unexpected()) };
        table_with_joins.relation = self.source.relation.clone();
        let marker = std::mem::take(&mut table_with_joins.joins);
        table_with_joins.joins = self.source.joins.iter().cloned().chain(marker).collect();
        Ok(query)
    }
}

impl Clause {
    fn applies(&self) -> Expr {
        let matched = Expr::CompoundIdentifier(vec![ident(MARKER), ident(MATCHED)]);
        let matched = match self.is_matched {
            true => Expr::IsTrue(Box::new(matched)),
            false => Expr::IsNotTrue(Box::new(matched)),
        };
        match &self.condition {
            Some(condition) => binary(matched, BinaryOperator::And, condition.clone()),
            None => matched,
        }
    }
}

/// The files with rows that change; `actions` is the plan of [`Joined::actions_query`].
async fn touched(modification: &Modification, actions: LogicalPlan, types: &[Option<DataType>]) -> Result<Vec<Touched>> {
    let (file, row, action, target) = (identifier(FILE_COLUMN), identifier(ROW), identifier(ACTION), identifier(TARGET));
    let query = skeleton(&format!(
        "SELECT {file} AS f, CAST(sum(p) AS bigint) AS p, CAST(sum(a) AS bigint) AS a, count(*) AS r,
                CAST(sum(CASE WHEN a > 0 THEN 1 ELSE 0 END) AS bigint) AS c
         FROM (SELECT {file}, {row}, count(*) AS p, count({action}) AS a FROM {target} GROUP BY {file}, {row}) AS x GROUP BY {file}"
    ))?;
    let plan = modification.plan_part(as_table(actions), query, types).await?;
    let batches: Vec<RecordBatch> = modification.run(plan.logical).await?.try_collect().await?;
    let mut touched = vec![];
    for batch in &batches {
        let files = first_texts(batch)?;
        let number = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        touched.extend((0..batch.num_rows()).map(|row| Touched {
            path: files.value(row).to_owned(),
            pairs: number(1, row),
            acting: number(2, row),
            rows: number(3, row),
            changed: number(4, row),
        }));
    }
    touched.retain(|file| file.changed > 0);
    Ok(touched)
}

/// `rows` with the types that a client was told.
fn of_types(rows: LogicalPlan, promised: &SchemaRef) -> Result<LogicalPlan> {
    let schema = Arc::clone(rows.schema());
    let columns = schema.iter().zip(promised.fields()).map(|((qualifier, field), promised)| {
        let column = logical_expr::Expr::Column(Column::from((qualifier, field)));
        Ok(column.cast_to(promised.data_type(), &schema)?.alias(field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

fn returned_column(index: usize) -> String {
    format!("\u{1}returned {index}")
}

/// The tables of FROM or USING as one; `None` if there are none.
pub(super) fn source_of(tables: &[TableWithJoins]) -> Option<TableWithJoins> {
    let (first, others) = tables.split_first()?;
    let mut source = first.clone();
    for other in others {
        let relation = match other.joins.is_empty() {
            true => other.relation.clone(),
            false => TableFactor::NestedJoin { table_with_joins: Box::new(other.clone()), alias: None },
        };
        source.joins.push(Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) });
    }
    Some(source)
}

/// What the relations of FROM are called.
fn relations(from: &TableWithJoins) -> Result<Vec<Ident>> {
    let mut names = vec![];
    for factor in [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => names.extend(relations(table_with_joins)?),
            TableFactor::Table { name, alias: None, .. } => names.extend(name.0.last().and_then(|part| part.as_ident()).cloned()),
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => names.push(alias.name.clone()),
            _ => return Err(Error::unsupported("RETURNING * with this form of other tables")),
        }
    }
    Ok(names)
}

/// Puts `values` in the place of the columns of the table `alias`.
fn substitute(expr: &mut Expr, alias: &str, definition: &TableDefinition, values: &BTreeMap<String, Expr>) -> Result<()> {
    struct Substitute<'a> {
        alias: &'a str,
        definition: &'a TableDefinition,
        values: &'a BTreeMap<String, Expr>,
    }
    impl VisitorMut for Substitute<'_> {
        type Break = Error;

        fn pre_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<Error> {
            // A name in it can be one of its own.
            ControlFlow::Break(Error::unsupported("a subquery in RETURNING of an UPDATE or DELETE with other tables"))
        }

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
            let name = match expr {
                Expr::Identifier(name) => folded(name),
                Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [relation, name] if folded(relation) == self.alias => folded(name),
                    _ => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            if self.definition.columns.index_of(&name).is_ok()
                && let Some(value) = self.values.get(&name)
            {
                *expr = Expr::Nested(Box::new(value.clone()));
            }
            ControlFlow::Continue(())
        }
    }
    match VisitMut::visit(expr, &mut Substitute { alias, definition, values }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn case(conditions: Vec<CaseWhen>, otherwise: Option<Expr>) -> Expr {
    match (conditions.is_empty(), otherwise) {
        (true, otherwise) => otherwise.unwrap_or_else(null),
        (false, otherwise) => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions,
            else_result: otherwise.map(Box::new),
        },
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

pub(super) fn truth(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).into())
}

fn changed_twice() -> Error {
    Error::Classified {
        sql_state: SqlState::CARDINALITY_VIOLATION,
        message: "MERGE command cannot affect row a second time".into(),
        detail: None,
        hint: Some("Ensure that not more than one source row matches any one target row.".into()),
        position: None,
    }
}
