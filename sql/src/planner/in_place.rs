//! Relations that a query names by more than a name of the catalog: tables as they were, their history, and files.
//!
//! Each is given a name that no text can have before the query is planned, and an alias by which the query knows it.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{self, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, TableFunctionArgs,
    TableVersion, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use engine::table_format::{FileKind, FileName, FileOptions, FileTable, TableFiles};
use engine::{DeltaScan, HistoryEntry, Moment, TableChanges};

use super::context::resolve;
use super::output_names::folded;
use crate::catalog::location::files::{Located, locate, open_delta};
use crate::catalog::location::options::file_options;
use crate::catalog::grants::Privilege;
use crate::catalog::{CatalogSnapshot, Table, TableDefinition};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::dialect::TABLE_HISTORY;
use crate::privileges::{Rights, secured_relation};
use crate::session::Session;
use crate::sql_state::SqlState;

/// Functions over files, and what is in the files if the function says so.
const READERS: [(&str, Option<FileKind>); 7] = [
    ("read_parquet", Some(FileKind::Parquet)),
    ("read_csv", Some(FileKind::Csv { delimiter: b',' })),
    ("read_json", Some(FileKind::Json)),
    ("read_arrow", Some(FileKind::Arrow)),
    ("read_avro", Some(FileKind::Avro)),
    ("read_delta", None),
    ("read_files", None),
];

/// A relation that has no name of its own.
#[derive(Clone, Debug)]
pub(super) enum InPlace {
    Version { table: ObjectName, version: TableVersion },
    History { table: ObjectName },
    Files { location: String, kind: Option<FileKind>, options: FileOptions },
}

/// What a query is planned for.
#[derive(Clone, Copy)]
pub(super) struct Planning<'a> {
    pub(super) session: &'a Session,
    pub(super) state: &'a SessionState,
    pub(super) snapshot: &'a Arc<CatalogSnapshot>,
    pub(super) statement: &'a Statement,
    /// Whose rights it is planned with.
    pub(super) role: &'a str,
}

impl<'a> Planning<'a> {
    pub(super) fn rights(&self) -> Rights<'a> {
        self.session.rights_of(self.snapshot, self.role)
    }
}

/// The name that the relation at `index` is given.
pub(super) fn name(index: usize) -> String {
    format!("\u{1}in place {index}")
}

/// The index in such a name.
pub(super) fn index(name: &str) -> Option<usize> {
    name.strip_prefix("\u{1}in place ")?.parse().ok()
}

/// Takes such relations out of a query, which has their names afterwards.
pub(super) fn take(query: &mut ast::Statement) -> Result<Vec<InPlace>> {
    let mut take = Take(vec![]);
    match VisitMut::visit(query, &mut take) {
        ControlFlow::Continue(()) => Ok(take.0),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Take(Vec<InPlace>);

impl VisitorMut for Take {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name: named, alias, args, version, .. } = factor else { return ControlFlow::Continue(()) };
        let mut known_as = named.0.last().and_then(|part| part.as_ident()).cloned();
        let taken = match (&args, &version) {
            (None, None) => match named.0.as_slice() {
                [ObjectNamePart::Identifier(Ident { value: location, quote_style: Some('\''), .. })] => {
                    known_as = Some(Ident::with_quote('"', stem(location)));
                    InPlace::Files { location: location.clone(), kind: None, options: FileOptions::default() }
                }
                _ => return ControlFlow::Continue(()),
            },
            (None, Some(version)) => InPlace::Version { table: named.clone(), version: version.clone() },
            (Some(args), None) => match function(named, args) {
                Ok(Some(taken)) => taken,
                Ok(None) => return ControlFlow::Continue(()),
                Err(error) => return ControlFlow::Break(error),
            },
            _ => return ControlFlow::Continue(()),
        };
        (*args, *version) = (None, None);
        *named = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name(self.0.len())))]);
        if let (None, Some(known_as)) = (&alias, known_as) {
            *alias = Some(TableAlias { explicit: true, name: known_as, columns: vec![], at: None });
        }
        self.0.push(taken);
        ControlFlow::Continue(())
    }
}

