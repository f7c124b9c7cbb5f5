//! Tables in an S3 bucket: read by servers and executors with a named secret, through faults that pass, and refused plainly
//! when they do not.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::Client;

use crate::client::{column, connect, sql_state};
use crate::cluster::{Cluster, until};
use crate::s3::{CANARY, Fault, S3};
use crate::server::Server;

const AGGREGATE: &str = "SELECT l_returnflag, count(*), sum(l_quantity) FROM lineitem JOIN orders ON o_orderkey = l_orderkey
    WHERE o_orderpriority <> '1-URGENT' GROUP BY l_returnflag ORDER BY l_returnflag";
const ALL_FAULTS: [Fault; 4] =
    [Fault::Status(503), Fault::Status(429), Fault::Break, Fault::Wait(Duration::from_millis(50))];

/// A bucket with TPC-H at scale 0.01, and a server that has the same tables in files.
struct Lake {
    files: Server,
    s3: S3,
    directory: TempDir,
}

impl Lake {
    async fn new() -> Self {
        let files = Server::start(&["--sample", "tpch=0.01", "--flight-port", "off"]);
        let s3 = S3::start(&files.data_directory().join("sample")).await;
        Self { files, s3, directory: TempDir::new().expect("a directory") }
    }

    fn arguments(&self) -> Vec<String> {
        vec![self.s3.location("tpch-0.01/"), "--secrets".into(), self.s3.secrets(self.directory.path())]
    }

    fn server(&self, more: &[&str]) -> Server {
        let arguments: Vec<String> = self.arguments().into_iter().chain(more.iter().map(|text| text.to_string())).collect();
        Server::start(&arguments)
    }

    async fn expected(&self, sql: &str) -> Vec<String> {
        column(&connect(self.files.postgres()).await, sql).await
    }
}

