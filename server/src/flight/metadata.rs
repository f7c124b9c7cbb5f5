//! Answers the commands about what there is: catalogs, schemas, tables, keys, types and what the server can do.
//!
//! The schemas are fixed by the protocol, down to nullability: drivers compare them.

mod keys;
mod like;
mod objects;
mod sql_info;
mod sql_type;
mod xdbc_type_info;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::Command;
use futures::stream;
use tonic::Status;

use super::caller::Caller;
use super::command;
use super::error;
use super::result_schema::ResultSchema;
use super::result_stream::ResultBatches;
use super::service::Service;

/// Whether `command` asks for metadata.
pub(super) fn is_metadata(command: &Command) -> bool {
    schema(command).is_some()
}

/// The schema of the answer to `command`, `None` if that is no metadata command.
pub(super) fn schema(command: &Command) -> Option<SchemaRef> {
    Some(match command {
        Command::CommandGetCatalogs(_) => objects::catalogs_schema(),
        Command::CommandGetDbSchemas(_) => objects::db_schemas_schema(),
        Command::CommandGetTables(command) => objects::tables_schema(command.include_schema),
        Command::CommandGetTableTypes(_) => objects::table_types_schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary_keys_schema(),
        Command::CommandGetExportedKeys(_) | Command::CommandGetImportedKeys(_) | Command::CommandGetCrossReference(_) => {
            keys::foreign_keys_schema()
        }
        Command::CommandGetSqlInfo(_) => sql_info::schema(),
        Command::CommandGetXdbcTypeInfo(_) => xdbc_type_info::schema(),
        _ => return None,
    })
}

/// The answer to `command`, of which [`is_metadata`] is true.
pub(super) fn read(service: &Service, caller: &Caller, command: &Command) -> Result<ResultBatches, Status> {
    let session = || -> Result<_, Status> { Ok(service.sessions.current(caller)?) };
    let batch = match command {
        Command::CommandGetCatalogs(_) => objects::catalogs(&session()?.sql.catalog()),
        Command::CommandGetDbSchemas(command) => objects::db_schemas(&session()?.sql, command),
        Command::CommandGetTables(command) => objects::tables(&session()?.sql, command),
        Command::CommandGetTableTypes(_) => objects::table_types(),
        // Tables have no keys yet. Drivers want the empty answer in its proper schema.
        Command::CommandGetPrimaryKeys(_) => Ok(RecordBatch::new_empty(keys::primary_keys_schema())),
        Command::CommandGetExportedKeys(_) | Command::CommandGetImportedKeys(_) | Command::CommandGetCrossReference(_) => {
            Ok(RecordBatch::new_empty(keys::foreign_keys_schema()))
        }
        Command::CommandGetSqlInfo(command) => sql_info::sql_info(&command.info),
        Command::CommandGetXdbcTypeInfo(command) => xdbc_type_info::xdbc_type_info(command.data_type),
        other => return Err(command::refuse("DoGet", other)),
    };
    let batch = batch.map_err(|error| error::internal(format!("metadata cannot be put together: {error}")))?;
    let schema = ResultSchema::fixed(batch.schema());
    Ok(ResultBatches::new(schema, stream::iter([Ok(batch)])))
}

