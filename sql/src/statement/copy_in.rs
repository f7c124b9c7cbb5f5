//! `COPY table FROM STDIN`: rows that a client sends become rows of a table, in one commit.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::sql::sqlparser::ast::{self, CopySource, CopyTarget, Ident, Insert, ObjectName};
use engine::{Operation, TableChanges};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::copy_to::Given;
use super::insert;
use super::modify::{ATTEMPTS_MAX, Modification, skeleton};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::copy_stdin::STDIN;
use crate::response::{CopyFormat, CopyIn, CopyOptions, Response};
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};
use crate::session::scope::StatementScope;
use crate::session::tables::pin_tables;

/// Batches that wait to be written.
const WAITING_MAX: usize = 2;

pub(super) fn is_from_client(statement: &Statement) -> bool {
    matches!(statement.ast.as_deref(), Some(ast::Statement::Copy { to: false, target: CopyTarget::File { filename }, .. }) if filename == STDIN)
}

pub(super) fn prepare(session: &Arc<Session>, statement: &Statement) -> Result<PreparedStatement> {
    let (modification, _, columns) = into(session, statement)?;
    options(statement, &schema(&modification, &columns))?;
    Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types: vec![], plan: None, schema: None, origins: vec![] }))
}

pub(super) async fn execute(session: &Arc<Session>, prepared: &PreparedStatement) -> Result<Response> {
    for _ in 0..ATTEMPTS_MAX {
        let (modification, insert, columns) = into(session, prepared.statement())?;
        let schema = schema(&modification, &columns);
        let options = options(prepared.statement(), &schema)?;
        let Some(contents) = modification.current().await? else { continue };
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let incoming = Incoming { schema: Arc::clone(&schema), rows: Mutex::new(Some(receiver)) };
        let table: Arc<dyn TableProvider> = Arc::new(StreamingTable::try_new(Arc::clone(&schema), vec![Arc::new(incoming)])?);
        let rows = insert::plan(&modification, &insert, Some(table), &[]).await?.logical;
        let name = modification.target.name.clone();
        let write = async move {
            let _pinned = pin_tables();
            let written = modification.write_here(rows).await?;
            let changes = TableChanges { added: written.files, operation: Operation::Write, ..TableChanges::default() };
            match modification.apply(&contents, changes).await? {
                true => Ok(written.rows),
                // The rows are gone: only the client can send them again.
                false => Err(Error::SerializationFailure),
            }
        };
        let written = tokio::spawn(StatementScope::within(StatementScope::current(), write));
        return Ok(Response::CopyIn(CopyIn::new(name, schema, options, sender, written)));
    }
    Err(Error::SerializationFailure)
}

/// The table, an INSERT into the columns, and their indexes.
fn into(session: &Arc<Session>, statement: &Statement) -> Result<(Modification, Insert, Vec<usize>)> {
    let Some(ast::Statement::Copy { source: CopySource::Table { table_name, columns }, .. }) = statement.ast.as_deref() else {
        return Err(Error::unsupported("this form of COPY"));
    };
    let insert = |columns: &[Ident]| {
        let names: Vec<String> = columns.iter().map(Ident::to_string).collect();
        let columns = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        match skeleton(&format!("INSERT INTO {table_name} {columns} VALUES (NULL)"))? {
            ast::Statement::Insert(insert) => Ok(insert),
            _ => Err(Error::internal("the INSERT of a COPY has another form")),
        }
    };
    let modification = insert::modification(session, statement, &insert(columns)?)?;
    let target = &modification.target;
    let generated = &target.definition.generated;
    let mut columns = columns.clone();
    if columns.is_empty() && !generated.is_empty() {
        let stored = target.definition.columns.fields().iter().filter(|field| !generated.contains_key(field.name()));
        columns = stored.map(|field| Ident::with_quote('"', field.name())).collect();
    }
    let names: Vec<ObjectName> = columns.iter().cloned().map(ObjectName::from).collect();
    let indexes = insert::columns(target, &names)?;
    for index in &indexes {
        target.refuse_generated(*index, |name| format!("column \"{name}\" is a generated column"))?;
    }
    let insert = insert(&columns)?;
    Ok((modification, insert, indexes))
}

/// The columns that the client sends.
fn schema(modification: &Modification, columns: &[usize]) -> SchemaRef {
    let field = |column: &usize| modification.target.definition.columns.field(*column).clone().with_nullable(true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn options(statement: &Statement, schema: &SchemaRef) -> Result<CopyOptions> {
    let Some(ast::Statement::Copy { options, legacy_options, .. }) = statement.ast.as_deref() else {
        return Err(Error::unsupported("this form of COPY"));
    };
    let options = Given::of(options, legacy_options, Some(schema))?.finish()?;
    if options.format != CopyFormat::Csv && !(options.force_null.is_empty() && options.force_not_null.is_empty()) {
        return Err(Error::unsupported("FORCE_NULL or FORCE_NOT_NULL outside CSV mode"));
    }
    Ok(options)
}

/// The rows of a client, once.
#[derive(Debug)]
struct Incoming {
    schema: SchemaRef,
    rows: Mutex<Option<mpsc::Receiver<RecordBatch>>>,
}

impl PartitionStream for Incoming {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let rows = self.rows.lock().take();
        let batches = match rows {
            Some(rows) => stream::unfold(rows, |mut rows| async move {
                let batch = rows.recv().await?;
                Some((Ok(batch), rows))
            })
            .boxed(),
            None => stream::iter([Err(DataFusionError::Internal("the rows of a client can be read once".into()))]).boxed(),
        };
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}
