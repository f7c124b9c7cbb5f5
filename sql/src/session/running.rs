//! A statement while it runs: ends it when it is cancelled or late, and measures it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::Session;
use super::scope::StatementScope;
use crate::error::{Error, Result};
use crate::metrics;
use crate::response::{Response, Rows};

pub(crate) struct RunningStatement {
    session: Arc<Session>,
    kind: &'static str,
    token: CancellationToken,
    started: Instant,
    /// `statement_timeout`; `None` is no limit.
    timeout: Option<Duration>,
    scope: Arc<StatementScope>,
}

impl RunningStatement {
    pub(super) fn start(session: &Arc<Session>, kind: &'static str, text: &str) -> Self {
        session.activity.statement_started(text);
        Self {
            session: Arc::clone(session),
            kind,
            token: session.statement_token(),
            started: Instant::now(),
            timeout: session.settings(|settings| settings.statement_timeout()),
            scope: Arc::default(),
        }
    }

    pub(super) fn scope(&self) -> Arc<StatementScope> {
        Arc::clone(&self.scope)
    }

    fn late(&self) -> impl Future<Output = ()> + use<> {
        let deadline = self.timeout.map(|timeout| tokio::time::Instant::from_std(self.started + timeout));
        async move {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        }
    }

    pub(crate) async fn until_canceled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let stopped = tokio::select! {
            biased;
            () = self.token.cancelled() => Error::QueryCanceled,
            outcome = &mut work => return outcome,
            () = self.late() => Error::StatementTimeout,
        };
        if !self.scope.is_committing() {
            return Err(stopped);
        }
        self.scope.stop();
        match work.await {
            Err(Error::SerializationFailure) => Err(stopped),
            outcome => outcome,
        }
    }

    pub(super) fn failed(&self, error: &Error) {
        metrics::statement_finished(self.kind, Err(error), self.started.elapsed());
        info!(session_id = %self.session.id, kind = self.kind, sql_state = error.sql_state().code(), %error, "statement failed");
    }

    /// The response, whose rows end early when the statement is cancelled or late.
    pub(super) fn wrap(self, response: Response) -> Response {
        match response {
            Response::Rows(rows) => Response::Rows(self.wrap_rows(rows)),
            Response::CopyOut { rows, options } => Response::CopyOut { rows: self.wrap_rows(rows), options },
            Response::CopyIn(mut copy) => {
                copy.run_in(self);
                Response::CopyIn(copy)
            }
            done => {
                self.finished();
                done
            }
        }
    }

    /// It has ended, not with its response.
    pub(crate) fn ended<T>(&self, outcome: &Result<T>) {
        match outcome {
            Ok(_) => self.finished(),
            Err(error) => self.failed(error),
        }
    }

    fn finished(&self) {
        metrics::statement_finished(self.kind, Ok(()), self.started.elapsed());
        debug!(session_id = %self.session.id, kind = self.kind, elapsed_ms = self.started.elapsed().as_millis() as u64, "statement finished");
    }

    fn wrap_rows(self, rows: Rows) -> Rows {
        let (schema, command) = (Arc::clone(rows.schema()), rows.command());
        let late = Box::pin(self.late());
        let state = (self, Some(rows), late);
        let batches: BoxStream<'static, _> = stream::unfold(state, |(run, rows, mut late)| async move {
            let mut rows = rows?;
            let next = tokio::select! {
                biased;
                () = run.token.cancelled() => Some(Err(Error::QueryCanceled)),
                next = rows.next() => next,
                () = &mut late => Some(Err(Error::StatementTimeout)),
            };
            match next {
                Some(Ok(batch)) => Some((Ok(batch), (run, Some(rows), late))),
                Some(Err(error)) => {
                    // The query stops before the client hears of it.
                    drop(rows);
                    run.failed(&error);
                    run.session.statement_failed();
                    Some((Err(error), (run, None, late)))
                }
                None => {
                    let elapsed = run.started.elapsed();
                    metrics::statement_finished(run.kind, Ok(()), elapsed);
                    debug!(session_id = %run.session.id, kind = run.kind, elapsed_ms = elapsed.as_millis() as u64, "statement finished");
                    None
                }
            }
        })
        .boxed();
        Rows::new(schema, batches, command)
    }
}

impl Drop for RunningStatement {
    fn drop(&mut self) {
        self.session.activity.statement_ended();
    }
}
