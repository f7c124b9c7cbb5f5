//! The calls of Arrow Flight. Each finds its command and hands it to the file that knows what it means.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::Command;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, PollInfo,
    PutResult, SchemaResult, Ticket,
};
use futures::stream::{self, BoxStream, StreamExt};
use process::task::Tasks;
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::action::{self, ActionStream};
use super::caller::Caller;
use super::command;
use super::error;
use super::flight_info::{self, query_id};
use super::handshake;
use super::ingest;
use super::metadata;
use super::metrics::ResultMetrics;
use super::prepared::{self, PreparedStatements};
use super::put_stream::PutStream;
use super::query::Queries;
use super::result_schema::ResultSchema;
use super::result_stream::{self, Event};
use super::session::FlightSessions;
use super::signer::Signer;
use super::statement;
use crate::auth::{Applicant, AuthError, Authenticator, Proof};
use crate::tables::DATABASE;

/// What all calls share.
pub(super) struct Service {
    pub(super) signer: Signer,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) sessions: FlightSessions,
    pub(super) prepared: PreparedStatements,
    pub(super) queries: Arc<Queries>,
    pub(super) tasks: Tasks,
}

impl Service {
    /// Fails unless a caller has shown that it is who it says, or need not.
    pub(super) fn check(&self, caller: &Caller) -> Result<(), Status> {
        let address = caller.address.unwrap_or_else(|| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        let applicant = Applicant { user: &caller.user, database: DATABASE, address, is_encrypted: false, certificate: None };
        let refused = |error: AuthError| Status::unauthenticated(error.to_string());
        match (self.authenticator.demand(&applicant).map_err(refused)?, &caller.password) {
            (Proof::Nothing, _) => Ok(()),
            _ if caller.has_token => Ok(()),
            (_, Some(password)) => self.authenticator.check_password(&caller.user, password).map_err(refused),
            (_, None) => Err(refused(AuthError::Password { user: caller.user.clone() })),
        }
    }
}

/// The service as tonic wants it.
#[derive(Clone)]
pub(super) struct Calls(pub(super) Arc<Service>);

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for Calls {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = ActionStream;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let caller = caller(&request)?;
        handshake::handshake(&self.0, &caller, request).await
    }

    async fn list_flights(&self, _request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        // What there is to read is found by the metadata commands of Flight SQL.
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        let caller = caller(&request)?;
        self.0.flight_info(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        let caller = caller(&request)?;
        let info = self.0.flight_info(&caller, request.into_inner()).await?;
        // Complete at once: its one endpoint can be read from now on, and waits for what is not there yet.
        Ok(Response::new(PollInfo::new().with_info(info)))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let caller = caller(&request)?;
        let schema = self.0.schema(&caller, &request.into_inner()).await?;
        flight_info::schema_result(schema.client()).map(Response::new)
    }

    async fn do_get(&self, _request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        Err(error::internal("DoGet is answered before it gets here: gate.rs"))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let caller = caller(&request)?;
        let answer = self.0.put(&caller, request.into_inner()).await?;
        // The answer does not wait for the client to end its side: some read it before they do.
        Ok(Response::new(stream::iter([Ok(answer)]).boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let caller = caller(&request)?;
        action::run(&self.0, &caller, request.into_inner()).await
    }

    async fn list_actions(&self, _request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(stream::iter(action::list().into_iter().map(Ok)).boxed()))
    }

    async fn do_exchange(&self, _request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(error::unsupported("DoExchange is not part of Flight SQL"))
    }
}

/// Who calls: put there by the gate.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| error::internal("a call came in without its caller"))
}

impl Service {
    async fn flight_info(&self, caller: &Caller, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        match command::of_descriptor(&descriptor)? {
            Command::CommandStatementQuery(command) => statement::get_flight_info(self, caller, descriptor, command).await,
            Command::CommandPreparedStatementQuery(command) => {
                prepared::get_flight_info(self, caller, descriptor, &command.prepared_statement_handle).await
            }
            other => match metadata::schema(&other) {
                Some(schema) => flight_info::of_command(descriptor, &schema),
                None => Err(command::refuse("GetFlightInfo", &other)),
            },
        }
    }

    async fn schema(&self, caller: &Caller, descriptor: &FlightDescriptor) -> Result<ResultSchema, Status> {
        match command::of_descriptor(descriptor)? {
            Command::CommandStatementQuery(command) => statement::get_schema(self, caller, command).await,
            Command::CommandPreparedStatementQuery(command) => {
                prepared::get_schema(self, caller, &command.prepared_statement_handle)
            }
            other => match metadata::schema(&other) {
                Some(schema) => Ok(ResultSchema::fixed(schema)),
                None => Err(command::refuse("GetSchema", &other)),
            },
        }
    }

    /// Starts the result of a ticket. Its messages come out of the queue.
    pub(super) fn get(&self, request: &Request<Ticket>) -> Result<mpsc::Receiver<Event>, Status> {
        let caller = caller(request)?;
        let command = command::of_bytes(&request.get_ref().ticket)?;
        let (result, cancelled) = match &command {
            Command::TicketStatementQuery(ticket) => {
                let query = self.queries.get(&caller, query_id(ticket)?)?;
                (query.read(&self.queries)?, query.cancelled().clone())
            }
            other if metadata::is_metadata(other) => (metadata::read(self, &caller, other)?, Default::default()),
            other => return Err(command::refuse("DoGet", other)),
        };
        result_stream::start(result, cancelled, &self.tasks, ResultMetrics::result_started())
    }

    async fn put(&self, caller: &Caller, stream: Streaming<FlightData>) -> Result<PutResult, Status> {
        let (command, stream) = PutStream::open(stream).await?;
        let record_count = match command {
            Command::CommandPreparedStatementQuery(command) => {
                let result = prepared::bind(self, caller, command.prepared_statement_handle, stream).await?;
                return Ok(PutResult { app_metadata: result.encode_to_vec().into() });
            }
            Command::CommandStatementUpdate(command) => statement::update(self, caller, command).await?,
            Command::CommandPreparedStatementUpdate(command) => {
                prepared::update(self, caller, &command.prepared_statement_handle, stream).await?
            }
            Command::CommandStatementIngest(command) => ingest::ingest(&command)?,
            other => return Err(command::refuse("DoPut", &other)),
        };
        let result = arrow_flight::sql::DoPutUpdateResult { record_count };
        Ok(PutResult { app_metadata: result.encode_to_vec().into() })
    }
}
