//! Tables in an S3 bucket: read by servers and executors with a named secret, through faults that pass, and refused plainly
//! when they do not.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::Client;

use crate::client::{column, connect, connect_as, sql_state};
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

#[tokio::test]
async fn secrets_made_in_sql_open_what_they_are_for() {
    let lake = Lake::new().await;
    let data_dir = lake.directory.path().join("data").display().to_string();
    let arguments = ["--allow-private-urls", "--data-dir", data_dir.as_str()];
    let location = lake.s3.location("tpch-0.01/nation/");
    let count = format!("SELECT count(*) FROM '{location}'");
    let server = Server::start(&arguments);
    let admin = connect(server.postgres()).await;
    let failed = async |client: &Client, sql: &str| sql_state(&client.batch_execute(sql).await.expect_err(sql));
    assert_ne!(failed(&admin, &count).await, "42501");
    admin.batch_execute(&lake.s3.create_secret("store", Some("another-key"))).await.unwrap();
    assert_eq!(failed(&admin, &count).await, "42501");
    // It is used as soon as it is there.
    let replace = lake.s3.create_secret("store", None).replace("CREATE", "CREATE OR REPLACE");
    admin.batch_execute(&replace).await.unwrap();
    assert_eq!(column(&admin, &count).await, ["25"]);
    admin.batch_execute("CREATE USER ann; CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO ann").await.unwrap();
    let ann = connect_as(server.postgres(), "ann").await;
    assert_eq!(failed(&ann, &count).await, "42501");
    assert_eq!(failed(&ann, &replace).await, "42501");
    assert_eq!(failed(&ann, "DROP SECRET store").await, "42501");
    admin.batch_execute("GRANT USAGE ON SECRET store TO ann").await.unwrap();
    assert_eq!(column(&ann, &count).await, ["25"]);
    admin.batch_execute("REVOKE USAGE ON SECRET store FROM ann").await.unwrap();
    assert_eq!(failed(&ann, &count).await, "42501");
    admin.batch_execute(&format!("GRANT READ ON LOCATION '{}' TO ann", lake.s3.location("tpch-0.01/nation"))).await.unwrap();
    assert_eq!(column(&ann, &count).await, ["25"]);
    let other = format!("SELECT count(*) FROM '{}'", lake.s3.location("tpch-0.01/nation2/"));
    assert_eq!(failed(&ann, &other).await, "42501");
    ann.batch_execute(&format!("CREATE EXTERNAL TABLE s.nation STORED AS PARQUET LOCATION '{location}'")).await.unwrap();
    assert_eq!(column(&ann, "SELECT count(*) FROM s.nation").await, ["25"]);
    for (sql, expected) in [
        ("CREATE SECRET store (TYPE s3, skip_signature true)", "42710"),
        ("CREATE SECRET a (TYPE ftp)", "22023"),
        ("CREATE SECRET a (TYPE s3, region 'x')", "22023"),
        ("CREATE TEMPORARY SECRET a (TYPE s3, skip_signature true)", "0A000"),
        ("CREATE SECRET a (TYPE s3, web_identity_token_file '/etc/passwd')", "22023"),
        ("CREATE SECRET \"a b\" (TYPE s3, skip_signature true)", "22023"),
        ("DROP SECRET nothing", "42704"),
        ("GRANT USAGE ON SECRET nothing TO ann", "42704"),
        ("GRANT SELECT ON SECRET store TO ann", "0LP01"),
    ] {
        assert_eq!(failed(&admin, sql).await, expected, "{sql}");
    }
    admin.batch_execute("CREATE SECRET IF NOT EXISTS store TYPE s3 skip_signature = true; DROP SECRET IF EXISTS nothing").await.unwrap();
    // A block that does not commit leaves it as it was.
    admin.batch_execute("BEGIN; DROP SECRET store; ROLLBACK").await.unwrap();
    assert_eq!(column(&admin, &count).await, ["25"]);
    let log = server.standard_error();
    drop((admin, ann, server));
    // It outlives the server, and nothing that is kept or logged shows it.
    let server = Server::start(&arguments);
    assert_eq!(column(&connect(server.postgres()).await, &count).await, ["25"]);
    let kept = std::fs::read(lake.directory.path().join("data/catalog.sqlite")).unwrap();
    assert!(!kept.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) && !log.contains(CANARY));
    drop(server);
    // Without the key it is of no use, and everything else goes on.
    std::fs::remove_file(lake.directory.path().join("data/secret.key")).unwrap();
    let server = Server::start(&arguments);
    let admin = connect(server.postgres()).await;
    assert!(admin.batch_execute(&count).await.is_err());
    admin.batch_execute(&replace).await.unwrap();
    assert_eq!(column(&admin, &count).await, ["25"]);
    drop(server);
    // An address of this machine is none for users.
    let server = Server::start::<&str>(&[]);
    let error = failed(&connect(server.postgres()).await, &lake.s3.create_secret("store", None)).await;
    assert_eq!(error, "42501");
}

#[tokio::test]
async fn what_executors_have_no_secret_for_runs_in_the_server() {
    let lake = Lake::new().await;
    let cluster = Cluster::start(1).await;
    let server = cluster.server(&["--allow-private-urls"]);
    let client = connect(server.postgres()).await;
    client.batch_execute(&lake.s3.create_secret("store", None)).await.unwrap();
    let query = format!("SELECT count(DISTINCT o_orderkey) FROM '{}'", lake.s3.location("tpch-0.01/orders/"));
    assert_eq!(column(&client, &query).await, ["15000"]);
    let why = column(&client, &format!("EXPLAIN {query}")).await.pop().unwrap();
    assert!(why.contains("executors do not have the secret store"), "{why}");
    set_mode(&client, "distributed").await;
    let error = client.batch_execute(&query).await.unwrap_err();
    assert_eq!(sql_state(&error), "0A000", "{error}");
}
