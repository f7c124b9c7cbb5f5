//! Two servers of one catalog, which is in PostgreSQL.

use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::Client;

use crate::client::connect;
use crate::data;
use crate::server::Server;
use crate::slt::postgresql15::Cluster;

/// Dropped in this order: the servers before what they use.
pub struct SharedCatalog {
    pub servers: [Server; 2],
    _warehouse: TempDir,
    _database: Cluster,
}

impl SharedCatalog {
    /// Both servers with these arguments; `None` when PostgreSQL 15 is not installed.
    pub fn start(arguments: &[String]) -> Option<Self> {
        let Some(database) = Cluster::start() else {
            eprintln!("skipped: PostgreSQL 15 is not installed");
            return None;
        };
        let warehouse = TempDir::new().unwrap();
        let url = format!("postgres://tester:unused@{}/postgres", database.address());
        let own = ["--catalog".to_owned(), url, "--warehouse".to_owned(), data::path(warehouse.path())];
        let arguments: Vec<String> = own.into_iter().chain(arguments.iter().cloned()).collect();
        let servers = [Server::start(&arguments), Server::start(&arguments)];
        Some(Self { servers, _warehouse: warehouse, _database: database })
    }

    /// A client of each server.
    pub async fn connect(&self) -> [Client; 2] {
        [connect(self.servers[0].postgres()).await, connect(self.servers[1].postgres()).await]
    }
}

/// Waits until a query can be run: until its server knows the tables of the other one.
pub async fn until_known(client: &Client, query: &str) {
    while client.simple_query(query).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
