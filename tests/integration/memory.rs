//! Results are streamed and work is bounded: memory does not grow with the rows, a slow client slows the scan.

use std::time::Duration;

use futures::TryStreamExt;

use crate::cancel::idle;
use crate::client::{connect, connect_with_driver, value};
use crate::server::Server;

const MIB: u64 = 1024 * 1024;

/// What a query may hold beyond its pool: plans, buffers of files and sockets, the allocator's slack.
const SLACK: u64 = 300 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn does_not_grow_with_the_result_local() {
    large_result("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_grow_with_the_result_distributed() {
    large_result("distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_stops_the_query_local() {
    slow_reader("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_stops_the_query_distributed() {
    slow_reader("distributed").await;
}

/// 400 MB of rows, sorted in a pool of 192 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_sort_beyond_the_pool_spills() {
    let server = Server::start(&["--sample", "tpch=0.1", "--memory", "384MiB"]);
    let client = connect(server.postgres()).await;
    let files = server.files();
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        let sql = "SELECT count(*), count(n) FROM (\
                     SELECT l_comment, row_number() OVER (ORDER BY l_comment, l_orderkey, r_name) AS n FROM lineitem, region\
                   ) AS t";
        let rows = value(&client, "SELECT count(*) * 5 FROM lineitem").await;
        let before = server.resident_bytes();
        assert_eq!(value(&client, sql).await, rows, "{mode}");
        let grown = server.resident_bytes().saturating_sub(before);
        assert!(grown < 384 * MIB + SLACK, "{mode}: grown by {} MiB", grown / MIB);
        idle(&server, &files).await;
    }
}

/// 600 MB of rows in pools of 128 MiB: all of them are sorted, numbered and grouped. Joins, and ten times the pool, are in
/// `tests/benchmark/spill.py`.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_the_pool_spills() {
    let server = Server::start(&["--sample", "tpch=0.5", "--memory", "256MiB"]);
    let client = connect(server.postgres()).await;
    let files = server.files();
    let rows = value(&client, "SELECT count(*) FROM lineitem").await.expect("a count");
    // Every column is read, and its values are used above the operator that spills.
    let used = "sum(length(l_comment) + length(l_shipmode) + length(l_shipinstruct) + length(l_returnflag)), sum(l_quantity),
        sum(l_extendedprice), sum(l_discount), sum(l_tax), max(l_shipdate), max(l_commitdate), max(l_receiptdate), sum(l_suppkey)";
    let row_by_row = |sql: &str| format!("SELECT concat_ws(' ', {}) FROM {sql} AS t", used.replace("\n", " "));
    let expected = value(&client, &row_by_row("(SELECT * FROM lineitem)")).await;
    let all = [
        row_by_row("(SELECT * FROM (SELECT *, row_number() OVER (ORDER BY l_comment, l_orderkey) AS n FROM lineitem) AS t WHERE n > 0)"),
        row_by_row("(SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY l_partkey ORDER BY l_shipdate) AS n FROM lineitem) AS t WHERE n > 0)"),
        row_by_row("(SELECT DISTINCT * FROM lineitem)"),
        row_by_row("(SELECT b.* FROM lineitem a JOIN lineitem b USING (l_orderkey, l_linenumber) WHERE a.l_comment = b.l_comment)"),
    ];
    let groups = "SELECT sum(n) FROM (SELECT l_orderkey, l_linenumber, l_comment, count(*) AS n FROM lineitem GROUP BY 1, 2, 3) AS t";
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        for sql in &all {
            assert_eq!(value(&client, sql).await, expected, "{mode}: {sql}");
            idle(&server, &files).await;
        }
        assert_eq!(value(&client, groups).await.as_ref(), Some(&rows), "{mode}");
    }
}

