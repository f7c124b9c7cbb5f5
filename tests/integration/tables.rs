//! Tables that are kept: several writers, readers meanwhile, servers that are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::client::{column, connect, value};
use crate::data;
use crate::server::Server;
use crate::shared_catalog::{SharedCatalog, until_known};

/// Accounts between which money is moved; their sum never changes.
const ACCOUNTS: i32 = 10;
const TOTAL: &str = "1000";

async fn make_accounts(client: &Client) {
    let sql = format!("CREATE TABLE accounts AS SELECT CAST(i AS int) AS id, 100 AS amount FROM generate_series(1, {ACCOUNTS}) AS s(i)");
    client.batch_execute(&sql).await.unwrap();
}

async fn total(client: &Client) -> Option<String> {
    value(client, "SELECT sum(amount) FROM accounts").await
}

/// Moves 1 from one account to another until it works. Gives how often somebody else was faster.
async fn transfer(client: &Client, from: i32, to: i32) -> u32 {
    let mut conflicts = 0;
    loop {
        let sql = format!(
            "BEGIN; UPDATE accounts SET amount = amount - 1 WHERE id = {from};
             UPDATE accounts SET amount = amount + 1 WHERE id = {to}; COMMIT"
        );
        match client.batch_execute(&sql).await {
            Ok(()) => return conflicts,
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => conflicts += 1,
            Err(error) => panic!("{error}: {:?}", error.as_db_error()),
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Some of `writers` move money at the same time, while somebody reads.
async fn move_money(addresses: &[std::net::SocketAddr], writers: i32, transfers: i32) -> u32 {
    let done = Arc::new(AtomicBool::new(false));
    let reader = connect(addresses[0]).await;
    let reading = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(total(&reader).await.as_deref(), Some(TOTAL));
                reads += 1;
            }
            reads
        }
    });
    let mut writing = vec![];
    for writer in 0..writers {
        let client = connect(addresses[writer as usize % addresses.len()]).await;
        writing.push(tokio::spawn(async move {
            let mut conflicts = 0;
            for number in 0..transfers {
                let from = 1 + (writer + number) % ACCOUNTS;
                conflicts += transfer(&client, from, 1 + from % ACCOUNTS).await;
            }
            conflicts
        }));
    }
    let mut conflicts = 0;
    for writer in writing {
        conflicts += writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 0);
    conflicts
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_time_lose_nothing() {
    let server = Server::start::<&str>(&[]);
    let client = connect(server.postgres()).await;
    make_accounts(&client).await;
    // The long form: 8 writers of as many transfers as asked for.
    let transfers = std::env::var("ARBALEST_TEST_TRANSFERS").ok().and_then(|transfers| transfers.parse().ok());
    let (writers, transfers) = transfers.map_or((4, 10), |transfers| (8, transfers));
    let conflicts = move_money(&[server.postgres()], writers, transfers).await;
    assert!(conflicts > 0);
    assert_eq!(total(&client).await.as_deref(), Some(TOTAL));
    assert_eq!(value(&client, "SELECT count(*) FROM accounts").await.as_deref(), Some("10"));

    // Statements of their own are run again until they are done.
    let mut writing = vec![];
    for _ in 0..4 {
        let client = connect(server.postgres()).await;
        writing.push(tokio::spawn(async move {
            for _ in 0..5 {
                client.batch_execute("UPDATE accounts SET amount = amount + 1").await.unwrap();
                client.batch_execute("INSERT INTO accounts VALUES (99, 0)").await.unwrap();
            }
        }));
    }
    for writer in writing {
        writer.await.unwrap();
    }
    assert_eq!(value(&client, "SELECT count(*) FROM accounts WHERE id = 99").await.as_deref(), Some("20"));
    assert_eq!(value(&client, "SELECT sum(amount) FROM accounts WHERE id < 99").await.as_deref(), Some("1200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_share_tables() {
    let Some(shared) = SharedCatalog::start(&[]) else { return };
    let clients = shared.connect().await;
    make_accounts(&clients[0]).await;
    until_known(&clients[1], "SELECT 1 FROM accounts").await;
    // Rows of one server are seen by the other at once.
    for (number, client) in clients.iter().cycle().take(4).enumerate() {
        client.batch_execute(&format!("INSERT INTO accounts VALUES ({}, 0)", 100 + number)).await.unwrap();
        let rows = Some((11 + number).to_string());
        assert_eq!(value(&clients[(number + 1) % 2], "SELECT count(*) FROM accounts").await, rows);
    }
    move_money(&shared.servers.each_ref().map(Server::postgres), 4, 5).await;
    assert_eq!(total(&clients[1]).await.as_deref(), Some(TOTAL));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_sees_one_moment_and_the_first_to_commit_wins() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await.unwrap();
    one.batch_execute("BEGIN; SELECT a FROM t").await.unwrap();
    other.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM t").await.as_deref(), Some("1"));
    // Rows that are added do not conflict with one another.
    one.batch_execute("INSERT INTO t VALUES (3); COMMIT").await.unwrap();
    assert_eq!(column(&one, "SELECT a FROM t ORDER BY a").await, ["1", "2", "3"]);

    one.batch_execute("BEGIN; DELETE FROM t WHERE a = 1").await.unwrap();
    other.batch_execute("UPDATE t SET a = 10 WHERE a = 1").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    assert_eq!(column(&one, "SELECT a FROM t ORDER BY a").await, ["2", "3", "10"]);

    // Of two tables both are changed or none.
    one.batch_execute("CREATE TABLE u AS SELECT 1 AS b").await.unwrap();
    one.batch_execute("BEGIN; INSERT INTO u VALUES (2); DELETE FROM t WHERE a = 2").await.unwrap();
    other.batch_execute("DELETE FROM t WHERE a = 2").await.unwrap();
    one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(column(&one, "SELECT b FROM u").await, ["1"]);

    let error = one.batch_execute("BEGIN; DROP TABLE t; SELECT 1/0").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO), "{error}");
    one.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM t").await.as_deref(), Some("2"));
}

