//! What readers see of transactions that change several tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::client::{connect, value};
use crate::data;
use crate::server::Server;
use crate::shared_catalog::{SharedCatalog, until_known};

/// Moves 1 from one table to the other, and back again.
async fn swing(client: &Client, id: u32, number: u32) {
    let (from, to) = if number.is_multiple_of(2) { ("here", "there") } else { ("there", "here") };
    let transfer = format!(
        "BEGIN; UPDATE {from} SET amount = amount - 1 WHERE id = {id}; UPDATE {to} SET amount = amount + 1 WHERE id = {id}; COMMIT"
    );
    while let Err(error) = client.batch_execute(&transfer).await {
        assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_all_of_a_transaction_or_nothing() {
    const WRITERS: u32 = 3;
    let server = Server::start::<&str>(&[]);
    let client = connect(server.postgres()).await;
    for table in ["here", "there"] {
        let make = format!("CREATE TABLE {table} AS SELECT CAST(i AS int) AS id, 50 AS amount FROM generate_series(1, 4) AS s(i)");
        client.batch_execute(&make).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut reading = vec![];
    for in_block in [false, true] {
        let (client, done) = (connect(server.postgres()).await, Arc::clone(&done));
        reading.push(tokio::spawn(async move {
            let mut reads = 0;
            let sum = async |table: &str| value(&client, &format!("SELECT sum(amount) FROM {table}")).await.unwrap().parse::<i64>().unwrap();
            while !done.load(Ordering::Relaxed) {
                let total = if in_block {
                    client.batch_execute("BEGIN").await.unwrap();
                    let total = sum("here").await + sum("there").await;
                    assert_eq!(sum("(SELECT * FROM here UNION ALL SELECT * FROM there)").await, total);
                    client.batch_execute("COMMIT").await.unwrap();
                    total
                } else {
                    sum("(SELECT * FROM here UNION ALL SELECT * FROM there)").await
                };
                assert_eq!(total, 400, "in a block: {in_block}");
                reads += 1;
            }
            reads
        }));
    }
    let mut writing = vec![];
    for writer in 0..WRITERS {
        let client = connect(server.postgres()).await;
        writing.push(tokio::spawn(async move {
            for number in 0..10 {
                swing(&client, 1 + writer, number).await;
            }
        }));
    }
    // Statements of their own come between the transactions.
    let (adder, adding) = (connect(server.postgres()).await, Arc::clone(&done));
    let adding = tokio::spawn(async move {
        while !adding.load(Ordering::Relaxed) {
            adder.batch_execute("INSERT INTO here VALUES (99, 0)").await.unwrap();
        }
    });
    for writer in writing {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    adding.await.unwrap();
    for reader in reading {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_sees_all_tables_as_of_its_first_query() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 1 AS b").await.unwrap();
    one.batch_execute("BEGIN; SELECT a FROM t").await.unwrap();
    other.batch_execute("INSERT INTO u VALUES (2); INSERT INTO u VALUES (3)").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("1"));
    // What it adds is added to what is there by then.
    one.batch_execute("INSERT INTO u VALUES (4)").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("2"));
    one.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("4"));

    // Also after everything was taken back.
    one.batch_execute("BEGIN; SAVEPOINT s; SELECT a FROM t").await.unwrap();
    other.batch_execute("INSERT INTO u VALUES (5); CREATE TABLE v AS SELECT 1 AS c").await.unwrap();
    one.batch_execute("ROLLBACK TO s").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("4"));
    let error = one.batch_execute("SELECT c FROM v").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_TABLE), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_does_not_see_what_another_server_commits_meanwhile() {
    let Some(shared) = SharedCatalog::start(&[]) else { return };
    let [one, other] = shared.connect().await;
    one.batch_execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 1 AS b").await.unwrap();
    until_known(&other, "SELECT 1 FROM t, u").await;
    other.batch_execute("INSERT INTO u VALUES (2)").await.unwrap();
    one.batch_execute("BEGIN; SELECT a FROM t").await.unwrap();
    // Their clocks count milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    other.batch_execute("INSERT INTO u VALUES (3); INSERT INTO u VALUES (4)").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("2"));
    one.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM u").await.as_deref(), Some("4"));
}

/// Columns are added by one server while the other adds rows.
#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_and_the_tables_change_together_on_all_servers() {
    let Some(shared) = SharedCatalog::start(&[]) else { return };
    let [one, other] = shared.connect().await;
    one.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    until_known(&other, "SELECT 1 FROM t").await;
    let done = Arc::new(AtomicBool::new(false));
    let adding = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut rows = 0;
            while !done.load(Ordering::Relaxed) {
                match other.batch_execute("INSERT INTO t (a) VALUES (1)").await {
                    Ok(()) => rows += 1,
                    Err(error) => assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}"),
                }
            }
            rows
        }
    });
    let mut columns = 0;
    for number in 0..12 {
        let alter = match number % 3 {
            2 => format!("ALTER TABLE t DROP COLUMN c{}", number - 1),
            _ => format!("ALTER TABLE t ADD COLUMN c{number} int"),
        };
        while let Err(error) = one.batch_execute(&alter).await {
            assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
        }
        columns += if number % 3 == 2 { 0 } else { 1 };
    }
    done.store(true, Ordering::Relaxed);
    let rows: i32 = adding.await.unwrap();
    assert!(rows > 0 && columns > 0);
    one.batch_execute("INSERT INTO t (a, c9) VALUES (1, 2)").await.unwrap();
    assert_eq!(value(&one, "SELECT sum(a) FROM t").await, Some((rows + 1).to_string()));
    assert_eq!(value(&one, "SELECT c9 FROM t WHERE c9 IS NOT NULL").await.as_deref(), Some("2"));
}

