//! The catalog outlives servers, and several servers share one.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::client::{column, connect, value};
use crate::data;
use crate::server::Server;
use crate::shared_catalog::SharedCatalog;

/// Another server's change is seen within a second; the test's machine may be slow.
const SEEN: Duration = Duration::from_secs(10);

async fn schemas(client: &Client) -> Vec<String> {
    let sql = "SELECT oid || ' ' || nspname || ' ' || coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace
        WHERE nspname NOT LIKE 'pg%' AND nspname <> 'information_schema' ORDER BY oid";
    column(client, sql).await
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_killed_server() {
    let directory = TempDir::new().unwrap();
    let arguments = ["--data-dir", &data::path(directory.path())];
    let mut expected = vec![];
    for round in 0..3 {
        let server = Server::start(&arguments);
        let client = connect(server.postgres()).await;
        assert!(round == 0 || schemas(&client).await == expected, "{expected:?}");
        let definitions = format!(
            "CREATE SCHEMA kept{round}; COMMENT ON SCHEMA kept{round} IS 'of round {round}';
             CREATE SCHEMA dropped; DROP SCHEMA dropped"
        );
        client.batch_execute(&definitions).await.unwrap();
        client.batch_execute("BEGIN; CREATE SCHEMA forgotten").await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        client.batch_execute("BEGIN; CREATE SCHEMA never_committed").await.unwrap();
        expected = schemas(&connect(server.postgres()).await).await;
        assert_eq!(expected.len(), 2 + round);
        // As `kill -9` does.
        drop(server);
    }
}

#[tokio::test]
async fn tables_of_locations_keep_their_oids() {
    let directory = TempDir::new().unwrap();
    let table = |name: &str| {
        let path = directory.path().join(format!("{name}.csv"));
        std::fs::write(&path, "a\n1\n").unwrap();
        data::path(&path)
    };
    let data_dir = data::path(&directory.path().join("data"));
    let oids = async |locations: &[&str]| {
        let server = Server::start(&[&["--data-dir", data_dir.as_str()], locations].concat());
        let sql = "SELECT relname || ' ' || oid FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname";
        column(&connect(server.postgres()).await, sql).await
    };
    let (b, c) = (table("b"), table("c"));
    let first = oids(&[&b, &c]).await;
    assert_eq!(first.len(), 2);
    let second = oids(&[&table("a"), &c]).await;
    assert_eq!((second.len(), &second[1]), (2, &first[1]));
    assert!(!first.iter().any(|table| table.split(' ').next_back() == second[0].split(' ').next_back()));
}

#[tokio::test]
async fn of_two_transactions_that_change_the_same_one_fails() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE SCHEMA s").await.unwrap();
    for client in [&one, &other] {
        client.batch_execute("BEGIN; ALTER SCHEMA s RENAME TO t").await.unwrap();
        assert_eq!(value(client, "SELECT count(*) FROM pg_namespace WHERE nspname = 't'").await.as_deref(), Some("1"));
    }
    one.batch_execute("COMMIT").await.unwrap();
    let error = other.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    // The block is over.
    other.batch_execute("ALTER SCHEMA t RENAME TO u").await.unwrap();
    assert_eq!(schemas(&one).await.len(), 2);
    // A transaction goes on to see what it saw first.
    one.batch_execute("BEGIN; SELECT count(*) FROM pg_namespace").await.unwrap();
    other.batch_execute("DROP SCHEMA u").await.unwrap();
    assert_eq!(schemas(&one).await.len(), 2);
    one.batch_execute("COMMIT").await.unwrap();
    assert_eq!(schemas(&one).await.len(), 1);
}

#[tokio::test]
async fn a_view_is_not_made_of_a_table_that_is_dropped_meanwhile() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    one.batch_execute("BEGIN; CREATE VIEW v AS SELECT a FROM t").await.unwrap();
    other.batch_execute("DROP TABLE t").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    assert_eq!(value(&one, "SELECT count(*) FROM pg_views WHERE viewname = 'v'").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn views_of_views_end_somewhere() {
    let server = Server::start::<&str>(&[]);
    let client = connect(server.postgres()).await;
    client.batch_execute("CREATE VIEW v0 AS SELECT 1 AS a").await.unwrap();
    let mut depth = 0;
    let error = loop {
        let sql = format!("CREATE VIEW v{} AS SELECT a FROM v{depth}", depth + 1);
        match client.batch_execute(&sql).await {
            Ok(()) => depth += 1,
            Err(error) => break error,
        }
        assert!(depth < 1_000);
    };
    assert_eq!(error.code(), Some(&SqlState::STATEMENT_TOO_COMPLEX), "{error}");
    assert!(depth > 20, "{depth}");
    assert_eq!(value(&client, &format!("SELECT a FROM v{}", depth - 1)).await.as_deref(), Some("1"));
    // One that comes to read itself.
    let error = client.batch_execute("CREATE OR REPLACE VIEW v0 AS SELECT a FROM v3").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INVALID_OBJECT_DEFINITION), "{error}");
    assert_eq!(value(&client, "SELECT a FROM v3").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn servers_share_a_catalog() {
    let location = TempDir::new().unwrap();
    std::fs::write(location.path().join("t.csv"), "a\n1\n").unwrap();
    let Some(shared) = SharedCatalog::start(&[data::path(location.path())]) else { return };
    let [one, other] = shared.connect().await;
    let table = "SELECT 't'::regclass::oid";
    assert_eq!(value(&one, table).await, value(&other, table).await);

    one.batch_execute("BEGIN; CREATE SCHEMA a; CREATE SCHEMA b; COMMIT; COMMENT ON SCHEMA a IS 'from one'").await.unwrap();
    let expected = schemas(&one).await;
    assert_eq!(expected.len(), 3);
    let deadline = Instant::now() + SEEN;
    while schemas(&other).await != expected {
        assert!(Instant::now() < deadline, "{:?} are not {expected:?}", schemas(&other).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What the other has not seen yet is no obstacle.
    one.batch_execute("ALTER SCHEMA a RENAME TO c").await.unwrap();
    other.batch_execute("ALTER SCHEMA b RENAME TO a").await.unwrap();
    let error = other.batch_execute("CREATE SCHEMA c").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DUPLICATE_SCHEMA), "{error}");
    assert!(!shared.servers.iter().any(|server| server.standard_error().contains("unused")));
}

#[test]
fn a_catalog_that_cannot_be_used_is_named() {
    let refused = |url: &str| Server::refused(&["--catalog", url], &[]);
    let refusal = refused("postgres://tester:canary@127.0.0.1:1/catalog");
    assert_eq!(refusal.code, Some(2));
    assert!(refusal.standard_error.contains("127.0.0.1:1/catalog"), "{}", refusal.standard_error);
    assert!(!refusal.standard_error.contains("canary"), "{}", refusal.standard_error);
    let refusal = refused("mysql://host/catalog");
    assert!(refusal.standard_error.contains("postgres://"), "{}", refusal.standard_error);

    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("catalog.sqlite"), "this is no database, only a text of some length").unwrap();
    let refusal = Server::refused(&["--data-dir", &data::path(directory.path())], &[]);
    assert_eq!(refusal.code, Some(2));
    assert!(refusal.standard_error.contains("catalog.sqlite"), "{}", refusal.standard_error);
}