/// Kills the server while it writes, and looks at what is there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_tables_as_they_were_or_as_they_will_be() {
    let directory = TempDir::new().unwrap();
    let arguments = ["--data-dir", &data::path(directory.path())];
    let rounds: u64 = std::env::var("ARBALEST_TEST_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let mut acknowledged = 0_i64;
    for round in 0..rounds {
        let server = Server::start(&arguments);
        let client = connect(server.postgres()).await;
        if round == 0 {
            client.batch_execute("CREATE TABLE log (round int, step int); CREATE TABLE twin AS SELECT * FROM log").await.unwrap();
        }
        let rows = value(&client, "SELECT count(*) FROM log").await.unwrap().parse::<i64>().unwrap();
        assert!(rows == acknowledged || rows == acknowledged + 10, "{rows} of {acknowledged}");
        assert_eq!(value(&client, "SELECT count(DISTINCT round * 1000 + step) * 10 FROM log").await, Some(rows.to_string()));
        assert_eq!(value(&client, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'made%' AND tablename <> 'made'").await.as_deref(), Some("0"));
        acknowledged = rows;
        let steps = tokio::spawn(async move {
            let mut done = 0;
            for step in 0.. {
                let values: Vec<String> = (0..10).map(|_| format!("({round}, {step})")).collect();
                let insert = format!("INSERT INTO log VALUES {}", values.join(", "));
                if client.batch_execute(&insert).await.is_err() {
                    break;
                }
                done += 10;
                let made = "BEGIN; CREATE TABLE made_new AS SELECT * FROM log; DROP TABLE IF EXISTS made; ALTER TABLE made_new RENAME TO made; COMMIT";
                if client.batch_execute(made).await.is_err() {
                    break;
                }
            }
            done
        });
        // At a moment that differs from round to round.
        tokio::time::sleep(Duration::from_millis(100 + 37 * (round * 7 % 11))).await;
        drop(server);
        acknowledged += steps.await.unwrap();
    }
    let server = Server::start(&arguments);
    let client = connect(server.postgres()).await;
    let rows = value(&client, "SELECT count(*) FROM log").await.unwrap().parse::<i64>().unwrap();
    assert!(rows == acknowledged || rows == acknowledged + 10, "{rows} of {acknowledged}");
}

/// What failed or was taken back leaves no files.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_committed_leaves_no_files() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--data-dir", &data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    client.batch_execute("CREATE TABLE t AS SELECT CAST(i AS int) AS a FROM generate_series(1, 100) AS s(i)").await.unwrap();
    let files = || {
        let pattern = directory.path().join("warehouse/**/*");
        glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).filter(|path| path.is_file()).count()
    };
    let before = files();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1); CREATE TABLE u AS SELECT * FROM t; UPDATE t SET a = 5; ROLLBACK").await.unwrap();
    client.batch_execute("CREATE TABLE v AS SELECT 1 / (a - 50) AS x FROM t").await.unwrap_err();
    client.batch_execute("CREATE TABLE w (a int NOT NULL); DROP TABLE w").await.unwrap();
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await.unwrap_err();
    client.batch_execute("INSERT INTO t SELECT 1 / (a - 50) FROM t").await.unwrap_err();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while files() > before && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(files(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_together_and_removed() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--data-dir", &data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    client.batch_execute("CREATE TABLE t (a int, p text) PARTITIONED BY (p)").await.unwrap();
    for number in 0..5 {
        client.batch_execute(&format!("INSERT INTO t VALUES ({number}, 'x y'), ({number}, 'z')")).await.unwrap();
    }
    let files = || {
        let pattern = directory.path().join("warehouse/**/*.parquet");
        glob::glob(pattern.to_str().unwrap()).unwrap().count()
    };
    assert_eq!(files(), 10);
    // What is young stays.
    client.batch_execute("OPTIMIZE t").await.unwrap();
    client.batch_execute("VACUUM t").await.unwrap();
    assert_eq!(files(), 12);
    client.batch_execute("SET arbalest.vacuum_retention = 0").await.unwrap();
    client.batch_execute("VACUUM").await.unwrap();
    assert_eq!(files(), 2);
    let sums = "SELECT p || ' ' || count(*) || ' ' || sum(a) FROM t GROUP BY p ORDER BY p";
    assert_eq!(column(&client, sums).await, ["x y 5 10", "z 5 10"]);
    client.batch_execute("OPTIMIZE t").await.unwrap();
    assert_eq!(files(), 2);
}

/// A block whose view of the columns is old changes nothing by it.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_meanwhile_are_a_conflict() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE t AS SELECT 1 AS id, 2 AS a; CREATE TABLE u AS SELECT 1 AS x").await.unwrap();
    for change in ["ALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 5"] {
        one.batch_execute("BEGIN; SELECT x FROM u").await.unwrap();
        other.batch_execute(change).await.unwrap();
        let error = one.batch_execute("DELETE FROM t WHERE id = 7; INSERT INTO t (id) VALUES (7); COMMIT").await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
        one.batch_execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(column(&one, "SELECT id || ' ' || b || ' ' || c FROM t").await, ["1 2 5"]);
    one.batch_execute("BEGIN; ALTER TABLE t ADD COLUMN d int; UPDATE t SET d = 9").await.unwrap();
    assert_eq!(value(&one, "SELECT d FROM t").await.as_deref(), Some("9"));
    one.batch_execute("ROLLBACK").await.unwrap();
    // A rule that came meanwhile is kept too.
    one.batch_execute("BEGIN; INSERT INTO t VALUES (-1, 0, 0)").await.unwrap();
    other.batch_execute("ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    // TRUNCATE empties all of its tables or none.
    one.batch_execute("TRUNCATE t, u, t").await.unwrap();
    assert_eq!(value(&one, "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)").await.as_deref(), Some("0"));
}

/// Who puts rows in the place of all others must have seen all others.
#[tokio::test(flavor = "multi_thread")]
async fn what_replaces_all_rows_replaces_what_came_meanwhile() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE b (a int); CREATE MATERIALIZED VIEW m AS SELECT a FROM b; INSERT INTO b VALUES (1), (2)").await.unwrap();
    one.batch_execute("BEGIN; REFRESH MATERIALIZED VIEW m").await.unwrap();
    other.batch_execute("REFRESH MATERIALIZED VIEW m").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    assert_eq!(column(&one, "SELECT a FROM m ORDER BY a").await, ["1", "2"]);
    // Also together with other statements.
    one.batch_execute("CREATE TABLE o (a int)").await.unwrap();
    one.batch_execute("BEGIN; INSERT OVERWRITE o SELECT 1; INSERT INTO o VALUES (2)").await.unwrap();
    other.batch_execute("INSERT INTO o VALUES (3)").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    // Statements of their own are run again.
    let refresh = |client: Client| async move {
        for _ in 0..5 {
            client.batch_execute("REFRESH MATERIALIZED VIEW m").await.unwrap();
        }
    };
    tokio::join!(refresh(one), refresh(other));
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, "SELECT a FROM m ORDER BY a").await, ["1", "2"]);
}

