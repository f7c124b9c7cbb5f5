//! The simple protocol: a text of statements, each planned just before it runs, answered in text format.

use std::time::Instant;

use pgwire::messages::response::EmptyQueryResponse;
use sql::{CopyOptions, Response, Rows, Statement};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Failure};
use super::copy::CopyRows;
use super::describe::row_description;
use super::error::put_message;
use super::metrics::StatementKind;
use super::rows::{Form, RowStream};
use super::to_wire::{Format, Settings};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Answers a Query. The first error ends it: what follows in the text does not run.
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), Failure> {
        self.session.deallocate("");
        self.portals.remove("");
        let statements = self.session.parse(text)?;
        if statements.is_empty() {
            put_message(&EmptyQueryResponse::new(), &mut self.io.socket.output);
        }
        for statement in &statements {
            let started = Instant::now();
            let executed = self.run_statement(statement).await;
            self.record(StatementKind::Simple, started, &executed);
            executed?;
        }
        Ok(self.ready_for_query().await?)
    }

    /// Runs one statement and sends its whole result; gives the number of rows.
    async fn run_statement(&mut self, statement: &Statement) -> Result<u64, Failure> {
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
                self.put_notices();
                self.put_command_complete(rows_tag(stream.command(), sent.rows));
                Ok(sent.rows)
            }
            Response::CopyOut { rows, options } => self.copy_out(rows, options, deadline).await,
            Response::Command { tag, rows } => {
                self.command_done(tag, rows);
                Ok(0)
            }
            Response::Empty => {
                put_message(&EmptyQueryResponse::new(), &mut self.io.socket.output);
                Ok(0)
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
