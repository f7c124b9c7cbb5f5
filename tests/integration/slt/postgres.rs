//! The Postgres protocols for scripts: `Simple` gets text from the server, `Extended` prepares and gets binary values.

use std::net::SocketAddr;

use sqllogictest::DBOutput;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::binary_text::Value;
use super::text::{ColumnType, cell};
use super::Error;
use crate::client;

pub struct Simple(Client);

impl Simple {
    /// `mode` is an execution mode of Arbalest; PostgreSQL has none.
    pub async fn connect(address: SocketAddr, mode: Option<&str>) -> Result<Self, Error> {
        Ok(Self(open(address, mode).await?))
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Simple {
    type Error = Error;
    type ColumnType = ColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<ColumnType>, Error> {
        let mut rows = vec![];
        let mut columns = None;
        let mut affected = 0;
        for message in self.0.simple_query(sql).await.map_err(error)? {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = Some(description.len()),
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|column| cell(row.get(column).map(str::to_owned))).collect());
                }
                SimpleQueryMessage::CommandComplete(count) => affected = count,
                _ => {}
            }
        }
        match columns {
            Some(count) => Ok(DBOutput::Rows { types: vec![ColumnType::ANY; count], rows }),
            None => Ok(DBOutput::StatementComplete(affected)),
        }
    }

    async fn shutdown(&mut self) {}

    fn error_sql_state(error: &Error) -> Option<String> {
        error.sql_state.clone()
    }
}

pub struct Extended(Client);

impl Extended {
    pub async fn connect(address: SocketAddr, mode: &str) -> Result<Self, Error> {
        Ok(Self(open(address, Some(mode)).await?))
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Extended {
    type Error = Error;
    type ColumnType = ColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<ColumnType>, Error> {
        let statement = self.0.prepare(sql).await.map_err(error)?;
        if statement.columns().is_empty() {
            return self.0.execute(&statement, &[]).await.map(DBOutput::StatementComplete).map_err(error);
        }
        let mut rows = vec![];
        for row in self.0.query(&statement, &[]).await.map_err(error)? {
            let mut cells = vec![];
            for column in 0..row.len() {
                let value: Option<Value> = row.try_get(column).map_err(|error| {
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    Error::new(format!("column {column}: {error}: {cause}"))
                })?;
                cells.push(cell(value.map(|value| value.0)));
            }
            rows.push(cells);
        }
        Ok(DBOutput::Rows { types: vec![ColumnType::ANY; statement.columns().len()], rows })
    }

    async fn shutdown(&mut self) {}

    fn error_sql_state(error: &Error) -> Option<String> {
        error.sql_state.clone()
    }
}

async fn open(address: SocketAddr, mode: Option<&str>) -> Result<Client, Error> {
    let client = client::try_connect(address).await.map_err(error)?;
    client.batch_execute("SET TIME ZONE 'UTC'").await.map_err(error)?;
    if let Some(mode) = mode {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.map_err(error)?;
    }
    Ok(client)
}

fn error(error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(error) => {
            Error { sql_state: Some(error.code().code().to_owned()), message: error.message().to_owned() }
        }
        None => Error::new(format!("{error:?}")),
    }
}