/// A client that goes away in a block leaves nothing.
/// What is added to a table while another is made of its rows, to take its place, is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_not_replaced_by_what_it_was() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 1 AS a").await.unwrap();
    one.batch_execute("BEGIN; CREATE OR REPLACE TABLE t AS SELECT a, 'x' AS b FROM t").await.unwrap();
    other.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    let error = one.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    assert_eq!(column(&one, "SELECT a FROM t ORDER BY a").await, ["1", "2"]);

    // Nor is it written to once it is replaced.
    other.batch_execute("BEGIN; INSERT INTO t VALUES (3); INSERT INTO u VALUES (3)").await.unwrap();
    one.batch_execute("CREATE OR REPLACE TABLE t AS SELECT 7 AS a").await.unwrap();
    let error = other.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error}");
    assert_eq!(column(&one, "SELECT a FROM t UNION ALL SELECT a FROM u ORDER BY a").await, ["1", "7"]);

    // Unless that was taken back.
    one.batch_execute("BEGIN; SAVEPOINT s; CREATE OR REPLACE TABLE t AS SELECT a + 1 AS a FROM t; ROLLBACK TO s").await.unwrap();
    one.batch_execute("INSERT INTO t VALUES (8); COMMIT; DELETE FROM t WHERE a = 8").await.unwrap();
    assert_eq!(column(&one, "SELECT a FROM t").await, ["7"]);

    // Statements of their own are run again, also those that others come in the way of all the time.
    other.batch_execute("ROLLBACK").await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let adding = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut rows = 0;
            while !done.load(Ordering::Relaxed) {
                other.batch_execute("INSERT INTO t (a) VALUES (1)").await.unwrap();
                rows += 1;
            }
            rows
        }
    });
    for number in 0..3 {
        one.batch_execute("CREATE OR REPLACE TABLE t AS SELECT * FROM t").await.unwrap();
        one.batch_execute(&format!("ALTER TABLE t ADD COLUMN c{number} int DEFAULT 1")).await.unwrap();
        one.batch_execute(&format!("ALTER TABLE t DROP COLUMN c{number}")).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let rows: usize = adding.await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM t").await, Some((rows + 1).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_a_block_leaves_no_files() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--data-dir", &data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await.unwrap();
    let files = || {
        let pattern = directory.path().join("warehouse/**/*");
        glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).filter(|path| path.is_file()).count()
    };
    let before = files();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2); CREATE TABLE u AS SELECT * FROM t").await.unwrap();
    assert!(files() > before);
    drop(client);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while files() > before {
        assert!(std::time::Instant::now() < deadline, "{} files", files());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
