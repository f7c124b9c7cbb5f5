//! Tables whose files are sorted.

use std::fs::File;
use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use tokio_postgres::error::SqlState;

use crate::client::{connect, value};
use crate::data;
use crate::server::Server;

/// The values of a column of numbers in every file of a table.
fn values(warehouse: &Path, table: &str, column: &str) -> Vec<Vec<Option<i64>>> {
    let pattern = warehouse.join(format!("{table}-*/**/*.parquet"));
    let files = glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap);
    let read = |path: std::path::PathBuf| {
        let batches = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
        let of_batch = |batch: arrow::record_batch::RecordBatch| {
            let numbers = cast(batch.column_by_name(column).unwrap(), &DataType::Int64).unwrap();
            numbers.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
        };
        batches.map(Result::unwrap).flat_map(of_batch).collect()
    };
    files.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_as_the_table_says() {
    let directory = TempDir::new().unwrap();
    let warehouse = directory.path().join("warehouse");
    let server = Server::start(&["--data-dir", &data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    let rows = "SELECT CAST(i % 3 AS int) AS part, CASE WHEN i % 50 = 0 THEN NULL ELSE i * 7919 % 1000 END AS a FROM generate_series(1, 999) AS s(i)";
    client.batch_execute(&format!("CREATE TABLE source AS {rows}")).await.unwrap();
    let query = "SELECT * FROM source";
    let descending = |values: &[Option<i64>]| values.is_sorted_by(|a, b| match (a, b) { (_, None) => true, (None, Some(_)) => false, (Some(a), Some(b)) => a >= b });
    for mode in ["local", "distributed"] {
        let table = format!("t_{mode}");
        client.batch_execute(&format!("SET arbalest.execution_mode = {mode}")).await.unwrap();
        client.batch_execute(&format!("CREATE TABLE {table} PARTITIONED BY (part) WITH (sorted_by = 'a DESC NULLS LAST') AS {query}")).await.unwrap();
        client.batch_execute(&format!("INSERT INTO {table} {query}; UPDATE {table} SET a = 1000 - a WHERE a > 990")).await.unwrap();
        let files = values(&warehouse, &table, "a");
        assert!(files.len() >= 6 && files.iter().all(|file| descending(file)), "{mode}: {files:?}");
        assert_eq!(value(&client, &format!("SELECT count(*) FROM {table}")).await.as_deref(), Some("1998"));
    }
    // Without it they are as they come.
    client.batch_execute("RESET arbalest.execution_mode").await.unwrap();
    client.batch_execute(&format!("CREATE TABLE unsorted AS {query}")).await.unwrap();
    assert!(values(&warehouse, "unsorted", "a").iter().any(|file| !file.is_sorted() && !descending(file)));

    client.batch_execute("ALTER TABLE unsorted SET (sorted_by = 'part, a'); INSERT OVERWRITE unsorted SELECT * FROM unsorted; ").await.unwrap();
    client.batch_execute("SET arbalest.vacuum_retention = '0s'").await.unwrap();
    client.batch_execute("VACUUM unsorted").await.unwrap();
    assert!(values(&warehouse, "unsorted", "part").iter().all(|file| file.is_sorted()));
    let made = value(&client, "SHOW CREATE TABLE unsorted").await.unwrap();
    assert!(made.ends_with("WITH (sorted_by = 'part, a');"), "{made}");
    assert_eq!(value(&client, "SELECT reloptions FROM pg_class WHERE relname = 'unsorted'").await.as_deref(), Some(r#"{"sorted_by=part, a"}"#));
    client.batch_execute("ALTER TABLE unsorted RENAME COLUMN part TO kind").await.unwrap();
    client.batch_execute("ALTER TABLE unsorted DROP COLUMN a").await.unwrap();
    let made = value(&client, "SHOW CREATE TABLE unsorted").await.unwrap();
    assert!(made.ends_with("WITH (sorted_by = 'kind');"), "{made}");

    client.batch_execute("CREATE TABLE pages (a int) WITH (fillfactor = 100, sorted_by = ARRAY['a'])").await.unwrap();
    for (options, sql_state) in [
        ("sorted_by = 'nobody'", SqlState::UNDEFINED_COLUMN),
        ("sorted_by = 'a, a DESC'", SqlState::DUPLICATE_COLUMN),
        ("sorted_by = 'a + 1'", SqlState::INVALID_PARAMETER_VALUE),
        ("sorted_by = 'a LIMIT 1'", SqlState::INVALID_PARAMETER_VALUE),
        ("sorted_by = 5", SqlState::INVALID_PARAMETER_VALUE),
        ("fillfacter = 50", SqlState::INVALID_PARAMETER_VALUE),
    ] {
        let error = client.batch_execute(&format!("CREATE TABLE u (a int) WITH ({options})")).await.unwrap_err();
        assert_eq!(error.code(), Some(&sql_state), "{options}: {error}");
    }
}
