//! Files that statements name: written, read, listed again, and kept from whoever may not.

use tempfile::TempDir;
use tokio_postgres::error::SqlState;

use crate::client::{column, connect, value};
use crate::data;
use crate::s3::S3;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn what_copy_writes_is_what_is_read() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--export-dir", &data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    client
        .batch_execute(
            "CREATE TABLE t AS SELECT CAST(i AS int) AS i, 'text, \"' || i AS s, CAST(i AS numeric(10, 2)) / 4 AS n,
             date '2024-01-01' + CAST(i AS int) AS d, CASE WHEN i % 3 = 0 THEN NULL ELSE i * 0.5 END AS f FROM generate_series(1, 1000) AS g(i)",
        )
        .await
        .unwrap();
    let digest = "count(*) || ' ' || sum(i) || ' ' || CAST(sum(n) AS numeric(20, 2)) || ' ' || count(f) || ' ' || min(d) || ' ' || max(s)";
    let expected = value(&client, &format!("SELECT {digest} FROM t")).await;
    for (file, options) in
        [("a.parquet", ""), ("a.csv", "(HEADER)"), ("b.csv", "(FORMAT csv, HEADER, DELIMITER ';')"), ("a.json", ""), ("a.arrow", "")]
    {
        let path = data::path(directory.path().join(file));
        let written = client.execute(&format!("COPY t TO '{path}' {options}"), &[]).await.unwrap();
        assert_eq!(written, 1000, "{file}");
        let delimiter = if options.contains(';') { ", delimiter => ';'" } else { "" };
        let from = match file.rsplit_once('.').unwrap().1 {
            "csv" => format!("read_csv('{path}'{delimiter})"),
            _ => format!("'{path}'"),
        };
        assert_eq!(value(&client, &format!("SELECT {digest} FROM {from}")).await, expected, "{file}");
        client.batch_execute("CREATE TABLE again AS SELECT * FROM t LIMIT 0").await.unwrap();
        let read = client.execute(&format!("COPY again FROM '{path}' {options}"), &[]).await.unwrap();
        assert_eq!(read, 1000, "{file}");
        assert_eq!(value(&client, &format!("SELECT {digest} FROM again")).await, expected, "{file}");
        client.batch_execute("DROP TABLE again").await.unwrap();
    }
    // A statement that fails leaves no file.
    let path = data::path(directory.path().join("failed.parquet"));
    client.batch_execute(&format!("COPY (SELECT 1 / (i - 900) FROM t) TO '{path}'")).await.unwrap_err();
    assert!(!directory.path().join("failed.parquet").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_table_has_the_files_that_are_there() {
    let (lake, kept) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let arguments = [data::path(lake.path()), "--data-dir".into(), data::path(kept.path())];
    std::fs::create_dir_all(lake.path().join("days/day=2024-01-01")).unwrap();
    std::fs::write(lake.path().join("days/day=2024-01-01/a.csv"), "x,y\n1,one\n").unwrap();
    let location = data::path(lake.path().join("days"));
    {
        let server = Server::start(&arguments);
        let client = connect(server.postgres()).await;
        client.batch_execute(&format!("CREATE EXTERNAL TABLE d STORED AS CSV LOCATION '{location}'")).await.unwrap();
        let rows = client.prepare("SELECT x || y || day FROM d ORDER BY 1").await.unwrap();
        assert_eq!(client.query(&rows, &[]).await.unwrap().len(), 1);
        std::fs::create_dir_all(lake.path().join("days/day=2024-01-02")).unwrap();
        std::fs::write(lake.path().join("days/day=2024-01-02/b.csv"), "x,y\n2,two\n").unwrap();
        assert_eq!(client.query(&rows, &[]).await.unwrap().len(), 2);
    }
    let server = Server::start(&arguments);
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, "SELECT x || y || day FROM d ORDER BY 1").await, ["1one2024-01-01", "2two2024-01-02"]);
    assert_eq!(column(&client, "SELECT y FROM d WHERE day = '2024-01-02'").await, ["two"]);
    // A server that was not told of the location does not read it.
    drop(server);
    let server = Server::start(&arguments[1..]);
    let client = connect(server.postgres()).await;
    let error = client.batch_execute("SELECT * FROM d").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{error}");
    client.batch_execute("DROP TABLE d").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn links_do_not_lead_out_of_a_location() {
    let (lake, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(outside.path().join("secret.csv"), "a\n1\n").unwrap();
    std::fs::create_dir(lake.path().join("directory")).unwrap();
    std::fs::write(lake.path().join("directory/x.csv"), "a\n1\n").unwrap();
    let server = Server::start(&[data::path(lake.path()), "--export-dir".into(), data::path(lake.path())]);
    std::os::unix::fs::symlink(outside.path(), lake.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), lake.path().join("directory/y.csv")).unwrap();
    let client = connect(server.postgres()).await;
    for path in ["link/secret.csv", "link", "link/*.csv", "directory", "directory/*.csv", "directory/y.csv"] {
        let path = data::path(lake.path().join(path));
        for sql in [format!("SELECT * FROM '{path}'"), format!("SELECT * FROM read_csv('{path}')"), format!("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '{path}'")] {
            let error = client.batch_execute(&sql).await.unwrap_err();
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error}");
        }
    }
    for path in ["link/new.csv", "link/a/b.csv"] {
        let path = data::path(lake.path().join(path));
        let error = client.batch_execute(&format!("COPY (SELECT 1) TO '{path}'")).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{path}: {error}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_store_are_read_in_place() {
    let directory = TempDir::new().unwrap();
    let s3 = S3::start(data::file("").as_path()).await;
    let secrets = s3.secrets(directory.path());
    let server = Server::start(&["--secrets", &secrets]);
    let client = connect(server.postgres()).await;
    for (path, rows) in [("employees.parquet", "12"), ("departments.csv", "4"), ("visits", "20"), ("visits/*.parquet", "20")] {
        let location = s3.location(path);
        assert_eq!(value(&client, &format!("SELECT count(*) FROM '{location}'")).await.as_deref(), Some(rows), "{path}");
    }
    let location = s3.location("visits/");
    client.batch_execute(&format!("CREATE EXTERNAL TABLE v STORED AS PARQUET LOCATION '{location}'")).await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM v").await.as_deref(), Some("20"));
    let error = client.batch_execute(&format!("SELECT * FROM '{}'", s3.location("nothing.parquet"))).await.unwrap_err();
    assert!(error.as_db_error().is_some(), "{error}");
}

/// A table that one server keeps, read by another that knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_is_read_as_its_log_says() {
    let warehouse = TempDir::new().unwrap();
    let path = data::path(warehouse.path());
    let writer = Server::start(&["--warehouse", &path]);
    let client = connect(writer.postgres()).await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS a, 'one' AS b; INSERT INTO t VALUES (2, 'two'); DELETE FROM t WHERE a = 1").await.unwrap();
    let table = std::fs::read_dir(warehouse.path()).unwrap().next().unwrap().unwrap().path();
    let table = data::path(&table);
    let server = Server::start(&[path]);
    let reader = connect(server.postgres()).await;
    let served = column(&reader, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'").await;
    let [served] = served.as_slice() else { panic!("{served:?}") };
    assert_eq!(column(&reader, &format!("SELECT b FROM \"{served}\"")).await, ["two"]);
    assert_eq!(column(&reader, &format!("SELECT b FROM '{table}'")).await, ["two"]);
    reader.batch_execute(&format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{table}'")).await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (3, 'three')").await.unwrap();
    assert_eq!(column(&reader, "SELECT b FROM t ORDER BY a").await, ["two", "three"]);
    assert_eq!(column(&reader, &format!("SELECT b FROM \"{served}\" ORDER BY a")).await, ["two", "three"]);
    let error = reader.batch_execute(&format!("SELECT * FROM read_parquet('{table}')")).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("Delta table"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_seen_and_what_must_not_be_is_not() {
    let (lake, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let directory = lake.path().join("d");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("a.csv"), "a,b\n1,one\n").unwrap();
    std::fs::write(directory.join("_unfinished.csv"), "a,b\n5,five\n").unwrap();
    std::fs::write(outside.path().join("secret.csv"), "a,b\n7,secret\n").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), directory.join("_link.csv")).unwrap();
    let server = Server::start(&[data::path(lake.path())]);
    let client = connect(server.postgres()).await;
    let path = data::path(&directory);
    client.batch_execute(&format!("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '{path}'")).await.unwrap();
    let queries = [format!("SELECT b FROM '{path}' ORDER BY a"), format!("SELECT b FROM '{path}/*.csv' ORDER BY a"), "SELECT b FROM e ORDER BY a".into()];
    let mut prepared = vec![];
    for query in &queries {
        let query = client.prepare(query).await.unwrap();
        assert_eq!(client.query(&query, &[]).await.unwrap().len(), 1);
        prepared.push(query);
    }
    // Its server read the directory when it started, and reads it again.
    assert_eq!(column(&client, "SELECT b FROM d").await, ["one"]);
    std::fs::write(directory.join("b.csv"), "a,b\n2,two\n").unwrap();
    for query in &prepared {
        let rows: Vec<String> = client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, ["one", "two"]);
    }
    // Columns go by their place, so that another order is another table.
    std::fs::write(directory.join("c.csv"), "b,a\nthree,3\n").unwrap();
    for query in &queries {
        client.batch_execute(query).await.unwrap_err();
    }
    std::fs::remove_file(directory.join("c.csv")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), directory.join("link.csv")).unwrap();
    for query in &queries {
        let error = client.batch_execute(query).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{query}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_written_where_they_may_be() {
    let (lake, exports) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(lake.path().join("x.csv"), "a\n1\n").unwrap();
    let own = lake.path().join("own");
    let server = Server::start(&[
        data::path(lake.path()),
        "--export-dir".into(),
        data::path(exports.path()),
        "--data-dir".into(),
        data::path(&own),
    ]);
    let client = connect(server.postgres()).await;
    client.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await.unwrap();
    for path in [lake.path().join("y.csv"), own.join("catalog.sqlite"), own.join("warehouse/y.csv")] {
        for sql in [format!("COPY t TO '{}' (FORMAT csv)", data::path(&path)), format!("SELECT * FROM read_csv('{}')", data::path(&own.join("catalog.sqlite")))] {
            let error = client.batch_execute(&sql).await.unwrap_err();
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error}");
        }
    }
    // A place that is none leaves the session as it is.
    std::fs::create_dir(exports.path().join("directory")).unwrap();
    let error = client.batch_execute(&format!("COPY t TO '{}' (FORMAT csv)", data::path(exports.path().join("directory")))).await.unwrap_err();
    assert!(error.as_db_error().is_some(), "{error}");
    let error = client.batch_execute(&format!("COPY (SELECT 1 AS a, 2 AS a) TO '{}'", data::path(exports.path().join("twice.json")))).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DUPLICATE_COLUMN), "{error}");
    // Bytes, line breaks within values, and what stands for NULL.
    let path = data::path(exports.path().join("values.csv"));
    let sql = format!(
        "CREATE TABLE v (i int, b bytea, s text); INSERT INTO v SELECT 1, '\\xdeadbeef', 'two' || chr(10) || 'lines, and more';
         COPY v TO '{path}' (FORMAT csv, NULL 'NA'); CREATE TABLE w (i int, b bytea, s text); COPY w FROM '{path}' (FORMAT csv, NULL 'NA')"
    );
    client.batch_execute(&sql).await.unwrap();
    assert_eq!(column(&client, "SELECT encode(b, 'hex') || i || s FROM w").await, ["deadbeef1two\nlines, and more"]);
    std::fs::write(exports.path().join("na.csv"), "1,,NA\n2,,x\n3,,\n").unwrap();
    let path = data::path(exports.path().join("na.csv"));
    client.batch_execute(&format!("DELETE FROM w; COPY w (i, b, s) FROM '{path}' (FORMAT csv, NULL 'NA')")).await.unwrap();
    assert_eq!(column(&client, "SELECT coalesce(s, 'null') FROM w ORDER BY i").await, ["null", "x", ""]);
    // The next start finds the tables of the location, not those of the catalog.
    drop(server);
    let server = Server::start(&[data::path(lake.path()), "--data-dir".into(), data::path(&own)]);
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1").await, ["t", "v", "w", "x"]);
}
