//! CommandStatementIngest: bulk load into a table.

use arrow_flight::sql::CommandStatementIngest;
use tonic::Status;

use super::error;

/// There are no tables to write to yet; SqlInfo says so too.
pub(super) fn ingest(command: &CommandStatementIngest) -> Result<i64, Status> {
    Err(error::unsupported(format!("bulk ingestion into table \"{}\" is not supported (SQLSTATE 0A000)", command.table)))
}