/// A transaction changes so many tables that the server dies within one.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_transaction_half_made() {
    const TABLES: usize = 15;
    let directory = TempDir::new().unwrap();
    let arguments = ["--data-dir", &data::path(directory.path())];
    let counts: Vec<String> = (0..TABLES).map(|number| format!("SELECT count(*) AS rows FROM t{number}")).collect();
    let counts = format!("SELECT min(rows) || '-' || max(rows) FROM ({}) AS counts", counts.join(" UNION ALL "));
    let inserts: String = (0..TABLES).map(|number| format!("INSERT INTO t{number} VALUES (1);")).collect();
    let mut acknowledged = 0;
    let rounds: u64 = std::env::var("ARBALEST_TEST_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    for round in 0..=rounds {
        let server = Server::start(&arguments);
        let client = connect(server.postgres()).await;
        if round == 0 {
            let creates: String = (0..TABLES).map(|number| format!("CREATE TABLE t{number} (a int);")).collect();
            client.batch_execute(&creates).await.unwrap();
        }
        let found = value(&client, &counts).await.unwrap();
        assert!(found == format!("{acknowledged}-{acknowledged}") || found == format!("{0}-{0}", acknowledged + 1), "{found} of {acknowledged}");
        if found.starts_with(&format!("{}-", acknowledged + 1)) {
            acknowledged += 1;
        }
        // A view that is made with the rows is there if they are.
        let views = value(&client, "SELECT count(*) FROM pg_views WHERE viewname LIKE 'made%'").await;
        assert_eq!(views, Some(acknowledged.to_string()));
        let transaction = inserts.clone();
        let writing = tokio::spawn(async move {
            let mut done = acknowledged;
            while client.batch_execute(&format!("BEGIN; {transaction} CREATE VIEW made{done} AS SELECT 1 AS a; COMMIT")).await.is_ok() {
                done += 1;
            }
            done
        });
        tokio::time::sleep(Duration::from_millis(300 + 37 * (round * 7 % 11))).await;
        drop(server);
        acknowledged = writing.await.unwrap();
    }
}
