//! DoAction and ListActions: what clients do apart from queries.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, Any,
    ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightEndpoint, FlightInfo,
    RenewFlightEndpointRequest,
};
use futures::stream::{self, BoxStream, StreamExt};
use prost::Message;
use prost::bytes::Bytes;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use super::caller::Caller;
use super::command;
use super::error;
use super::flight_info::{query_id, timestamp};
use super::messages::SetSessionOptionsRequest;
use super::service::Service;
use super::{prepared, session_options};

const CREATE_PREPARED_STATEMENT: &str = "CreatePreparedStatement";
const CLOSE_PREPARED_STATEMENT: &str = "ClosePreparedStatement";
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
const CANCEL_QUERY: &str = "CancelQuery";
const RENEW_FLIGHT_ENDPOINT: &str = "RenewFlightEndpoint";
const SET_SESSION_OPTIONS: &str = "SetSessionOptions";
const GET_SESSION_OPTIONS: &str = "GetSessionOptions";
const CLOSE_SESSION: &str = "CloseSession";

const CREATE_PREPARED_STATEMENT_RESULT: &str = "type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult";
const CANCEL_QUERY_RESULT: &str = "type.googleapis.com/arrow.flight.protocol.sql.ActionCancelQueryResult";

pub(super) type ActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;

/// The actions that work.
pub(super) fn list() -> Vec<ActionType> {
    [
        (CREATE_PREPARED_STATEMENT, "Prepares a statement. Takes ActionCreatePreparedStatementRequest."),
        (CLOSE_PREPARED_STATEMENT, "Forgets a prepared statement. Takes ActionClosePreparedStatementRequest."),
        (CANCEL_FLIGHT_INFO, "Cancels a query. Takes CancelFlightInfoRequest."),
        (CANCEL_QUERY, "Cancels a query (deprecated). Takes ActionCancelQueryRequest."),
        (RENEW_FLIGHT_ENDPOINT, "Keeps a result for longer. Takes RenewFlightEndpointRequest."),
        (SET_SESSION_OPTIONS, "Sets options of the session. Takes SetSessionOptionsRequest."),
        (GET_SESSION_OPTIONS, "Gives the options of the session. Takes GetSessionOptionsRequest."),
        (CLOSE_SESSION, "Ends the session. Takes CloseSessionRequest."),
    ]
    .map(|(name, description)| ActionType { r#type: name.into(), description: description.into() })
    .into()
}

pub(super) async fn run(service: &Service, caller: &Caller, action: Action) -> Result<Response<ActionStream>, Status> {
    let mut metadata = MetadataMap::new();
    let body = action.body;
    let answer: Option<Bytes> = match action.r#type.as_str() {
        CREATE_PREPARED_STATEMENT => {
            let request: ActionCreatePreparedStatementRequest = unpack(&body)?;
            let result = prepared::create(service, caller, request).await?;
            Some(pack(CREATE_PREPARED_STATEMENT_RESULT, &result))
        }
        CLOSE_PREPARED_STATEMENT => {
            let request: ActionClosePreparedStatementRequest = unpack(&body)?;
            prepared::close(service, caller, &request.prepared_statement_handle);
            None
        }
        CANCEL_QUERY => {
            let request: ActionCancelQueryRequest = unpack(&body)?;
            let info = FlightInfo::decode(request.info).map_err(|_| error::invalid("CancelQuery without a FlightInfo"))?;
            let status = cancel(service, caller, &info)?;
            // Both enums have the same numbers.
            Some(pack(CANCEL_QUERY_RESULT, &ActionCancelQueryResult { result: status as i32 }))
        }
        // These and those of sessions come and go as they are, without an Any.
        CANCEL_FLIGHT_INFO => {
            let request: CancelFlightInfoRequest = decode(CANCEL_FLIGHT_INFO, &body)?;
            let info = request.info.ok_or_else(|| error::invalid("CancelFlightInfo without a FlightInfo"))?;
            let status = cancel(service, caller, &info)?;
            Some(CancelFlightInfoResult { status: status as i32 }.encode_to_vec().into())
        }
        RENEW_FLIGHT_ENDPOINT => {
            let request: RenewFlightEndpointRequest = decode(RENEW_FLIGHT_ENDPOINT, &body)?;
            let endpoint = request.endpoint.ok_or_else(|| error::invalid("RenewFlightEndpoint without an endpoint"))?;
            Some(renew(service, caller, endpoint)?.encode_to_vec().into())
        }
        SET_SESSION_OPTIONS => {
            let request: SetSessionOptionsRequest = decode(SET_SESSION_OPTIONS, &body)?;
            Some(session_options::set(service, caller, request, &mut metadata)?.encode_to_vec().into())
        }
        GET_SESSION_OPTIONS => Some(session_options::get(service, caller)?.encode_to_vec().into()),
        CLOSE_SESSION => Some(session_options::close(service, caller, &mut metadata).encode_to_vec().into()),
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            return Err(error::unsupported("Flight SQL transactions are not supported\nHINT: Connect in autocommit mode."));
        }
        "CreatePreparedSubstraitPlan" => {
            return Err(error::unsupported("Substrait plans are not supported\nHINT: Send SQL."));
        }
        other => return Err(error::unsupported(format!("there is no action \"{other}\""))),
    };
    let answers: Vec<_> = answer.into_iter().map(|body| Ok(arrow_flight::Result { body })).collect();
    let mut response = Response::new(stream::iter(answers).boxed());
    *response.metadata_mut() = metadata;
    Ok(response)
}

