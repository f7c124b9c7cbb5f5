//! Flight SQL for scripts: the session is the one of the handshake's bearer token.

use std::net::SocketAddr;

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use sqllogictest::DBOutput;
use tonic::transport::{Channel, Endpoint};

use super::text::{ColumnType, cell};
use super::{Error, arrow_text};
use crate::client::PATIENCE;

pub struct FlightSql(FlightSqlServiceClient<Channel>);

impl FlightSql {
    pub async fn connect(address: SocketAddr, mode: &str) -> Result<Self, Error> {
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Error::new(error.to_string()))?
            .connect_timeout(PATIENCE)
            .connect()
            .await
            .map_err(|error| Error::new(format!("{error:?}")))?;
        let mut client = FlightSqlServiceClient::new(channel);
        client.handshake("tester", "").await.map_err(error)?;
        let mut engine = Self(client);
        sqllogictest::AsyncDB::run(&mut engine, &format!("SET arbalest.execution_mode = '{mode}'")).await?;
        Ok(engine)
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for FlightSql {
    type Error = Error;
    type ColumnType = ColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<ColumnType>, Error> {
        let is_update = ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|word| sql.starts_with(word));
        if is_update && !sql.contains(" RETURNING ") {
            let rows = self.0.execute_update(sql.to_owned(), None).await.map_err(error)?;
            return Ok(DBOutput::StatementComplete(u64::try_from(rows).unwrap_or_default()));
        }
        let info = self.0.execute(sql.to_owned(), None).await.map_err(error)?;
        let promised = info.clone().try_decode_schema().map_err(error)?;
        let mut rows = vec![];
        for endpoint in info.endpoint {
            let ticket = endpoint.ticket.ok_or_else(|| Error::new("an endpoint without a ticket"))?;
            let mut stream = self.0.do_get(ticket).await.map_err(error)?;
            while let Some(batch) = stream.try_next().await.map_err(error)? {
                if batch.schema().fields() != promised.fields() {
                    return Err(Error::new(format!("promised {promised}, sent {}", batch.schema())));
                }
                for row in 0..batch.num_rows() {
                    let cells: Result<Vec<String>, String> = batch
                        .columns()
                        .iter()
                        .map(|column| arrow_text::to_text(column.as_ref(), row).map(cell))
                        .collect();
                    rows.push(cells.map_err(Error::new)?);
                }
            }
        }
        match promised.fields().len() {
            0 => Ok(DBOutput::StatementComplete(0)),
            count => Ok(DBOutput::Rows { types: vec![ColumnType::ANY; count], rows }),
        }
    }

    async fn shutdown(&mut self) {}

    fn error_sql_state(error: &Error) -> Option<String> {
        error.sql_state.clone()
    }
}

/// Of any layer: tonic's status, Flight's or Arrow's. The server names the SQLSTATE in the text, as `(SQLSTATE 42P01)`.
fn error(error: impl std::fmt::Display) -> Error {
    let message = error.to_string();
    let sql_state = message.split_once("(SQLSTATE ").and_then(|(_, rest)| rest.get(..5)).map(str::to_owned);
    Error { sql_state, message }
}
