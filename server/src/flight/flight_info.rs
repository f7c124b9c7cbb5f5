//! Builds FlightInfo: one endpoint without a location, which every client reads, whatever it makes of others.

use std::time::SystemTime;

use arrow::datatypes::Schema;
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, IpcMessage, SchemaAsIpc, SchemaResult, Ticket};
use arrow_ipc::writer::IpcWriteOptions;
use prost::Message;
use prost::bytes::Bytes;
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use super::error;
use super::query::Query;

/// Rows are not counted before they are sent.
pub(super) const UNKNOWN: i64 = -1;

/// For a query that is found by its ticket.
pub(super) fn of_query(descriptor: FlightDescriptor, query: &Query, total_records: i64) -> Result<FlightInfo, Status> {
    let mut endpoint = FlightEndpoint::new().with_ticket(ticket(query.id));
    endpoint.expiration_time = Some(timestamp(query.expires_at()));
    let info = FlightInfo::new()
        .try_with_schema(query.schema.client())
        .map_err(|error| error::internal(format!("the schema cannot be encoded: {error}")))?
        .with_descriptor(descriptor)
        .with_endpoint(endpoint)
        .with_total_records(total_records)
        .with_total_bytes(UNKNOWN)
        // One endpoint: its rows are in the order of the statement.
        .with_ordered(true)
        .with_app_metadata(query.id.to_string());
    Ok(info)
}

/// For a metadata command, which is its own ticket.
pub(super) fn of_command(descriptor: FlightDescriptor, schema: &Schema) -> Result<FlightInfo, Status> {
    let ticket = Ticket { ticket: descriptor.cmd.clone() };
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| error::internal(format!("the schema cannot be encoded: {error}")))?
        .with_descriptor(descriptor)
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        .with_total_records(UNKNOWN)
        .with_total_bytes(UNKNOWN)
        .with_ordered(true);
    Ok(info)
}

pub(super) fn schema_result(schema: &Schema) -> Result<SchemaResult, Status> {
    Ok(SchemaResult { schema: schema_bytes(schema)? })
}

/// The schema as an encapsulated IPC message.
pub(super) fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    IpcMessage::try_from(SchemaAsIpc::new(schema, &options))
        .map(|IpcMessage(bytes)| bytes)
        .map_err(|error| error::internal(format!("the schema cannot be encoded: {error}")))
}

/// A random id that only its owner may use.
fn ticket(query: Uuid) -> Ticket {
    let statement = TicketStatementQuery { statement_handle: Bytes::copy_from_slice(query.as_bytes()) };
    let any: Any = statement.as_any();
    Ticket { ticket: any.encode_to_vec().into() }
}

/// The id in a ticket's statement handle.
pub(super) fn query_id(statement: &TicketStatementQuery) -> Result<Uuid, Status> {
    Uuid::from_slice(&statement.statement_handle).map_err(|_| error::invalid("the ticket is not one of this server"))
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or(0),
    }
}
