//! One client after its start-up: reads messages in order, answers each, ends with the client or the server.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus as WireStatus};
use process::shutdown::Shutdown;
use sql::{Session, Sessions, Severity, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};

use super::cancel::Cancellation;
use super::error::{Error, put_message, put_notice};
use super::extended_query::{DeclaredParameters, Portal};
use super::frontend::Frame;
use super::metrics::{Metrics, Outcome, StatementKind};
use super::settings::ReportedSettings;
use super::socket::{ReadError, Socket};
use super::to_wire::ValueError;

/// A client that is told why it has to go may be one that does not read.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection waits on: its client, a cancel request, the end of the server.
pub struct Io<S> {
    pub socket: Socket<S>,
    pub cancellation: Cancellation,
    pub shutdown: Shutdown,
}

/// Why a statement did not complete.
#[derive(Debug)]
pub enum Failure {
    /// It failed; the connection goes on.
    Statement(Error),
    /// The connection ends.
    Ending(Ending),
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    #[error("the client said so")]
    Terminated,
    #[error("the client has gone: {0}")]
    ClientGone(io::Error),
    /// This connection has nothing to do.
    #[error("the server is draining")]
    Drained,
    #[error("the server ends now")]
    Forced,
    #[error("the client was idle for longer than it may be")]
    Idle { in_transaction: bool },
    #[error("what the client sends cannot be followed: {0}")]
    Invalid(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<sql::Error> for Failure {
    fn from(error: sql::Error) -> Self {
        Self::Statement(error.into())
    }
}

impl From<ValueError> for Failure {
    fn from(error: ValueError) -> Self {
        Self::Statement(error.into())
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Self {
        Self::Ending(ending)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// Waits for `work`, unless the client goes away or the server has to end; `work` is then dropped.
    pub async fn while_connected<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            error = self.socket.gone(false) => Err(Ending::ClientGone(error)),
            () = self.shutdown.forced() => Err(Ending::Forced),
        }
    }
}

/// The protocol's state for one client.
pub struct Connection<S> {
    pub(super) io: Io<S>,
    pub(super) session: Arc<Session>,
    sessions: Arc<Sessions>,
    pub(super) declared_parameters: HashMap<String, DeclaredParameters>,
    pub(super) portals: HashMap<String, Portal>,
    reported: ReportedSettings,
    /// After an error in the extended protocol everything up to Sync is discarded.
    skips_until_sync: bool,
    metrics: Metrics,
}

/// A session belongs to its connection on this protocol: it ends with it, however that ends.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.portals.clear();
        self.sessions.close(self.session.id());
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(
        io: Io<S>,
        session: Arc<Session>,
        sessions: Arc<Sessions>,
        reported: ReportedSettings,
        metrics: Metrics,
    ) -> Self {
        Self {
            io,
            session,
            sessions,
            declared_parameters: HashMap::new(),
            portals: HashMap::new(),
            reported,
            skips_until_sync: false,
            metrics,
        }
    }

    /// Serves the client until it or the server ends.
    pub async fn run(mut self) {
        let ending = self.serve().await;
        // The statements and their results are given up before the client is told.
        self.portals.clear();
        self.session.cancel();
        tracing::debug!(session_id = %self.session.id(), %ending, "postgres connection ended");
        let error = match ending {
            Ending::Terminated | Ending::ClientGone(_) => return,
            Ending::Drained | Ending::Forced => Error::AdminShutdown,
            Ending::Idle { in_transaction: false } => Error::IdleSession,
            Ending::Idle { in_transaction: true } => Error::IdleInTransaction,
            Ending::Invalid(error) => error,
        };
        error.put_fatal(&mut self.io.socket.output);
        // A client that does not listen is not worth an error: it goes either way.
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, self.io.socket.flush()).await;
    }

    async fn serve(&mut self) -> Ending {
        if let Err(ending) = self.ready_for_query().await {
            return ending;
        }
        loop {
            if let Err(ending) = self.answer_next().await {
                return ending;
            }
        }
    }

    async fn answer_next(&mut self) -> Result<(), Ending> {
        let frame = self.next_frame().await?;
        let kind = frame.kind;
        if self.skips_until_sync && !matches!(kind, b'S' | b'X') {
            return Ok(());
        }
        let answered = match frame.decode() {
            Ok(message) => self.answer(message).await,
            Err(error) => Err(Failure::Statement(error)),
        };
        match answered {
            Ok(()) => Ok(()),
            Err(Failure::Ending(ending)) => Err(ending),
            Err(Failure::Statement(error)) => {
                self.fail(&error);
                // Rolls back; whatever is wrong with that, the client has its error.
                if let Err(Failure::Ending(ending)) = self.end_implicit_block().await {
                    return Err(ending);
                }
                // A simple Query, or a function call, is a cycle of its own; the rest waits for its Sync.
                if matches!(kind, b'Q' | b'F') {
                    self.ready_for_query().await
                } else {
                    self.skips_until_sync = true;
                    // The client may be waiting for this very answer.
                    self.flush().await
                }
            }
        }
    }

