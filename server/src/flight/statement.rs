//! CommandStatementQuery and CommandStatementUpdate: SQL text that is sent once, without parameters.

use std::sync::Arc;

use arrow_flight::sql::{CommandStatementQuery, CommandStatementUpdate};
use arrow_flight::{FlightDescriptor, FlightInfo};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use prost::bytes::Bytes;
use sql::{PreparedStatement, Response, Statement};
use tonic::Status;

use super::caller::Caller;
use super::error;
use super::flight_info::{self, UNKNOWN};
use super::query::Work;
use super::result_schema::ResultSchema;
use super::service::Service;
use super::session::{FlightSession, needs_session};

pub(super) async fn get_flight_info(
    service: &Service,
    caller: &Caller,
    descriptor: FlightDescriptor,
    command: CommandStatementQuery,
) -> Result<FlightInfo, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    let (session, statement) = one_statement(service, caller, &command.query)?;
    let prepared = prepare(&session, &statement).await?;
    check_no_parameters(&prepared)?;
    start(service, caller, descriptor, session, prepared, Arc::new(vec![Vec::new()])).await
}

pub(super) async fn get_schema(service: &Service, caller: &Caller, command: CommandStatementQuery) -> Result<ResultSchema, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    let (session, statement) = one_statement(service, caller, &command.query)?;
    Ok(schema(&prepare(&session, &statement).await?))
}

/// Runs a script, as ADBC's `executescript` sends it, and gives the rows that its last statement affected.
pub(super) async fn update(service: &Service, caller: &Caller, command: CommandStatementUpdate) -> Result<i64, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    let (session, statements) = statements(service, caller, &command.query)?;
    let mut affected = 0;
    for statement in &statements {
        let prepared = prepare(&session, statement).await?;
        check_no_parameters(&prepared)?;
        affected = run(&session, &prepared, &[]).await?.unwrap_or(0);
    }
    Ok(affected)
}

/// Plans the answer to a query that has been prepared: a ticket for a result set, or, for a statement without one, the
/// outcome. Clients may never read the ticket of DDL and DML, or read it twice, so that runs here, once.
pub(super) async fn start(
    service: &Service,
    caller: &Caller,
    descriptor: FlightDescriptor,
    session: Arc<FlightSession>,
    statement: PreparedStatement,
    parameters: Arc<Vec<Vec<ScalarValue>>>,
) -> Result<FlightInfo, Status> {
    let schema = schema(&statement);
    if statement.schema().is_some() {
        let is_repeatable = is_repeatable(statement.sql());
        let work = Work::Execute { statement, parameters, is_repeatable };
        let query = service.queries.add(caller, session, schema, work)?;
        return flight_info::of_query(descriptor, &query, UNKNOWN);
    }
    let mut affected = None;
    for row in parameters.iter() {
        if let Some(rows) = run(&session, &statement, row).await? {
            affected = Some(add_affected(affected.unwrap_or(0), Some(rows)));
        }
    }
    let query = service.queries.add(caller, session, schema, Work::Done)?;
    flight_info::of_query(descriptor, &query, affected.unwrap_or(UNKNOWN))
}

/// The rows that several executions affected, [`UNKNOWN`] as soon as one is.
pub(super) fn add_affected(sum: i64, rows: Option<i64>) -> i64 {
    match rows.unwrap_or(0) {
        _ if sum == UNKNOWN => UNKNOWN,
        UNKNOWN => UNKNOWN,
        rows => sum.saturating_add(rows),
    }
}

/// Runs a statement for its effect. Gives the rows it affected, where it counts them.
pub(super) async fn run(
    session: &FlightSession,
    statement: &PreparedStatement,
    parameters: &[ScalarValue],
) -> Result<Option<i64>, Status> {
    let response = session.execute(statement, parameters).await?;
    match response {
        Response::Command { rows, .. } => Ok(rows.map(|rows| i64::try_from(rows).unwrap_or(i64::MAX))),
        Response::Empty => Ok(None),
        // A query sent as an update: what it computes is of no use, that it can be computed is.
        Response::Rows(mut rows) => {
            while let Some(batch) = rows.next().await {
                batch.map_err(|error| error::status(&error))?;
            }
            Ok(Some(UNKNOWN))
        }
        Response::CopyOut { .. } | Response::CopyIn(_) => Err(copy_out()),
    }
}

pub(super) async fn prepare(session: &FlightSession, statement: &Statement) -> Result<PreparedStatement, Status> {
    let prepared = session.prepare(statement, &[]).await?;
    check_kind(&prepared)?;
    Ok(prepared)
}

/// Refuses what has no meaning in this protocol.
pub(super) fn check_kind(prepared: &PreparedStatement) -> Result<(), Status> {
    if prepared.is_copy_out() {
        return Err(copy_out());
    }
    if prepared.is_empty() {
        return Err(error::invalid("there is no statement in the text (SQLSTATE 42601)"));
    }
    Ok(())
}

/// The schema of a statement's result, empty for one without.
pub(super) fn schema(statement: &PreparedStatement) -> ResultSchema {
    statement.schema().map_or_else(ResultSchema::empty, |schema| ResultSchema::of_statement(schema))
}

