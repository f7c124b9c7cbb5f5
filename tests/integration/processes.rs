//! Scheduler, executors and servers as processes of their own: they find each other, share work, tell the truth about
//! themselves, and leave nothing behind.

use std::time::{Duration, Instant};

use futures::TryStreamExt;

use crate::client::{cancel, column, connect, connect_with_driver, sql_state, value};
use crate::cluster::{Cluster, PATIENCE, until};
use crate::server::Server;

const AGGREGATE: &str = "SELECT l_returnflag, count(*), sum(l_quantity) FROM lineitem JOIN orders ON o_orderkey = l_orderkey
    WHERE o_orderpriority <> '1-URGENT' GROUP BY l_returnflag ORDER BY l_returnflag";
/// Minutes of work without a row.
const LONG: &str = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'";

fn sample(server: &Server) -> String {
    server.data_directory().join("sample/tpch-0.01").display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_share_executors() {
    let cluster = Cluster::start(3).await;
    let first = cluster.server(&["--sample", "tpch=0.01"]);
    let second = cluster.server(&[&sample(&first)]);
    for server in [&first, &second] {
        let client = connect(server.postgres()).await;
        let plan = column(&client, &format!("EXPLAIN {AGGREGATE}")).await;
        assert!(plan.last().is_some_and(|line| line.starts_with("Execution: distributed")), "{plan:#?}");
        let distributed = column(&client, AGGREGATE).await;
        client.simple_query("SET arbalest.execution_mode = 'local'").await.unwrap();
        assert_eq!(distributed, column(&client, AGGREGATE).await);
    }
    let mut busy = 0;
    for executor in &cluster.executors {
        busy += usize::from(executor.metric("arbalest_executor_tasks_total").await > 0.0);
    }
    assert!(busy >= 2, "one executor ran everything");
    until("the files of the queries are removed", async || cluster.files().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_the_truth() {
    let mut cluster = Cluster::start(0).await;
    let (status, reason) = cluster.scheduler.get("/ready").await;
    assert_eq!((status, reason.as_str()), (503, "executors: none is registered\n"));
    cluster.add_executor(&[]);
    cluster.until_ready().await;
    cluster.scheduler.kill();
    until("the executor misses its scheduler", async || cluster.executors[0].get("/ready").await.0 == 503).await;
    assert_eq!(cluster.executors[0].get("/live").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_told_to_end_takes_its_leave() {
    let mut cluster = Cluster::start_with(2, &["--shutdown-grace", "10min"]).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    let expected = column(&client, AGGREGATE).await;
    cluster.executors[0].signal("TERM");
    assert_eq!(cluster.executors[0].wait(PATIENCE).and_then(|status| status.code()), Some(0));
    cluster.executors.remove(0);
    assert_eq!(column(&client, AGGREGATE).await, expected);
    cluster.scheduler.signal("TERM");
    assert_eq!(cluster.scheduler.wait(PATIENCE).and_then(|status| status.code()), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_told_to_end_waits_for_its_readers() {
    let mut cluster = Cluster::start_with(2, &["--shutdown-grace", "10min"]).await;
    let server = cluster.server(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
    let parameters: [i32; 0] = [];
    let mut rows = Box::pin(client.query_raw("SELECT * FROM lineitem", parameters).await.unwrap());
    let mut count = usize::from(rows.try_next().await.unwrap().is_some());
    for executor in &cluster.executors {
        executor.signal("TERM");
        until("it drains", async || executor.get("/ready").await.0 == 503).await;
    }
    while rows.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 600_572);
    for executor in &mut cluster.executors {
        assert_eq!(executor.wait(PATIENCE).and_then(|status| status.code()), Some(0));
    }
    assert!(!server.standard_error().contains("run again"));
}

/// Kept are results of servers that are there, also when the scheduler has forgotten them.
#[tokio::test(flavor = "multi_thread")]
async fn results_that_nobody_reads_are_removed() {
    let mut cluster = Cluster::start_scheduled(&["--result-patience", "10s"], 2, &[]).await;
    let gone = cluster.server(&["--sample", "tpch=0.1"]);
    let server = cluster.server(&[&gone.data_directory().join("sample/tpch-0.1").display().to_string()]);
    let mut read = vec![];
    for server in [&gone, &server] {
        let client = connect(server.postgres()).await;
        client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
        let parameters: [i32; 0] = [];
        let mut rows = Box::pin(client.query_raw("SELECT * FROM lineitem", parameters).await.unwrap());
        assert!(rows.try_next().await.unwrap().is_some());
        read.push((client, rows));
    }
    let jobs = cluster.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    let files = |cluster: &Cluster, job: &String| {
        cluster.files().iter().filter(|file| file.iter().any(|part| part == job.as_str())).count()
    };
    let before: Vec<usize> = jobs.iter().map(|job| files(&cluster, job)).collect();
    crate::server::signal(gone.process_id(), "KILL");
    until("the files of one are removed", async || jobs.iter().any(|job| files(&cluster, job) == 0)).await;
    let kept = jobs.iter().position(|job| files(&cluster, job) > 0).expect("those of the other are not");
    assert_eq!(files(&cluster, &jobs[kept]), before[kept]);
    cluster.restart_scheduler();
    let unknown = cluster.add_job("unknown");
    until("what the new scheduler does not know is removed", async || !unknown.exists()).await;
    assert_eq!(files(&cluster, &jobs[kept]), before[kept]);
    let (_client, mut rows) = read.pop().expect("the other");
    let mut count = 1;
    while rows.try_next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 600_572);
    until("the files of the other are removed", async || cluster.files().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_leaves_the_executors() {
    let cluster = Cluster::start(2).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    let token = client.cancel_token();
    let query = tokio::spawn(async move { client.simple_query(LONG).await });
    until("tasks run", async || cluster.tasks().await > 0.0).await;
    cancel(&token).await;
    assert_eq!(sql_state(&query.await.unwrap().unwrap_err()), "57014");
    until("no task runs", async || cluster.tasks().await == 0.0).await;
    until("no file is left", async || cluster.files().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_whose_client_or_server_is_gone() {
    let cluster = Cluster::start(2).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let other = cluster.server(&[&sample(&server)]);
    let (client, driver) = connect_with_driver(server.postgres()).await;
    let query = tokio::spawn(async move { client.simple_query(LONG).await });
    until("tasks run", async || cluster.tasks().await > 0.0).await;
    driver.abort();
    until("no task runs", async || cluster.tasks().await == 0.0).await;
    assert!(query.await.unwrap().is_err());
    let client = connect(server.postgres()).await;
    let query = tokio::spawn(async move { client.simple_query(LONG).await });
    until("tasks run", async || cluster.tasks().await > 0.0).await;
    crate::server::signal(server.process_id(), "KILL");
    until("no task runs", async || cluster.tasks().await == 0.0).await;
    assert!(query.await.unwrap().is_err());
    until("no file is left", async || cluster.files().is_empty()).await;
    let client = connect(other.postgres()).await;
    assert_eq!(value(&client, "SELECT count(*) FROM nation WHERE n_name > 'A'").await.as_deref(), Some("25"));
}

/// For an executor, or for a slot of one that others keep busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_waits_ends_when_it_is_told_to() {
    let mut cluster = Cluster::start(0).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    ends_when_told(&server).await;
    cluster.add_executor(&[]);
    cluster.until_ready().await;
    let mut busy = vec![];
    // An executor of one core has four slots.
    for _ in 0..6 {
        let (client, driver) = connect_with_driver(server.postgres()).await;
        tokio::spawn(async move { client.simple_query(LONG).await });
        busy.push(driver);
    }
    until("all slots are taken", async || cluster.tasks().await == 4.0).await;
    ends_when_told(&server).await;
    busy.into_iter().for_each(|driver| driver.abort());
    until("no task runs", async || cluster.tasks().await == 0.0).await;
    until("no file is left", async || cluster.files().is_empty()).await;
}

async fn ends_when_told(server: &Server) {
    const PROMPT: Duration = Duration::from_secs(3);
    let client = connect(server.postgres()).await;
    client.simple_query("SET statement_timeout = '500ms'").await.unwrap();
    let started = Instant::now();
    assert_eq!(sql_state(&client.simple_query(AGGREGATE).await.unwrap_err()), "57014");
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    client.simple_query("RESET statement_timeout").await.unwrap();
    let token = client.cancel_token();
    let query = tokio::spawn(async move { client.simple_query(AGGREGATE).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = Instant::now();
    cancel(&token).await;
    assert_eq!(sql_state(&query.await.unwrap().unwrap_err()), "57014");
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
}

/// Without fair shares it would wait until the long one has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_query_does_not_wait_for_a_long_one() {
    let cluster = Cluster::start(1).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let (client, driver) = connect_with_driver(server.postgres()).await;
    let long = tokio::spawn(async move { client.simple_query(LONG).await });
    until("its tasks run", async || cluster.tasks().await > 0.0).await;
    let client = connect(server.postgres()).await;
    let rows = tokio::time::timeout(PATIENCE, client.simple_query(AGGREGATE)).await.expect("an answer");
    assert!(rows.is_ok() && !long.is_finished());
    driver.abort();
    assert!(long.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_executor_left_is_swept() {
    let mut cluster = Cluster::start(1).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    let query = tokio::spawn(async move { client.simple_query(LONG).await });
    until("tasks run", async || cluster.tasks().await > 0.0).await;
    cluster.executors[0].kill();
    let directories = || std::fs::read_dir(cluster.work_directory()).map_or(0, Iterator::count);
    assert_eq!(directories(), 1);
    drop(server);
    assert!(query.await.unwrap().is_err());
    cluster.executors.clear();
    cluster.add_executor(&[]);
    assert_eq!(std::fs::read_dir(cluster.work_directory()).unwrap().count(), 1);
    assert!(cluster.files().is_empty(), "{:?}", cluster.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_executors_a_query_says_so() {
    let mut cluster = Cluster::start(1).await;
    let server = cluster.server(&["--sample", "tpch=0.01"]);
    let idle = connect(server.postgres()).await;
    // Without an executor a query waits for one, and then says so.
    cluster.executors[0].signal("TERM");
    cluster.executors[0].wait(PATIENCE);
    cluster.executors.clear();
    let error = tokio::time::timeout(Duration::from_secs(60), idle.simple_query("SELECT count(*) FROM nation WHERE n_name > 'A'")).await;
    let error = error.expect("an answer").expect_err("nobody can run it");
    assert_eq!(sql_state(&error), "57P01");
    assert!(error.as_db_error().unwrap().message().contains("no executors"), "{error:?}");
    cluster.add_executor(&[]);
    cluster.until_ready().await;
    assert_eq!(value(&idle, "SELECT count(*) FROM nation WHERE n_name > 'A'").await.as_deref(), Some("25"));
}
