//! The extended protocol: statements that are prepared once, portals that bind them to parameters and are executed,
//! all at once or some rows at a time.

use std::collections::hash_map::Entry;
use std::time::Instant;

use arrow::datatypes::{DataType, Schema};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
    TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use sql::{PreparedStatement, Response, ScalarValue, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Failure};
use super::describe::row_description;
use super::error::{Error, put_message};
use super::from_wire;
use super::metrics::StatementKind;
use super::rows::{Form, RowStream};
use super::simple_query::rows_tag;
use super::to_wire::{Format, Settings};
use super::types;

/// Each may hold a running query.
const PORTALS_MAX: usize = 1_000;

/// The types of a statement's parameters as its client knows them, which Arrow's types do not tell: a parameter declared
/// as oid is 4 bytes, one declared as int8 is 8.
pub struct DeclaredParameters {
    statement: PreparedStatement,
    oids: Vec<u32>,
}

/// A statement with its parameters, and how far it has been executed.
pub struct Portal {
    statement: PreparedStatement,
    parameters: Vec<ScalarValue>,
    formats: Vec<Format>,
    state: PortalState,
}

enum PortalState {
    Bound,
    /// Some of its rows were sent.
    Suspended(Box<RowStream>),
    /// All of its rows were sent; `command` is the word of its tag.
    Exhausted { command: &'static str },
    /// It was executed and had no rows, or it failed.
    Finished,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) async fn parse(&mut self, parse: Parse) -> Result<(), Failure> {
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            self.session.deallocate("");
        }
        let mut statements = self.session.parse(&parse.query)?.into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err(Error::SeveralStatements.into());
        };
        let declared: Vec<Option<DataType>> = parse.type_oids.iter().map(|oid| types::parameter_type(*oid)).collect();
        let statement = self.io.while_connected(self.session.prepare(&statement, &declared)).await??;
        let oids = parameter_oids(&parse.type_oids, statement.parameter_types());
        self.session.store_prepared(&name, statement.clone())?;
        self.declared_parameters.insert(name, DeclaredParameters { statement, oids });
        put_message(&ParseComplete::new(), &mut self.io.socket.output);
        Ok(())
    }

    /// A statement, and the types of its parameters as the client was told.
    fn statement(&self, name: String) -> Result<(PreparedStatement, Vec<u32>), Error> {
        let Some(statement) = self.session.prepared(&name) else { return Err(Error::UndefinedStatement { name }) };
        // SQL may have deallocated what Parse prepared, and prepared another statement under its name.
        let oids = match self.declared_parameters.get(&name) {
            Some(declared) if declared.statement.is_same(&statement) => declared.oids.clone(),
            _ => parameter_oids(&[], statement.parameter_types()),
        };
        Ok((statement, oids))
    }

    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let statement_name = bind.statement_name.unwrap_or_default();
        let (statement, oids) = self.statement(statement_name.clone())?;
        let (given, expected) = (bind.parameters.len(), oids.len());
        let parameter_formats = formats(&bind.parameter_format_codes, given)?
            .ok_or(Error::ParameterFormatCount { formats: bind.parameter_format_codes.len(), parameters: given })?;
        if given != expected {
            return Err(Error::ParameterCount { given, expected, statement: statement_name }.into());
        }
        let settings = Settings::read(|name| self.session.setting(name));
        let mut parameters = Vec::with_capacity(given);
        for (index, (value, format)) in bind.parameters.iter().zip(parameter_formats).enumerate() {
            parameters.push(from_wire::parameter(oids[index], format, value.as_deref(), index + 1, settings.time_zone)?);
        }
        let columns = statement.schema().map_or(0, |schema| schema.fields().len());
        let formats = formats(&bind.result_column_format_codes, columns)?
            // Formats for a statement without a result are of no consequence, as in PostgreSQL.
            .or_else(|| (columns == 0).then(Vec::new))
            .ok_or(Error::ResultFormatCount { formats: bind.result_column_format_codes.len(), columns })?;
        let portal = Portal { statement, parameters, formats, state: PortalState::Bound };

        let name = bind.portal_name.unwrap_or_default();
        if self.portals.len() >= PORTALS_MAX && !self.portals.contains_key(&name) {
            return Err(Error::TooMany { what: "portals", count_max: PORTALS_MAX }.into());
        }
        match self.portals.entry(name) {
            Entry::Occupied(unnamed) if unnamed.key().is_empty() => *unnamed.into_mut() = portal,
            Entry::Occupied(named) => return Err(Error::DuplicatePortal { name: named.key().clone() }.into()),
            Entry::Vacant(vacant) => {
                vacant.insert(portal);
            }
        }
        put_message(&BindComplete::new(), &mut self.io.socket.output);
        Ok(())
    }

    pub(super) fn describe(&mut self, describe: Describe) -> Result<(), Failure> {
        let name = describe.name.unwrap_or_default();
        let (statement, formats) = match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                let (statement, oids) = self.statement(name)?;
                put_message(&ParameterDescription::new(oids), &mut self.io.socket.output);
                let columns = statement.schema().map_or(0, |schema| schema.fields().len());
                // The formats are not known before Bind.
                (statement, vec![Format::Text; columns])
            }
            TARGET_TYPE_BYTE_PORTAL => {
                let Some(portal) = self.portals.get(&name) else {
                    // A cursor is a portal too.
                    let Some((schema, origins)) = self.session.cursor(&name) else { return Err(Error::UndefinedPortal { name }.into()) };
                    let formats = vec![Format::Text; schema.fields().len()];
                    put_message(&row_description(&schema, &origins, &formats)?, &mut self.io.socket.output);
                    return Ok(());
                };
                (portal.statement.clone(), portal.formats.clone())
            }
            target => {
                return Err(Error::protocol_violation(format!("invalid DESCRIBE message subtype {target}")).into());
            }
        };
        let output = &mut self.io.socket.output;
        match statement.schema() {
            Some(schema) => put_message(&row_description(schema, statement.origins(), &formats)?, output),
            None => put_message(&NoData::new(), output),
        }
        Ok(())
    }

    pub(super) async fn execute(&mut self, execute: Execute) -> Result<(), Failure> {
        let name = execute.name.unwrap_or_default();
        // The portal is taken out while it runs: after a failure it is gone, with its query.
        let Some(mut portal) = self.portals.remove(&name) else { return Err(Error::UndefinedPortal { name }.into()) };
        let started = Instant::now();
        let was_idle = self.session.transaction_status() == TransactionStatus::Idle;
        let rows_max = u64::try_from(execute.max_rows).ok().filter(|rows_max| *rows_max > 0);
        let executed = self.execute_portal(&name, &mut portal, rows_max).await;
        self.record(StatementKind::Extended, started, &executed);
        if executed.is_err() {
            portal.state = PortalState::Finished;
        }
        if !was_idle && self.session.transaction_status() == TransactionStatus::Idle {
            // Portals do not outlive their transaction.
            self.portals.clear();
        }
        self.portals.insert(name, portal);
        executed?;
        Ok(())
    }

    /// Executes a portal from where it stopped; gives the number of rows sent.
    async fn execute_portal(
        &mut self,
        name: &str,
        portal: &mut Portal,
        rows_max: Option<u64>,
    ) -> Result<u64, Failure> {
        match std::mem::replace(&mut portal.state, PortalState::Finished) {
            PortalState::Bound => {}
            PortalState::Suspended(stream) => return self.send_rows(portal, stream, rows_max).await,
            PortalState::Exhausted { command } => {
                self.put_command_complete(rows_tag(command, 0));
                portal.state = PortalState::Exhausted { command };
                return Ok(0);
            }
            PortalState::Finished => return Err(Error::FinishedPortal { name: name.to_owned() }.into()),
        }
        // What comes before the next Sync is one transaction. One statement alone needs no block, and is run again where in a
        // block it would conflict.
        if !self.io.socket.sync_follows() {
            self.session.begin_implicit_block();
        }
        let statement = &portal.statement;
        // A client may declare more parameters than the statement has.
        let count = statement.parameter_types().len().min(portal.parameters.len());
        let deadline = self.deadline();
        let execution = self.session.execute(statement, &portal.parameters[..count]);
        let response = self.io.while_connected(execution).await??;
        self.put_notices();
        match response {
            Response::Rows(rows) => {
                let same = statement.schema().is_some_and(|schema| same_types(schema, rows.schema()));
                if !same || portal.formats.len() != rows.schema().fields().len() {
                    return Err(Error::StalePlan.into());
                }
                let settings = Settings::read(|name| self.session.setting(name));
                let form = Form::DataRows { formats: portal.formats.clone(), settings };
                self.send_rows(portal, Box::new(RowStream::new(rows, form, deadline)), rows_max).await
            }
            Response::CopyOut { rows, options } => self.copy_out(rows, options, deadline).await,
            Response::CopyIn(copy) => {
                let rows = self.copy_in(copy).await?;
                self.command_done("COPY".into(), Some(rows));
                Ok(rows)
            }
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

    /// Sends at most `rows_max` rows, and keeps the rest.
    async fn send_rows(
        &mut self,
        portal: &mut Portal,
        mut stream: Box<RowStream>,
        rows_max: Option<u64>,
    ) -> Result<u64, Failure> {
        let sent = stream.send(&mut self.io, rows_max).await?;
        self.put_notices();
        if sent.complete {
            let command = stream.command();
            self.put_command_complete(rows_tag(command, sent.rows));
            portal.state = PortalState::Exhausted { command };
        } else {
            put_message(&PortalSuspended::new(), &mut self.io.socket.output);
            portal.state = PortalState::Suspended(stream);
        }
        Ok(sent.rows)
    }

    /// Tells the client that a command without a result set is done.
    pub(super) fn command_done(&mut self, tag: String, rows: Option<u64>) {
        if tag.starts_with("DEALLOCATE") || tag.starts_with("DISCARD") {
            let session = &self.session;
            self.declared_parameters.retain(|name, _| session.prepared(name).is_some());
        }
        self.put_command_complete(match rows {
            Some(rows) => format!("{tag} {rows}"),
            None => tag,
        });
    }

    pub(super) fn close(&mut self, close: Close) -> Result<(), Failure> {
        let name = close.name.unwrap_or_default();
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                self.declared_parameters.remove(&name);
                self.session.deallocate(&name);
            }
            TARGET_TYPE_BYTE_PORTAL => drop(self.portals.remove(&name)),
            target => return Err(Error::protocol_violation(format!("invalid CLOSE message subtype {target}")).into()),
        }
        // Closing what does not exist is no error.
        put_message(&CloseComplete::new(), &mut self.io.socket.output);
        Ok(())
    }
}

