//! The simple protocol: a text of statements, each planned just before it runs, answered in text format.

use std::time::Instant;

use pgwire::messages::response::EmptyQueryResponse;
use bytes::Bytes;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::copy::CopyInResponse;
use sql::{CopyFormat, CopyIn, CopyOptions, Response, Rows, Statement};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Ending, Failure, Io};
use super::copy::CopyRows;
use super::copy_in::CopyReader;
use super::describe::row_description;
use super::error::{Error, put_message};
use super::metrics::StatementKind;
use super::rows::{Form, RowStream};
use super::socket::ReadError;
use super::to_wire::{Format, Settings};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Answers a Query. The first error ends it: what follows in the text does not run, and what came before is undone, but
    /// for what a COMMIT among it has made.
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), Failure> {
        self.session.deallocate("");
        self.portals.remove("");
        let statements = self.session.parse(text)?;
        if statements.is_empty() {
            put_message(&EmptyQueryResponse::new(), &mut self.io.socket.output);
        }
        for (index, statement) in statements.iter().enumerate() {
            let started = Instant::now();
            if statements.len() > 1 {
                self.session.begin_implicit_block();
            }
            let executed = self.run_statement(statement, index + 1 == statements.len()).await;
            self.record(StatementKind::Simple, started, &executed);
            executed?;
        }
        Ok(self.ready_for_query().await?)
    }

    /// Runs one statement and sends its whole result; gives the number of rows. What was begun without BEGIN ends before the
    /// client hears that the last one is done.
    async fn run_statement(&mut self, statement: &Statement, is_last: bool) -> Result<u64, Failure> {
        let prepared = self.io.while_connected(self.session.prepare(statement, &[])).await??;
        let deadline = self.deadline();
        let response = self.io.while_connected(self.session.execute(&prepared, &[])).await??;
        self.put_notices();
        match response {
            Response::Rows(rows) => {
                let formats = vec![Format::Text; rows.schema().fields().len()];
                let description = row_description(rows.schema(), prepared.origins(), &formats)?;
                put_message(&description, &mut self.io.socket.output);
                let settings = Settings::read(|name| self.session.setting(name));
                let mut stream = RowStream::new(rows, Form::DataRows { formats, settings }, deadline);
                let sent = stream.send(&mut self.io, None).await?;
                if is_last {
                    self.end_implicit_block().await?;
                }
                self.put_notices();
                self.put_command_complete(rows_tag(stream.command(), sent.rows));
                Ok(sent.rows)
            }
            Response::CopyOut { rows, options } => self.copy_out(rows, options, deadline).await,
            Response::CopyIn(copy) => {
                let rows = self.copy_in(copy).await?;
                if is_last {
                    self.end_implicit_block().await?;
                }
                self.command_done("COPY".into(), Some(rows));
                Ok(rows)
            }
            Response::Command { tag, rows } => {
                if is_last {
                    self.end_implicit_block().await?;
                }
                self.command_done(tag, rows);
                Ok(0)
            }
            Response::Empty => {
                put_message(&EmptyQueryResponse::new(), &mut self.io.socket.output);
                Ok(0)
            }
        }
    }

    /// Takes all rows of a COPY from the client; gives their number.
    pub(super) async fn copy_in(&mut self, mut copy: CopyIn) -> Result<u64, Failure> {
        let settings = Settings::read(|name| self.session.setting(name));
        let columns = copy.schema().fields().len();
        let format = if copy.options().format == CopyFormat::Binary { Format::Binary } else { Format::Text }.code();
        let start = CopyInResponse::new(format as i8, columns as i16, vec![format; columns]);
        put_message(&start, &mut self.io.socket.output);
        self.io.socket.flush().await.map_err(Ending::ClientGone)?;
        let mut reader = CopyReader::new(copy.table(), copy.schema(), copy.options().clone(), settings.time_zone);
        while let Some(data) = self.copy_data().await? {
            reader.add(&data);
            while let Some(batch) = reader.batch()? {
                self.io.while_connected(copy.write(batch)).await??;
            }
        }
        while let Some(batch) = reader.last_batch()? {
            self.io.while_connected(copy.write(batch)).await??;
        }
        Ok(self.io.while_connected(copy.finish()).await??)
    }

    /// What the client sends of a COPY; `None` in the end.
    async fn copy_data(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Io { socket, cancellation, shutdown } = &mut self.io;
            let frame = tokio::select! {
                biased;
                frame = socket.read_frame() => frame,
                () = cancellation.canceled() => return Err(sql::Error::QueryCanceled.into()),
                () = shutdown.forced() => return Err(Ending::Forced.into()),
            };
            let frame = frame.map_err(|error| match error {
                ReadError::Disconnected(error) => Ending::ClientGone(error),
                ReadError::Invalid(error) => Ending::Invalid(error),
            })?;
            match frame.decode()? {
                Message::CopyData(data) => return Ok(Some(data.data)),
                Message::CopyDone(_) => return Ok(None),
                Message::CopyFail(fail) => return Err(Error::CopyFailed { message: fail.message }.into()),
                // Clients of the extended protocol send them at once.
                Message::Flush(_) | Message::Sync(_) => {}
                Message::Terminate(_) => return Err(Ending::Terminated.into()),
                _ => return Err(Error::protocol_violation("unexpected message during COPY from stdin").into()),
            }
        }
    }

    /// Sends all rows of a COPY; gives their number. Later than `deadline` they are an error.
    pub(super) async fn copy_out(
        &mut self,
        rows: Rows,
        options: CopyOptions,
        deadline: Option<tokio::time::Instant>,
    ) -> Result<u64, Failure> {
        let settings = Settings::read(|name| self.session.setting(name));
        let mut stream = RowStream::new(rows, Form::Copy(CopyRows::new(options, settings)), deadline);
        stream.put_copy_start(&mut self.io.socket.output)?;
        let sent = stream.send(&mut self.io, None).await?;
        stream.put_copy_end(&mut self.io.socket.output)?;
        self.put_notices();
        self.put_command_complete(format!("COPY {}", sent.rows));
        Ok(sent.rows)
    }
}

/// The tag of a result set: only some count their rows.
pub fn rows_tag(command: &str, rows: u64) -> String {
    match command {
        "SELECT" | "FETCH" | "INSERT 0" | "UPDATE" | "DELETE" | "MERGE" => format!("{command} {rows}"),
        _ => command.to_owned(),
    }
}