async fn set_mode(client: &Client, mode: &str) {
    client.simple_query(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
}

fn tpch() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tpch");
    let mut queries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    queries.sort();
    assert_eq!(queries.len(), 22);
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn tpch_in_a_bucket_gives_the_answers_of_files() {
    let lake = Lake::new().await;
    let secrets = lake.s3.secrets(lake.directory.path());
    let cluster = Cluster::start_with(2, &["--secrets", &secrets]).await;
    let url = cluster.scheduler_url();
    let server = lake.server(&["--scheduler", &url]);
    let client = connect(server.postgres()).await;
    for (name, sql) in tpch() {
        let expected = lake.expected(&sql).await;
        for mode in ["local", "distributed"] {
            set_mode(&client, mode).await;
            assert_eq!(column(&client, &sql).await, expected, "{name} {mode}");
        }
    }
    let logs = server.standard_error() + &cluster.logs();
    assert!(!logs.contains(CANARY), "the secret is in a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_not_fetched_again_until_it_changes() {
    let lake = Lake::new().await;
    let server = lake.server(&[]);
    let client = connect(server.postgres()).await;
    for mode in ["local", "distributed"] {
        set_mode(&client, mode).await;
        let first = column(&client, AGGREGATE).await;
        let read = lake.s3.reads();
        assert_eq!(column(&client, AGGREGATE).await, first);
        assert_eq!(lake.s3.reads(), read, "{mode}: the second run fetched");
        assert_eq!(first, lake.expected(AGGREGATE).await);
    }
    let nation = lake.files.data_directory().join("sample/tpch-0.01/nation/part-0001.parquet");
    let region = lake.files.data_directory().join("sample/tpch-0.01/region/part-0001.parquet");
    assert_eq!(column(&client, "SELECT count(*) FROM nation").await, ["25"]);
    std::fs::remove_file(&nation).unwrap();
    std::fs::copy(&region, &nation).unwrap();
    let error = client.simple_query("SELECT max(n_nationkey) FROM nation").await;
    assert!(error.is_err() || column(&client, "SELECT count(*) FROM nation").await == ["5"], "the old file is still read");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_pass_are_not_seen() {
    let lake = Lake::new().await;
    // Nothing is kept, so that every run reads.
    let server = lake.server(&["--cache-memory", "0"]);
    let client = connect(server.postgres()).await;
    for (permille, mode) in [(50, "local"), (50, "distributed"), (200, "local"), (200, "distributed")] {
        set_mode(&client, mode).await;
        let expected = lake.expected(AGGREGATE).await;
        let before = lake.s3.faulted();
        lake.s3.fail(permille, &ALL_FAULTS);
        for _ in 0..5 {
            assert_eq!(column(&client, AGGREGATE).await, expected, "{permille} of 1000, {mode}");
        }
        lake.s3.fail(0, &[]);
        assert!(lake.s3.faulted() > before, "{permille} of 1000, {mode}: no request met a fault");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_reported_at_once_and_by_name() {
    let lake = Lake::new().await;
    let server = lake.server(&["--cache-memory", "0"]);
    let client = connect(server.postgres()).await;
    for mode in ["local", "distributed"] {
        set_mode(&client, mode).await;
        lake.s3.fail(1000, &[Fault::Status(403)]);
        let started = Instant::now();
        let error = client.simple_query(AGGREGATE).await.unwrap_err();
        let (elapsed, text) = (started.elapsed(), format!("{error:?}"));
        assert_eq!(sql_state(&error), "42501", "{mode}: {text}");
        assert!(elapsed < Duration::from_secs(10), "{mode}: {elapsed:?}");
        lake.s3.fail(0, &[]);
        column(&client, AGGREGATE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_broken_is_an_error_within_a_minute() {
    let lake = Lake::new().await;
    let server = lake.server(&["--cache-memory", "0"]);
    let client = connect(server.postgres()).await;
    let expected = column(&client, AGGREGATE).await;
    lake.s3.fail(1000, &[Fault::Status(503)]);
    for mode in ["local", "distributed"] {
        set_mode(&client, mode).await;
        let started = Instant::now();
        let error = client.simple_query(AGGREGATE).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(60), "{mode}: {:?}", started.elapsed());
        assert_eq!(sql_state(&error), "58030", "{mode}: {error:?}");
        assert!(format!("{error:?}").contains("503"), "{mode}: {error:?}");
    }
    lake.s3.fail(0, &[]);
    assert_eq!(column(&client, AGGREGATE).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_and_single_files_of_a_bucket_are_tables() {
    let lake = Lake::new().await;
    let secrets = lake.s3.secrets(lake.directory.path());
    let locations = [
        lake.s3.location("tpch-0.01/n*/*.parquet"),
        lake.s3.location("tpch-0.0*/"),
        lake.s3.location("tpch-0.01/supplier/part-0001.parquet"),
    ];
    for (location, table, rows) in
        [(&locations[0], "\"part-0001\"", "25"), (&locations[1], "region", "5"), (&locations[2], "\"part-0001\"", "100")]
    {
        let server = Server::start(&[location, "--secrets", &secrets]);
        let client = connect(server.postgres()).await;
        assert_eq!(column(&client, &format!("SELECT count(*) FROM {table}")).await, [rows], "{location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_cannot_be_read_is_explained() {
    let lake = Lake::new().await;
    let directory = lake.directory.path();
    let secrets = lake.s3.secrets(directory);
    let wrong = TempDir::new().unwrap();
    let wrong_secrets = lake.s3.secrets_with_key(wrong.path(), "another-key");
    let there = lake.s3.location("tpch-0.01/");
    for (location, secrets, expected) in [
        (lake.s3.location("nowhere/"), &secrets, "holds no file"),
        (lake.s3.location("nowhere/*.parquet"), &secrets, "matches no file"),
        (there.clone(), &wrong_secrets, "may not be read"),
        (there.replace("store@", "pond@"), &secrets, "no secret named pond"),
        (there.replace("store@", &format!("key:{CANARY}@")), &secrets, "must not hold credentials"),
        (there.replace("s3:", "gs:"), &secrets, "another type"),
    ] {
        let refusal = Server::refused(&[&location, "--secrets", secrets], &[]);
        let said = format!("{}{}", refusal.standard_output, refusal.standard_error);
        assert!(said.contains(expected) && !said.contains(CANARY), "{location}: {said}");
        assert!(refusal.code.is_some_and(|code| code != 0), "{location}");
    }
    let broken = directory.join("broken.toml");
    std::fs::write(&broken, format!("[store]\ntype = \"s3\"\nsecret_access_key = {CANARY}")).unwrap();
    let refusal = Server::refused(&[&there, "--secrets", &broken.display().to_string()], &[]);
    assert!(refusal.standard_error.contains("line 3"), "{}", refusal.standard_error);
    assert!(!refusal.standard_error.contains(CANARY), "{}", refusal.standard_error);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_is_counted() {
    let lake = Lake::new().await;
    let server = lake.server(&[]);
    let client = connect(server.postgres()).await;
    column(&client, AGGREGATE).await;
    column(&client, AGGREGATE).await;
    until("hits are counted", async || {
        let (_, text) = crate::cluster::get(server.web(), "/metrics").await;
        let metric = |name| crate::cluster::metric(&text, name);
        metric("arbalest_object_cache_hits_total") > 0.0 && metric("arbalest_object_store_read_bytes_total") > 0.0
    })
    .await;
}