/// The session to run `sql` in, and its only statement.
pub(super) fn one_statement(service: &Service, caller: &Caller, sql: &str) -> Result<(Arc<FlightSession>, Statement), Status> {
    let (session, mut statements) = statements(service, caller, sql)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok((session, statement)),
        (None, _) => Err(error::invalid("there is no statement in the text (SQLSTATE 42601)")),
        (Some(_), false) => Err(error::invalid(
            "the text has several statements, a query or prepared statement is one (SQLSTATE 42601)\nHINT: Send a script as \
             an update.",
        )),
    }
}

fn statements(service: &Service, caller: &Caller, sql: &str) -> Result<(Arc<FlightSession>, Vec<Statement>), Status> {
    let session = service.sessions.current(caller)?;
    let statements = session.sql.parse(sql).map_err(|error| error::status(&error))?;
    let Some(changing) = statements.iter().find(|statement| changes_session(statement)) else {
        return Ok((session, statements));
    };
    let own = service.sessions.own(caller)?;
    let own = own.ok_or_else(|| needs_session(&first_words(changing.sql(), 1).concat()))?;
    Ok((own, statements))
}

/// Transactions of the protocol are not those of the session; ignoring one would break its promise.
pub(super) fn refuse_transaction(transaction_id: Option<&Bytes>) -> Result<(), Status> {
    match transaction_id {
        Some(id) if !id.is_empty() => Err(error::invalid(
            "transaction_id is not supported: this server has no Flight SQL transactions\nHINT: Connect in autocommit mode.",
        )),
        _ => Ok(()),
    }
}

fn check_no_parameters(statement: &PreparedStatement) -> Result<(), Status> {
    match statement.parameter_types().len() {
        0 => Ok(()),
        count => Err(error::invalid(format!(
            "the statement has {count} parameters, and none were given (SQLSTATE 08P01)\nHINT: Prepare it and bind them."
        ))),
    }
}

fn copy_out() -> Status {
    error::unsupported("COPY ... TO STDOUT is not supported over Flight SQL\nHINT: Run its query: the result is Arrow already.")
}

/// Whether the statement leaves something in its session for the next one.
fn changes_session(statement: &Statement) -> bool {
    if statement.is_transaction_control() {
        return true;
    }
    let words = first_words(statement.sql(), 4);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["SET" | "RESET" | "DISCARD" | "USE" | "PREPARE" | "DEALLOCATE" | "DECLARE" | "CLOSE" | "LISTEN" | "UNLISTEN", ..] => true,
        ["CREATE", rest @ ..] => rest.iter().any(|word| matches!(*word, "TEMP" | "TEMPORARY")),
        _ => false,
    }
}

/// Whether running the statement again, for a second reader of its ticket, does nothing but read again.
fn is_repeatable(sql: &str) -> bool {
    const WRITES: [&str; 6] = ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "CREATE"];
    match first_words(sql, 1).first().map(String::as_str) {
        Some("SELECT" | "VALUES" | "TABLE" | "SHOW") => true,
        // These may hold a statement that writes.
        Some("WITH" | "EXPLAIN") | None => !first_words(sql, usize::MAX).iter().any(|word| WRITES.contains(&word.as_str())),
        Some(_) => false,
    }
}

/// The first words of a statement in upper case, without comments and punctuation.
fn first_words(sql: &str, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql;
    while words.len() < count {
        rest = rest.trim_start_matches(|c: char| !c.is_alphabetic() && c != '-' && c != '/');
        if rest.is_empty() {
            break;
        }
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_block_comment(comment);
        } else if rest.starts_with(['-', '/']) {
            rest = &rest[1..];
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            words.push(rest[..end].to_uppercase());
            rest = &rest[end..];
        }
    }
    words
}

/// Block comments nest in PostgreSQL.
fn after_block_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        match (rest.find("*/"), rest.find("/*")) {
            (None, _) => return "",
            (Some(end), Some(start)) if start < end => {
                depth += 1;
                rest = &rest[start + 2..];
            }
            (Some(end), _) => {
                depth -= 1;
                rest = &rest[end + 2..];
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_found_behind_comments() {
        assert_eq!(first_words("/* a /* b */ select */ -- x\n SET timezone = 'UTC'", 2), ["SET", "TIMEZONE"]);
        assert_eq!(first_words("(select 1) union (select 2)", 1), ["SELECT"]);
        assert_eq!(first_words(" -- nothing", 1), Vec::<String>::new());
        assert_eq!(first_words("/* open", 1), Vec::<String>::new());
        assert_eq!(first_words("--\n--\n-1 - 2 / x", 1), ["X"]);
    }

    #[test]
    fn only_what_reads_is_repeated() {
        for sql in ["select 1", "with x as (select 1) select * from x", "VALUES (1)", "explain select 1", "show all"] {
            assert!(is_repeatable(sql), "{sql}");
        }
        for sql in ["insert into t values (1) returning a", "with x as (insert into t values (1) returning a) select * from x",
            "explain analyze delete from t", "execute q"]
        {
            assert!(!is_repeatable(sql), "{sql}");
        }
    }
}