/// Ends the queries of `info`.
fn cancel(service: &Service, caller: &Caller, info: &FlightInfo) -> Result<CancelStatus, Status> {
    if info.endpoint.is_empty() {
        return Err(error::invalid("the FlightInfo to cancel has no endpoint"));
    }
    for endpoint in &info.endpoint {
        let Some(query) = query_of(service, caller, endpoint)? else { return Ok(CancelStatus::NotCancellable) };
        service.queries.cancel(&query);
    }
    Ok(CancelStatus::Cancelled)
}

fn renew(service: &Service, caller: &Caller, mut endpoint: FlightEndpoint) -> Result<FlightEndpoint, Status> {
    if let Some(query) = query_of(service, caller, &endpoint)? {
        service.queries.renew(&query);
        endpoint.expiration_time = Some(timestamp(query.expires_at()));
    }
    Ok(endpoint)
}

/// The query of an endpoint's ticket. `None`: a metadata command, which runs in no time and never expires.
fn query_of(
    service: &Service,
    caller: &Caller,
    endpoint: &FlightEndpoint,
) -> Result<Option<std::sync::Arc<super::query::Query>>, Status> {
    let ticket = endpoint.ticket.as_ref().ok_or_else(|| error::invalid("the endpoint has no ticket"))?;
    match command::of_bytes(&ticket.ticket)? {
        arrow_flight::sql::Command::TicketStatementQuery(statement) => service.queries.get(caller, query_id(&statement)?).map(Some),
        _ => Ok(None),
    }
}

fn unpack<M: ProstMessageExt>(body: &Bytes) -> Result<M, Status> {
    let expected = M::type_url().rsplit('.').next().unwrap_or_default();
    let any = Any::decode(body.as_ref()).map_err(|_| error::invalid(format!("the action's body is no {expected} in an Any")))?;
    any.unpack()
        .ok()
        .flatten()
        .ok_or_else(|| error::invalid(format!("the action's body is a {}, not a {expected}", any.type_url)))
}

fn decode<M: Message + Default>(action: &str, body: &Bytes) -> Result<M, Status> {
    M::decode(body.as_ref()).map_err(|_| error::invalid(format!("the body of {action} cannot be decoded")))
}

fn pack(type_url: &str, message: &impl Message) -> Bytes {
    Any { type_url: type_url.into(), value: message.encode_to_vec().into() }.encode_to_vec().into()
}
