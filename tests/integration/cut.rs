//! The network between two processes is cut, so that neither is told: the answer is right, or says what happened, and comes in
//! time; other queries go on; and when the network is back, so is what was behind it.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::client::{column, connect, describe};
use crate::cluster::{Cluster, PATIENCE, until};
use crate::link::Link;
use crate::server::Server;

/// Some seconds of work on a cluster of two: nine times as many rows as lineitem has.
const LONG: &str = "SELECT l_returnflag, count(*), count(DISTINCT l_partkey * 7 + n) FROM lineitem, (VALUES (1), (2), (3), (4), (5),
    (6), (7), (8), (9)) AS v(n) WHERE l_comment || n::text NOT LIKE '%a%b%c%d%e%f%g%' GROUP BY l_returnflag ORDER BY l_returnflag";
const SHORT: &str = "SELECT count(*) FROM lineitem JOIN orders ON o_orderkey = l_orderkey";
const ROWS: &str = "600572";

async fn distributed(server: &Server) -> Client {
    let client = connect(server.postgres()).await;
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.expect("a setting");
    client
}

/// Cuts `link` while a long query runs; its answer has to be right, or name the cause, within [`PATIENCE`].
async fn cut_while_a_query_runs(cluster: &Cluster, server: &Server, link: &Link) {
    let local = connect(server.postgres()).await;
    local.simple_query("SET arbalest.execution_mode = 'local'").await.expect("a setting");
    let expected = column(&local, LONG).await;
    let client = distributed(server).await;
    let query = tokio::spawn(async move {
        let rows = client.simple_query(LONG).await.map_err(|error| describe(&error))?;
        let first = rows.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok::<_, String>(first.collect::<Vec<_>>())
    });
    until("tasks run", async || cluster.tasks().await > 0.0).await;
    link.cut();
    let started = Instant::now();
    let answer = tokio::time::timeout(2 * PATIENCE, query).await.expect("an answer").expect("no panic");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    match answer {
        Ok(rows) => assert_eq!(rows, expected),
        Err(error) => assert!(error.starts_with("57P01 "), "{error}"),
    }
}

/// One more executor, which the others reach through the link.
async fn add_executor_behind_link(cluster: &mut Cluster) -> Link {
    let link = Link::new().await;
    cluster.add_executor(&["--advertise-port", &link.address().port().to_string()]);
    link.lead_to(cluster.executors.last().expect("it was added").address_of("executor"));
    cluster.until_ready().await;
    link
}

/// Asks until all executors have worked for a query.
async fn until_all_work(cluster: &Cluster, client: &Client) {
    until("the scheduler is ready", async || cluster.scheduler.get("/ready").await.0 == 200).await;
    let done = async || {
        let mut done = vec![];
        for executor in &cluster.executors {
            done.push(executor.metric("arbalest_executor_tasks_total").await);
        }
        done
    };
    let before = done().await;
    until("all executors work", async || {
        assert_eq!(column(client, SHORT).await, [ROWS]);
        done().await.iter().zip(&before).all(|(now, before)| now > before)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_an_executor() {
    let mut cluster = Cluster::start(1).await;
    let link = add_executor_behind_link(&mut cluster).await;
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    cut_while_a_query_runs(&cluster, &server, &link).await;
    let client = distributed(&server).await;
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(column(&client, SHORT).await, [ROWS]);
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    }
    link.mend();
    until("it answers again", async || cluster.logs().contains("an executor answers again")).await;
    until_all_work(&cluster, &client).await;
    // Whoever is back stays.
    let repeats = || server.standard_error().matches("the query is run again").count();
    let (before, back) = (repeats(), Instant::now());
    while back.elapsed() < Duration::from_secs(8) {
        assert_eq!(column(&client, SHORT).await, [ROWS]);
    }
    assert_eq!(repeats(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_the_only_executor() {
    let mut cluster = Cluster::start(0).await;
    let link = add_executor_behind_link(&mut cluster).await;
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    cut_while_a_query_runs(&cluster, &server, &link).await;
    let client = distributed(&server).await;
    let error = describe(&client.simple_query(SHORT).await.expect_err("nobody can run it"));
    assert!(error.starts_with("57P01 ") && error.contains("executors"), "{error}");
    link.mend();
    until_all_work(&cluster, &client).await;
}

/// For so long that the scheduler takes the executor for gone.
#[tokio::test(flavor = "multi_thread")]
async fn from_an_executor_to_the_scheduler() {
    let mut cluster = Cluster::start(1).await;
    let link = Link::to(cluster.scheduler.address_of("scheduler")).await;
    cluster.add_executor(&["--scheduler", &format!("http://{}", link.address())]);
    cluster.until_ready().await;
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    cut_while_a_query_runs(&cluster, &server, &link).await;
    until("it is not ready", async || cluster.executors[1].get("/ready").await.0 == 503).await;
    let client = distributed(&server).await;
    assert_eq!(column(&client, SHORT).await, [ROWS]);
    let vcores = async || cluster.scheduler.metric("arbalest_scheduler_vcores").await;
    until("the executor is removed", async || vcores().await < 2.0).await;
    link.mend();
    until_all_work(&cluster, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_server_to_the_scheduler() {
    let cluster = Cluster::start(2).await;
    let link = Link::to(cluster.scheduler.address_of("scheduler")).await;
    let url = format!("http://{}", link.address());
    let server = Server::start(&["--scheduler", &url, "--local-max-bytes", "0", "--sample", "tpch=0.1"]);
    cut_while_a_query_runs(&cluster, &server, &link).await;
    let client = distributed(&server).await;
    let started = Instant::now();
    let error = describe(&client.simple_query(SHORT).await.expect_err("nobody can run it"));
    assert!(error.starts_with("57P01 ") && error.contains(&url), "{error}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    // What needs no cluster goes on.
    client.simple_query("SET arbalest.execution_mode = 'local'").await.expect("a setting");
    assert_eq!(column(&client, SHORT).await, [ROWS]);
    link.mend();
    let client = distributed(&server).await;
    until_all_work(&cluster, &client).await;
    until("the cut query is gone", async || cluster.tasks().await == 0.0).await;
}