fn function(name: &ObjectName, args: &TableFunctionArgs) -> Result<Option<InPlace>> {
    let [ObjectNamePart::Identifier(function)] = name.0.as_slice() else { return Ok(None) };
    match folded(function).as_str() {
        TABLE_HISTORY => Ok(Some(InPlace::History { table: table_argument(TABLE_HISTORY, &args.args)? })),
        name => match READERS.iter().find(|(reader, _)| *reader == name) {
            Some((reader, kind)) => files(reader, *kind, &args.args).map(Some),
            None => Ok(None),
        },
    }
}

/// `read_csv('location', delimiter => ';')`.
fn files(function: &str, kind: Option<FileKind>, args: &[FunctionArg]) -> Result<InPlace> {
    let wrong = || Error::InvalidParameterValue {
        message: format!("{function} takes a location, as a text, and options such as header => false"),
    };
    let literal = |arg: &FunctionArgExpr| match arg {
        FunctionArgExpr::Expr(Expr::Value(value)) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            Value::DollarQuotedString(text) => Some(text.value.clone()),
            Value::Number(..) | Value::Boolean(_) => Some(value.to_string()),
            _ => None,
        },
        _ => None,
    };
    let Some((FunctionArg::Unnamed(location), options)) = args.split_first() else { return Err(wrong()) };
    let given = options.iter().map(|option| match option {
        FunctionArg::Named { name, arg, .. } => Ok((name.value.as_str(), literal(arg).ok_or_else(wrong)?)),
        _ => Err(wrong()),
    });
    let options = file_options(given.collect::<Result<Vec<_>>>()?)?;
    Ok(InPlace::Files { location: literal(location).ok_or_else(wrong)?, kind, options })
}

/// What files are called in a query: `orders` for `s3://lake/2024/orders.csv.gz`.
fn stem(location: &str) -> String {
    let last = location.trim_end_matches('/').rsplit('/').next().unwrap_or(location);
    FileName::parse(last).map_or_else(|| last.to_owned(), |name| name.stem)
}

/// The table that a function is called for, whose name is a text: `f('schema.table')`.
pub(crate) fn table_argument(function: &str, args: &[FunctionArg]) -> Result<ObjectName> {
    let wrong = || Error::InvalidParameterValue { message: format!("{function} takes the name of a table, as a text") };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = args.first() else { return Err(wrong()) };
    let Value::SingleQuotedString(name) = &value.value else { return Err(wrong()) };
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(name).and_then(|mut parser| parser.parse_object_name(false));
    parsed.map_err(|_| wrong())
}

/// A relation that a query has, and the oid of the table that it is of, if the catalog has it.
pub(super) async fn plan(planning: Planning<'_>, relation: &InPlace) -> Result<(Option<u32>, Arc<dyn TableProvider>)> {
    match relation {
        InPlace::Version { table, version } => {
            let (table, definition) = table_of(planning, table)?;
            let moment = match version {
                TableVersion::VersionAsOf(number) => Moment::Version(version_number(number)?),
                TableVersion::TimestampAsOf(time) | TableVersion::ForSystemTimeAsOf(time) => Moment::Time(time_of(planning, time).await?),
                _ => return Err(Error::unsupported("this way to name a version of a table")),
            };
            let version = planning.session.sessions().engine.tables().at(&definition.url()?, moment).await?;
            let scan = DeltaScan::new(version, &TableChanges::default())?.described(&definition.columns);
            Ok((Some(table.oid), Arc::new(scan)))
        }
        InPlace::History { table } => {
            let (table, definition) = table_of(planning, table)?;
            let entries = planning.session.sessions().engine.tables().history(&definition.url()?).await?;
            Ok((Some(table.oid), Arc::new(history(&entries)?)))
        }
        InPlace::Files { location, kind, options } => {
            let sessions = planning.session.sessions();
            let rules = sessions.config.locations.of(&planning.rights());
            match locate(planning.state, &rules, location, *kind).await? {
                Located::Delta(url) => {
                    let version = open_delta(&sessions.engine, &rules, &url, location).await?;
                    Ok((None, Arc::new(DeltaScan::new(version, &TableChanges::default())?)))
                }
                Located::Files(files) => {
                    let files = TableFiles { options: options.clone(), ..files };
                    Ok((None, FileTable::open(planning.state, files).await?.provider))
                }
            }
        }
    }
}