/// What the client declared, else what was inferred.
fn parameter_oids(declared: &[u32], inferred: &[Option<DataType>]) -> Vec<u32> {
    let count = declared.len().max(inferred.len());
    let oid = |index: usize| match (declared.get(index), inferred.get(index)) {
        (Some(oid), _) if *oid != 0 && *oid != types::UNKNOWN.oid => *oid,
        (_, Some(Some(data_type))) => types::parameter_oid(data_type),
        _ => types::TEXT.oid,
    };
    (0..count).map(oid).collect()
}

/// No code is text, one code is for all, else there is one each; `None` when there are too few or too many.
fn formats(codes: &[i16], count: usize) -> Result<Option<Vec<Format>>, Error> {
    let format = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        code => Err(Error::UnsupportedFormat { code: *code }),
    };
    match codes {
        [] => Ok(Some(vec![Format::Text; count])),
        [code] => Ok(Some(vec![format(code)?; count])),
        codes if codes.len() == count => codes.iter().map(format).collect::<Result<_, _>>().map(Some),
        _ => Ok(None),
    }
}

/// Whether a client that knows `described` can read rows of `actual`.
fn same_types(described: &Schema, actual: &Schema) -> bool {
    let types = |schema: &Schema| -> Vec<_> {
        schema.fields().iter().map(|field| types::column_type(field, None).oid).collect()
    };
    types(described) == types(actual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_are_none_one_or_one_each() {
        use Format::{Binary, Text};
        assert_eq!(formats(&[], 2).unwrap(), Some(vec![Text, Text]));
        assert_eq!(formats(&[1], 2).unwrap(), Some(vec![Binary, Binary]));
        assert_eq!(formats(&[1, 0], 2).unwrap(), Some(vec![Binary, Text]));
        assert_eq!(formats(&[1, 0], 3).unwrap(), None);
        assert_eq!(formats(&[2], 3).unwrap_err().code(), "22023");
    }

    #[test]
    fn declared_types_win_over_inferred_ones() {
        let inferred = [Some(DataType::Int32), Some(DataType::Utf8), None];
        assert_eq!(parameter_oids(&[20, 705], &inferred), [20, 25, 25]);
        assert_eq!(parameter_oids(&[0, 0, 0, 23], &inferred), [23, 25, 25, 23]);
    }
}