    async fn next_frame(&mut self) -> Result<Frame, Ending> {
        let idle_timeout = self.session.idle_timeout();
        let Io { socket, shutdown, .. } = &mut self.io;
        let frame = tokio::select! {
            biased;
            frame = socket.read_frame() => frame,
            () = shutdown.draining() => return Err(Ending::Drained),
            () = tokio::time::sleep(idle_timeout.unwrap_or_default()), if idle_timeout.is_some() => {
                return Err(Ending::Idle { in_transaction: self.session.transaction_status() != TransactionStatus::Idle });
            }
        };
        frame.map_err(|error| match error {
            ReadError::Disconnected(error) => Ending::ClientGone(error),
            ReadError::Invalid(error) => Ending::Invalid(error),
        })
    }

    async fn answer(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(query) => self.simple_query(&query.query).await,
            Message::Parse(parse) => self.parse(parse).await,
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(describe) => self.describe(describe),
            Message::Execute(execute) => self.execute(execute).await,
            Message::Close(close) => self.close(close),
            Message::Flush(_) => Ok(self.flush().await?),
            Message::Sync(_) => {
                self.skips_until_sync = false;
                match self.end_implicit_block().await {
                    Err(Failure::Statement(error)) => self.fail(&error),
                    ended => ended?,
                }
                Ok(self.ready_for_query().await?)
            }
            Message::Terminate(_) => Err(Ending::Terminated.into()),
            // What is left of a COPY FROM that was refused, as PostgreSQL.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(Error::protocol_violation("unexpected message").into()),
        }
    }

    /// Ends the transaction of statements that came together without BEGIN.
    pub(super) async fn end_implicit_block(&mut self) -> Result<(), Failure> {
        Ok(self.io.while_connected(self.session.end_implicit_block()).await??)
    }

    /// Tells the client of an error, and its session.
    pub(super) fn fail(&mut self, error: &Error) {
        self.session.statement_failed();
        self.put_notices();
        error.put(&mut self.io.socket.output);
    }

    pub(super) fn put_notices(&mut self) {
        let notices = self.session.take_notices();
        if notices.is_empty() {
            return;
        }
        let level = self.session.setting("client_min_messages").unwrap_or_default();
        for notice in notices.iter().filter(|notice| is_wanted(notice.severity, &level)) {
            put_notice(notice, &mut self.io.socket.output);
        }
    }

    /// Ends a cycle: what has changed, then ReadyForQuery, all sent.
    pub(super) async fn ready_for_query(&mut self) -> Result<(), Ending> {
        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => WireStatus::Idle,
            TransactionStatus::InTransaction => WireStatus::Transaction,
            TransactionStatus::Failed => WireStatus::Error,
        };
        if status == WireStatus::Idle {
            // Portals do not outlive their transaction.
            self.portals.clear();
        }
        self.put_notices();
        let output = &mut self.io.socket.output;
        self.reported.put_changes(&self.session, output);
        put_message(&ReadyForQuery::new(status), output);
        self.flush().await?;
        if self.io.shutdown.is_draining() {
            return Err(Ending::Drained);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        let Io { socket, shutdown, .. } = &mut self.io;
        tokio::select! {
            biased;
            flushed = socket.flush() => flushed.map_err(Ending::ClientGone),
            () = shutdown.forced() => Err(Ending::Forced),
        }
    }

    /// When a statement that starts now has taken too long.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        self.session.statement_timeout().map(|timeout| tokio::time::Instant::now() + timeout)
    }

    pub(super) fn put_command_complete(&mut self, tag: String) {
        put_message(&CommandComplete::new(tag), &mut self.io.socket.output);
    }

    /// Counts a statement that started at `started` and sent `rows`, which are 0 when it failed.
    pub(super) fn record(&self, kind: StatementKind, started: Instant, executed: &Result<u64, Failure>) {
        let (outcome, rows) = match executed {
            Ok(rows) => (Outcome::Succeeded, *rows),
            Err(Failure::Statement(error)) if !error.is_canceled() => (Outcome::Failed, 0),
            Err(_) => (Outcome::Canceled, 0),
        };
        self.metrics.statement_finished(kind, outcome, rows, started.elapsed());
    }
}

/// Whether `client_min_messages` lets a notice through. INFO is always sent, as in PostgreSQL.
fn is_wanted(severity: Severity, client_min_messages: &str) -> bool {
    match severity {
        Severity::Info => true,
        Severity::Notice => !matches!(client_min_messages, "warning" | "error"),
        Severity::Warning => client_min_messages != "error",
    }
}
