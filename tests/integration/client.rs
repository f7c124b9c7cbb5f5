//! A Postgres connection to a server under test, and a few answers in one line.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage};

/// The protocol messages a hanging test waits for at most.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a connection and drives it in the background until it is dropped.
pub async fn connect(address: SocketAddr) -> Client {
    try_connect(address).await.expect("a connection")
}

/// The same for a server that may refuse.
pub async fn try_connect(address: SocketAddr) -> Result<Client, tokio_postgres::Error> {
    // An error of the connection is reported again by every call on the client.
    Ok(open(address).await?.0)
}

/// A connection and the task that drives it: aborted, it closes the socket as a killed client does.
pub async fn connect_with_driver(address: SocketAddr) -> (Client, Driver) {
    open(address).await.expect("a connection")
}

pub type Driver = JoinHandle<Result<(), tokio_postgres::Error>>;

/// The same as a role.
pub async fn connect_as(address: SocketAddr, role: &str) -> Client {
    try_connect_as(address, role).await.unwrap_or_else(|error| panic!("{role}: {}", describe(&error)))
}

pub async fn try_connect_as(address: SocketAddr, role: &str) -> Result<Client, tokio_postgres::Error> {
    Ok(open_as(address, role).await?.0)
}

async fn open(address: SocketAddr) -> Result<(Client, Driver), tokio_postgres::Error> {
    open_as(address, "tester").await
}

async fn open_as(address: SocketAddr, role: &str) -> Result<(Client, Driver), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host(address.ip().to_string())
        .port(address.port())
        .user(role)
        .dbname("arbalest")
        .application_name("arbalest tests")
        .connect_timeout(PATIENCE)
        .connect(NoTls)
        .await?;
    Ok((client, tokio::spawn(connection)))
}

/// Sends a CancelRequest.
pub async fn cancel(token: &CancelToken) {
    token.cancel_query(NoTls).await.expect("the cancel request is accepted");
}

/// The first column of the first row, as text; NULL and no row are `None`.
pub async fn value(client: &Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    })?
}

/// The first column of every row.
pub async fn column(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect()
}

/// SQLSTATE and message of an error.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    }
}

/// SQLSTATE of an error that the server sent.
pub fn sql_state(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => error.code().code().to_owned(),
        None => panic!("not an answer of the server: {error:?}"),
    }
}