/// The first rows of an order are kept in memory only if they fit, with all that they point into.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_many_rows_spill() {
    let server = Server::start(&["--sample", "tpch=0.5", "--memory", "96MiB"]);
    let client = connect(server.postgres()).await;
    let files = server.files();
    let used = "concat_ws(' ', count(*), sum(length(l_comment)), sum(length(l_shipinstruct)), sum(l_quantity), min(l_orderkey),
        max(l_orderkey), sum(l_extendedprice), sum(l_linenumber))";
    let key = "l_orderkey, l_linenumber";
    let first = |order: &str, rows: u64| format!("SELECT {used} FROM (SELECT * FROM lineitem ORDER BY {order} LIMIT {rows} OFFSET 5) AS t");
    let numbered = |order: &str, rows: u64| {
        format!("SELECT {used} FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS n FROM lineitem) AS t WHERE n > 5 AND n <= 5 + {rows}")
    };
    let groups = |rows: u64| format!("SELECT count(*) FROM (SELECT l_orderkey, max(l_tax) AS m FROM lineitem GROUP BY 1 ORDER BY 2 DESC LIMIT {rows}) AS t");
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        for (order, rows) in [(key.to_owned(), 2_000_000), (format!("l_extendedprice DESC, {key}"), 20_000)] {
            let expected = value(&client, &numbered(&order, rows)).await;
            assert!(expected.as_ref().is_some_and(|row| row.starts_with(&format!("{rows} "))), "{expected:?}");
            assert_eq!(value(&client, &first(&order, rows)).await, expected, "{mode}: {order}");
            idle(&server, &files).await;
        }
        // A heap with room for so many would end the process.
        let orders = value(&client, "SELECT count(*) FROM orders").await;
        assert_eq!(value(&client, &groups(1_000_000_000_000)).await, orders, "{mode}");
        assert_eq!(value(&client, &groups(700)).await.as_deref(), Some("700"), "{mode}");
    }
}

/// 1.5 million rows, some 300 MB on the wire.
async fn large_result(mode: &str) {
    let server = Server::start(&["--sample", "tpch=0.05", "--memory", "256MiB"]);
    let client = connect(server.postgres()).await;
    client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
    // The first statement fills caches and pools that stay.
    value(&client, "SELECT count(*) FROM lineitem WHERE l_comment LIKE '%fox%'").await;
    let before = server.resident_bytes();
    let parameters: [i32; 0] = [];
    let mut rows = Box::pin(client.query_raw("SELECT l.* FROM lineitem l, region", parameters).await.unwrap());
    let (mut count, mut highest) = (0u64, 0);
    while let Some(row) = rows.try_next().await.unwrap() {
        count += 1;
        if count % 100_000 == 1 {
            assert_eq!(row.len(), 16);
            highest = highest.max(server.resident_bytes());
        }
    }
    let expected = value(&client, "SELECT count(*) * 5 FROM lineitem").await;
    assert_eq!(Some(count.to_string()), expected);
    let grown = highest.saturating_sub(before);
    assert!(grown < SLACK, "grown by {} MiB for {count} rows", grown / MIB);
}

/// The server's memory and processor time stand still while the client does not read.
async fn slow_reader(mode: &str) {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let files = server.files();
    let (client, driver) = connect_with_driver(server.postgres()).await;
    client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
    let parameters: [i32; 0] = [];
    // A cluster keeps a result on its disks before it sends it.
    let other = if mode == "local" { "lineitem" } else { "nation" };
    let sql = format!("SELECT a.* FROM lineitem a, {other} b");
    let mut rows = Box::pin(client.query_raw(&sql, parameters).await.unwrap());
    rows.try_next().await.unwrap().expect("a row");
    // Socket buffers and the stages ahead fill up first.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (memory, time) = (server.resident_bytes(), server.processor_time());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = server.resident_bytes().saturating_sub(memory);
    let busy = server.processor_time() - time;
    assert!(grown < 16 * MIB, "grown by {} MiB while nobody reads", grown / MIB);
    assert!(busy < Duration::from_millis(300), "busy for {busy:?} of 2 s while nobody reads");
    // Another session is not held up.
    let other = connect(server.postgres()).await;
    assert_eq!(value(&other, "SELECT count(*) FROM nation").await.as_deref(), Some("25"));
    // Without its driver the client closes the socket; with it, it would read the rest of the rows.
    driver.abort();
    let _ = driver.await;
    idle(&server, &files).await;
}
