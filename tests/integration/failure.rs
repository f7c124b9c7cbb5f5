//! Processes are killed, stopped and started again while queries run: the answer is right, or says what happened.

use std::time::Duration;

use tokio_postgres::Client;

use crate::client::{column, connect, describe};
use crate::cluster::{Cluster, PATIENCE, until};
use crate::server::Server;

/// Several stages, and a second or so of work.
const STAGES: &str = "SELECT o_orderpriority, count(*), sum(l_extendedprice * (1 - l_discount)), count(DISTINCT l_suppkey)
    FROM lineitem JOIN orders ON o_orderkey = l_orderkey JOIN partsupp ON ps_partkey = l_partkey
    WHERE l_comment || ps_comment NOT LIKE '%a%b%c%d%e%f%g%h%' GROUP BY o_orderpriority ORDER BY o_orderpriority";

async fn setting(cluster: &Cluster) -> (Server, Client, Vec<String>) {
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    client.simple_query("SET arbalest.execution_mode = 'local'").await.unwrap();
    let expected = column(&client, STAGES).await;
    client.simple_query("SET arbalest.execution_mode = 'auto'").await.unwrap();
    (server, client, expected)
}

/// Runs the query while `fault` strikes some time after its first task has started.
async fn during(
    cluster: &mut Cluster,
    server: &Server,
    delay: Duration,
    fault: impl FnOnce(&mut Cluster),
) -> Result<Vec<String>, String> {
    let client = connect(server.postgres()).await;
    let query = tokio::spawn(async move {
        let rows = client.simple_query(STAGES).await.map_err(|error| describe(&error))?;
        let first = rows.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        });
        Ok::<_, String>(first.collect())
    });
    until("tasks run", async || cluster.tasks().await > 0.0 || query.is_finished()).await;
    tokio::time::sleep(delay).await;
    fault(cluster);
    tokio::time::timeout(2 * PATIENCE, query).await.expect("an answer").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_killed() {
    let mut cluster = Cluster::start(3).await;
    let (server, _client, expected) = setting(&cluster).await;
    for milliseconds in [0, 150, 400] {
        let rows = during(&mut cluster, &server, Duration::from_millis(milliseconds), |cluster| {
            cluster.executors.remove(0).kill();
            cluster.add_executor(&[]);
        });
        assert_eq!(rows.await.as_ref(), Ok(&expected), "after {milliseconds} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_is_killed() {
    let mut cluster = Cluster::start(2).await;
    let (server, client, expected) = setting(&cluster).await;
    let rows = during(&mut cluster, &server, Duration::ZERO, Cluster::restart_scheduler).await;
    assert_eq!(rows.as_ref(), Ok(&expected));
    cluster.until_ready().await;
    assert_eq!(column(&client, STAGES).await, expected);
    assert!(server.standard_error().contains("the query is run again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_executors_are_killed_and_one_returns() {
    let mut cluster = Cluster::start(2).await;
    let (server, client, expected) = setting(&cluster).await;
    let error = during(&mut cluster, &server, Duration::from_millis(100), |cluster| cluster.executors.clear()).await;
    let error = error.expect_err("nobody can run it");
    assert!(error.starts_with("57P01 "), "{error}");
    cluster.add_executor(&[]);
    cluster.until_ready().await;
    assert_eq!(column(&client, STAGES).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_stopped_and_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let (server, client, expected) = setting(&cluster).await;
    let rows = during(&mut cluster, &server, Duration::from_millis(100), |cluster| {
        cluster.executors[0].signal("STOP");
        std::thread::sleep(Duration::from_secs(2));
        cluster.executors[0].signal("CONT");
    });
    assert_eq!(rows.await.as_ref(), Ok(&expected));
    assert_eq!(column(&client, STAGES).await, expected);
}

/// 64 MB for the exchange of 600,000 wide groups.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_its_query_by_name_and_is_empty_again() {
    const EXCHANGE: &str = "SELECT count(*) FROM (SELECT l_orderkey, l_linenumber, repeat(l_comment, 10), count(*) FROM lineitem
        GROUP BY 1, 2, 3) AS t";
    let mut cluster = Cluster::start(0).await;
    let disk = cluster.add_executor_on_small_disk(64 << 20);
    cluster.until_ready().await;
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
    let node = cluster.executors[0].address_of("executor").to_string();
    for _ in 0..2 {
        let error = describe(&client.simple_query(EXCHANGE).await.unwrap_err());
        assert!(error.starts_with("53100 ") && error.contains(&node), "{error}");
        until("the disk is empty", async || cluster.executors[0].files(&disk).is_empty()).await;
        assert_eq!(column(&client, "SELECT count(*) FROM lineitem WHERE l_quantity < 0").await, ["0"]);
    }
}

/// Bytes anywhere in a file are overwritten: footers, page headers, dictionaries, levels and values. (Values have no
/// checksum, so that a query may also answer.)
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_file_fails_its_query_alone() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let file = server.data_directory().join("sample/tpch-0.01/lineitem/part-0001.parquet");
    let whole = std::fs::read(&file).unwrap();
    let client = connect(server.postgres()).await;
    let sql = "SELECT count(*), min(l_comment), sum(l_extendedprice), max(l_shipdate), count(DISTINCT l_shipmode) FROM lineitem";
    let mut failed = 0;
    for case in 0..40_usize {
        let mut content = whole.clone();
        // Half of the cases at the end, where the footer is.
        let range = if case % 2 == 0 { 0..whole.len() } else { whole.len() - 4_000..whole.len() };
        let at = range.start + case.wrapping_mul(7_919_113) % (range.len() - 16);
        content[at..at + 16].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(case as u8));
        std::fs::write(&file, content).unwrap();
        for mode in ["local", "distributed"] {
            client.simple_query(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
            let answer = tokio::time::timeout(PATIENCE, client.simple_query(sql)).await.expect("an answer");
            if let Err(error) = answer {
                let text = describe(&error);
                assert!(!text.starts_with("XX000 "), "case {case}, {mode}: {text}");
                failed += 1;
            }
        }
    }
    assert!(failed >= 20, "only {failed} of 80 queries have noticed");
    std::fs::write(&file, whole).unwrap();
    assert_eq!(column(&client, "SELECT count(*) FROM lineitem").await, ["60175"]);
}
