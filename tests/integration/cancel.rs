//! A cancelled or abandoned statement stops, whatever it is doing, and leaves no work and no files behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use tokio_postgres::Client;

use crate::client::{PATIENCE, cancel, connect, connect_with_driver, describe, sql_state, value};
use crate::server::Server;

/// What a person waits for at most after Ctrl-C.
const PROMPT: Duration = Duration::from_secs(2);

/// Four thousand million pairs, each compared by text: minutes of work without a row.
const LONG: &str = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'";
/// A join of equal values, of which each row has many thousands of partners, and no row is left at the end.
const MULTIPLYING: &str = "SELECT count(*)
     FROM lineitem a JOIN lineitem b USING (l_linestatus) JOIN lineitem c USING (l_linestatus)
     WHERE a.l_tax + b.l_tax + c.l_tax < 0";
/// Rows as soon as it starts, for a long time.
const STREAMING: &str = "SELECT a.* FROM lineitem a, lineitem b";
/// A cluster keeps a result on its disks before it sends it: a million and a half rows.
const STREAMING_DISTRIBUTED: &str = "SELECT a.* FROM lineitem a, nation b";
/// Sorts more than fits, so that files are open when it is cancelled.
const SPILLING: &str = "SELECT a.l_comment, b.* FROM lineitem a, nation b ORDER BY a.l_comment, b.n_comment, a.l_shipdate";