fn table_of<'a>(planning: Planning<'a>, name: &ObjectName) -> Result<(&'a Arc<Table>, &'a TableDefinition)> {
    let shown = || name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), folded)).collect::<Vec<_>>();
    let parts = shown();
    let reference = match parts.as_slice() {
        [table] => TableReference::bare(table.clone()),
        [schema, table] => TableReference::partial(schema.clone(), table.clone()),
        [database, schema, table] => TableReference::full(database.clone(), schema.clone(), table.clone()),
        _ => return Err(Error::ImproperName { name: name.to_string() }),
    };
    let resolved = resolve(planning.state, reference);
    let schema = planning.snapshot.schema(&resolved.schema).filter(|_| *resolved.catalog == *planning.snapshot.database);
    let undefined = || Error::UndefinedTable { name: shown().join("."), nearest: None, position: None };
    let schema = schema.ok_or_else(undefined)?;
    let rights = planning.rights();
    rights.check_usage(schema)?;
    let table = schema.tables.get(&*resolved.table).ok_or_else(undefined)?;
    // Columns have come and gone.
    rights.check(&secured_relation(planning.snapshot, schema, table), Privilege::Select)?;
    let definition = planning.snapshot.table_definition(table.oid);
    let hint = Some("Only tables made with CREATE TABLE have versions.");
    let wrong = || Error::WrongRelation { name: table.name.clone(), expected: "table with versions", hint };
    Ok((table, definition.ok_or_else(wrong)?))
}

/// The number of a version, from a literal.
pub(crate) fn version_number(number: &Expr) -> Result<u64> {
    let wrong = || Error::InvalidParameterValue { message: format!("\"{number}\" is no version of a table: it is a number from 0") };
    match number {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().map_err(|_| wrong()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The moment that an expression without columns gives.
pub(super) async fn time_of(planning: Planning<'_>, time: &Expr) -> Result<DateTime<Utc>> {
    let wrong = || Error::InvalidParameterValue { message: format!("\"{time}\" is no point in time that is known now") };
    let Planning { session, state, snapshot, statement, .. } = planning;
    let query = format!("SELECT CAST(({time}) AS timestamp with time zone)");
    let query = Parser::new(&PostgreSqlDialect {}).try_with_sql(&query).and_then(|mut parser| parser.parse_statement());
    let planned = Box::pin(super::plan_query(session, state, snapshot, statement, &query.map_err(|_| wrong())?, &[])).await?;
    let optimized = state.optimize(&planned.logical)?;
    let LogicalPlan::Projection(projection) = &optimized else { return Err(wrong()) };
    let value = projection.expr.first().map(|value| value.clone().unalias());
    match value {
        Some(logical_expr::Expr::Literal(value, _)) => micros(&value).and_then(DateTime::<Utc>::from_timestamp_micros).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn micros(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).ok()? {
        ScalarValue::TimestampMicrosecond(micros, _) => micros,
        _ => None,
    }
}

fn history(entries: &[HistoryEntry]) -> Result<MemTable> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("version", DataType::Int64, true),
        Field::new("timestamp", time, true),
        Field::new("operation", DataType::Utf8, true),
        Field::new("operation_parameters", DataType::Utf8, true),
        Field::new("engine_info", DataType::Utf8, true),
    ]));
    let times = entries.iter().map(|entry| entry.time.map(|time| time.timestamp_micros()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(entries.iter().map(|entry| i64::try_from(entry.version).ok()).collect::<Int64Array>()),
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(entries.iter().map(|entry| entry.operation.as_deref()).collect::<StringArray>()),
        Arc::new(entries.iter().map(|entry| Some(entry.parameters.as_str())).collect::<StringArray>()),
        Arc::new(entries.iter().map(|entry| entry.engine.as_deref()).collect::<StringArray>()),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(engine::Error::from)?;
    Ok(MemTable::try_new(schema, vec![vec![batch]])?)
}

/// The moment that `VERSION AS OF` or `TIMESTAMP AS OF` of a statement that is no query names.
pub(crate) async fn moment(
    session: &Session,
    snapshot: &Arc<CatalogSnapshot>,
    statement: &Statement,
    word: &str,
    moment: &Expr,
) -> Result<Moment> {
    match word {
        "version" => Ok(Moment::Version(version_number(moment)?)),
        "timestamp" => {
            let state = super::session_state(session, snapshot);
            let role = session.role();
            Ok(Moment::Time(time_of(Planning { session, state: &state, snapshot, statement, role: &role }, moment).await?))
        }
        other => Err(Error::classified(SqlState::UNDEFINED_FUNCTION, format!("there is no argument \"{other}\""))),
    }
}
