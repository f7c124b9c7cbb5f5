//! SIGTERM: no new connections, running statements finish within the grace period, exit code 0; a second one forces.

use std::time::{Duration, Instant};

use crate::client::{PATIENCE, connect, describe, sql_state, try_connect, value};
use crate::server::Server;

/// Some seconds of work on two cores.
const SOME_SECONDS: &str =
    "SELECT count(*) FROM lineitem a, (SELECT * FROM lineitem LIMIT 1500) b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'";
const MINUTES: &str = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_statement_finishes_local() {
    a_running_statement_finishes("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_statement_finishes_distributed() {
    a_running_statement_finishes("distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_told_and_closed() {
    let mut server = start(&[]);
    let (client, connection) = tokio_postgres::connect(
        &format!("host=127.0.0.1 port={} user=tester dbname=arbalest", server.postgres().port()),
        tokio_postgres::NoTls,
    )
    .await
    .unwrap();
    let driver = tokio::spawn(connection);
    assert_eq!(value(&client, "SELECT 1").await.as_deref(), Some("1"));
    server.terminate();
    let error = tokio::time::timeout(PATIENCE, driver).await.expect("the connection ends").unwrap().expect_err("FATAL");
    assert_eq!(sql_state(&error), "57P01", "{}", describe(&error));
    assert_eq!(server.wait(Duration::from_secs(5)).and_then(|status| status.code()), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_period_ends() {
    let mut server = start(&["--shutdown-grace", "1s"]);
    let client = connect(server.postgres()).await;
    let statement = tokio::spawn(async move { client.simple_query(MINUTES).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = Instant::now();
    server.terminate();
    let error = tokio::time::timeout(PATIENCE, statement).await.expect("an answer").unwrap().expect_err("cancelled");
    assert_eq!(sql_state(&error), "57P01", "{}", describe(&error));
    assert!(server.wait(Duration::from_secs(10)).is_some(), "it ends");
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?} with a grace period of 1 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_forces() {
    let mut server = start(&["--shutdown-grace", "60s"]);
    let client = connect(server.postgres()).await;
    let statement = tokio::spawn(async move { client.simple_query(MINUTES).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.terminate();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(server.is_running(), "it waits for the statement");
    server.terminate();
    assert!(server.wait(Duration::from_secs(5)).is_some(), "a second signal ends it");
    assert!(statement.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_withdrawn() {
    let mut server = start(&["--shutdown-grace", "60s"]);
    let client = connect(server.postgres()).await;
    let statement = tokio::spawn(async move { client.simple_query(SOME_SECONDS).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let url = format!("http://{}/ready", server.web());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    server.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 503);
    statement.await.unwrap().unwrap();
    assert_eq!(server.wait(PATIENCE).and_then(|status| status.code()), Some(0));
}

async fn a_running_statement_finishes(mode: &str) {
    let mut server = start(&[]);
    let client = connect(server.postgres()).await;
    client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
    let statement = tokio::spawn(async move { value(&client, SOME_SECONDS).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!statement.is_finished(), "the statement is too short for this test");
    let address = server.postgres();
    server.terminate();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(try_connect(address).await.is_err(), "a new connection is accepted while draining");
    let answer = tokio::time::timeout(PATIENCE, statement).await.expect("an answer").unwrap();
    assert_eq!(answer.as_deref(), Some("0"));
    assert_eq!(server.wait(Duration::from_secs(10)).and_then(|status| status.code()), Some(0), "{}", server.standard_error());
    let spilled: Vec<_> = server.files().into_iter().filter(|file| !file.to_string_lossy().ends_with(".parquet")).collect();
    assert!(spilled.iter().all(|file| !file.to_string_lossy().contains("spill")), "{spilled:?}");
}

fn start(arguments: &[&str]) -> Server {
    Server::start(&[&["--sample", "tpch=0.01"], arguments].concat())
}