#[tokio::test(flavor = "multi_thread")]
async fn while_running_local() {
    while_running("local", LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_running_distributed() {
    while_running("distributed", LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_multiplying_local() {
    while_running("local", MULTIPLYING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_multiplying_distributed() {
    while_running("distributed", MULTIPLYING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_streaming_local() {
    while_streaming("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_streaming_distributed() {
    while_streaming("distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_running_local() {
    connection_dropped("local", LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_running_distributed() {
    connection_dropped("distributed", LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_spilling_local() {
    connection_dropped("local", SPILLING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_spilling_distributed() {
    connection_dropped("distributed", SPILLING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_streaming_local() {
    reader_gone("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_dropped_while_streaming_distributed() {
    reader_gone("distributed").await;
}

/// A statement that takes long to plan is cancelled before it runs.
#[tokio::test(flavor = "multi_thread")]
async fn while_planning() {
    let server = start();
    let client = connect(server.postgres()).await;
    let joins: String = (1..1_000).map(|n| format!(" JOIN nation n{n} ON n{n}.n_nationkey = n0.n_regionkey")).collect();
    let sql = format!("SELECT count(*) FROM nation n0{joins}");
    let token = client.cancel_token();
    let start = Instant::now();
    let statement = tokio::spawn(async move { (client.simple_query(&sql).await, client) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = Instant::now();
    cancel(&token).await;
    let (result, client) = tokio::time::timeout(PATIENCE, statement).await.expect("an answer").unwrap();
    match result {
        Err(error) => {
            assert!(["57014", "54001"].contains(&sql_state(&error).as_str()), "{}", describe(&error));
            assert!(asked.elapsed() < PROMPT, "{:?} after the request", asked.elapsed());
        }
        Ok(_) => assert!(start.elapsed() < PROMPT, "planned and run in spite of the request"),
    }
    assert_eq!(value(&client, "SELECT 1").await.as_deref(), Some("1"));
    idle(&server, &server.files()).await;
}

/// A key of nobody, or of an idle session, does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn of_nothing() {
    let server = start();
    let client = connect(server.postgres()).await;
    cancel(&client.cancel_token()).await;
    // The protocol does not say when a request has been looked at; one that is late would end the next statement.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(value(&client, "SELECT 1").await.as_deref(), Some("1"));
    let token = connect(server.postgres()).await.cancel_token();
    tokio::time::sleep(Duration::from_millis(100)).await;
    cancel(&token).await;
    assert_eq!(value(&client, "SELECT 1").await.as_deref(), Some("1"));
}

/// One session's request ends its own statement only.
#[tokio::test(flavor = "multi_thread")]
async fn of_one_session_only() {
    let server = start();
    let (first, second) = (connect(server.postgres()).await, connect(server.postgres()).await);
    let token = first.cancel_token();
    let long = tokio::spawn(async move { first.simple_query(LONG).await });
    let other = tokio::spawn(async move {
        let sql = "SELECT count(*) FROM lineitem a, nation b WHERE a.l_comment || b.n_comment LIKE '%zzqzz%'";
        value(&second, sql).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    cancel(&token).await;
    let error = tokio::time::timeout(PATIENCE, long).await.expect("an answer").unwrap().expect_err("cancelled");
    assert_eq!(sql_state(&error), "57014");
    assert_eq!(other.await.unwrap().as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_statement_timeout() {
    let server = start();
    let client = connect(server.postgres()).await;
    for mode in ["local", "distributed"] {
        set_mode(&client, mode).await;
        client.batch_execute("SET statement_timeout = '500ms'").await.unwrap();
        let start = Instant::now();
        let error = client.simple_query(LONG).await.expect_err("too slow");
        assert_eq!(sql_state(&error), "57014", "{}", describe(&error));
        assert!(describe(&error).contains("statement timeout"), "{}", describe(&error));
        assert!(start.elapsed() < Duration::from_millis(500) + PROMPT, "{mode}: {:?}", start.elapsed());
        client.batch_execute("RESET statement_timeout").await.unwrap();
    }
    idle(&server, &server.files()).await;
}

fn start() -> Server {
    Server::start(&["--sample", "tpch=0.01"])
}

async fn set_mode(client: &Client, mode: &str) {
    client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
}

fn streaming(mode: &str) -> &'static str {
    if mode == "local" { STREAMING } else { STREAMING_DISTRIBUTED }
}

async fn while_running(mode: &str, sql: &'static str) {
    let server = start();
    let files = server.files();
    let client = connect(server.postgres()).await;
    set_mode(&client, mode).await;
    let token = client.cancel_token();
    let statement = tokio::spawn(async move { (client.simple_query(sql).await, client) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!statement.is_finished(), "the statement is not long enough for this test");
    let asked = Instant::now();
    cancel(&token).await;
    let (result, client) = tokio::time::timeout(PATIENCE, statement).await.expect("an answer").unwrap();
    let error = result.expect_err("cancelled");
    assert_eq!(sql_state(&error), "57014", "{}", describe(&error));
    assert!(asked.elapsed() < PROMPT, "{:?} after the request", asked.elapsed());
    assert_eq!(value(&client, "SELECT count(*) FROM nation").await.as_deref(), Some("25"));
    idle(&server, &files).await;
}

async fn while_streaming(mode: &str) {
    let server = start();
    let files = server.files();
    let client = connect(server.postgres()).await;
    set_mode(&client, mode).await;
    let token = client.cancel_token();
    let parameters: [i32; 0] = [];
    let mut rows = Box::pin(client.query_raw(streaming(mode), parameters).await.unwrap());
    for _ in 0..1_000 {
        rows.try_next().await.unwrap().expect("more rows");
    }
    let asked = Instant::now();
    cancel(&token).await;
    let error = loop {
        match rows.try_next().await {
            Ok(Some(_)) => assert!(asked.elapsed() < PATIENCE, "rows go on"),
            Ok(None) => panic!("the result ended as if it were complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(sql_state(&error), "57014", "{}", describe(&error));
    assert!(asked.elapsed() < PROMPT, "{:?} after the request", asked.elapsed());
    drop(rows);
    assert_eq!(value(&client, "SELECT count(*) FROM nation").await.as_deref(), Some("25"));
    idle(&server, &files).await;
}

/// The client's process is killed: its socket closes in the middle of a statement.
async fn connection_dropped(mode: &str, sql: &'static str) {
    let server = Server::start(&["--sample", "tpch=0.01", "--memory", "64MiB"]);
    let files = server.files();
    let (client, driver) = connect_with_driver(server.postgres()).await;
    set_mode(&client, mode).await;
    let statement = tokio::spawn(async move { client.simple_query(sql).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(700)).await;
    driver.abort();
    let _ = driver.await;
    // With its connection gone the client's call fails, or had been answered before.
    let _ = statement.await;
    idle(&server, &files).await;
    let client = connect(server.postgres()).await;
    assert_eq!(value(&client, "SELECT count(*) FROM nation").await.as_deref(), Some("25"));
}

/// The client stops reading in the middle of a result, then goes away.
async fn reader_gone(mode: &str) {
    let server = start();
    let files = server.files();
    let (client, driver) = connect_with_driver(server.postgres()).await;
    set_mode(&client, mode).await;
    let parameters: [i32; 0] = [];
    let mut rows = Box::pin(client.query_raw(streaming(mode), parameters).await.unwrap());
    for _ in 0..100 {
        rows.try_next().await.unwrap().expect("more rows");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    driver.abort();
    let _ = driver.await;
    idle(&server, &files).await;
}

/// Within five seconds the server uses no processor time, holds no more files than it held, and no removed file is open.
pub async fn idle(server: &Server, files: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let before = server.processor_time();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let busy = server.processor_time() - before;
        let open = server.deleted_open_files();
        let new: Vec<_> = server.files().into_iter().filter(|file| !files.contains(file)).collect();
        if busy < Duration::from_millis(100) && open.is_empty() && new.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            panic!("busy for {busy:?} of 500 ms, left on disk: {new:?}, open: {open:?}");
        }
    }
}
