//! Files, directories and globs become tables; what cannot be read is refused by name, or fails its query alone.

use std::path::Path;

use tempfile::TempDir;

use crate::client::{column, connect, describe, sql_state, value};
use crate::data;
use crate::server::Server;

const TABLES: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name";

#[tokio::test]
async fn a_directory_is_a_table_for_each_file_and_directory() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    let tables = ["Sales 2024", "cities", "departments", "employees", "events", "purchases", "readings", "types", "visits"];
    assert_eq!(column(&client, TABLES).await, tables);
    assert_eq!(value(&client, "SELECT count(*) FROM visits").await.as_deref(), Some("20"));
}

#[tokio::test]
async fn a_file_is_a_table() {
    let server = Server::start(&[data::path(data::file("cities.csv.gz")), data::path(data::file("purchases.jsonl"))]);
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, TABLES).await, ["cities", "purchases"]);
    assert_eq!(value(&client, "SELECT count(*) FROM cities").await.as_deref(), Some("5"));
}

#[tokio::test]
async fn a_glob_is_a_table_for_each_match() {
    let server = Server::start(&[data::path(data::file("*.parquet"))]);
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, TABLES).await, ["employees", "types"]);
}

#[tokio::test]
async fn a_url_of_a_local_file_is_a_table() {
    let server = Server::start(&[format!("file://{}", data::path(data::file("employees.parquet")))]);
    let client = connect(server.postgres()).await;
    assert_eq!(value(&client, "SELECT count(*) FROM employees").await.as_deref(), Some("12"));
}

#[tokio::test]
async fn a_directory_of_partitions_is_one_table() {
    let server = Server::start(&[data::path(data::file("events"))]);
    let client = connect(server.postgres()).await;
    assert_eq!(column(&client, TABLES).await, ["events"]);
    assert_eq!(value(&client, "SELECT sum(year) FROM events").await.as_deref(), Some("18210"));
}

#[test]
fn a_missing_location_is_refused() {
    for location in ["/nonexistent/data", "/nonexistent/data/*.parquet", "file:///nonexistent/data.parquet", "nothing.csv"] {
        refused(location, &[location.trim_start_matches("file://")]);
    }
}

#[test]
fn an_unknown_scheme_is_refused() {
    refused("gopher://host/data.parquet", &["gopher"]);
}

#[test]
fn two_tables_of_one_name_are_refused() {
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join("employees.parquet");
    std::fs::copy(data::file("employees.parquet"), &copy).unwrap();
    let refusal = Server::refused(&[data::path(data::file("employees.parquet")), data::path(&copy)], &[]);
    assert_eq!(refusal.code, Some(2), "{}", refusal.standard_error);
    assert!(refusal.standard_error.contains("employees"), "{}", refusal.standard_error);
}

#[test]
fn a_truncated_file_among_good_ones_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    copy_directory(&data::file("visits"), &directory.path().join("visits"));
    let broken = directory.path().join("visits/1.parquet");
    let bytes = std::fs::read(&broken).unwrap();
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    refused(&data::path(directory.path()), &["1.parquet"]);

    std::fs::write(&broken, "").unwrap();
    refused(&data::path(directory.path()), &["1.parquet"]);

    std::fs::write(&broken, "this is not a Parquet file, whatever its name says").unwrap();
    refused(&data::path(directory.path()), &["1.parquet"]);
}

#[test]
fn conflicting_schemas_are_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let table = directory.path().join("mixed");
    std::fs::create_dir(&table).unwrap();
    // `id` is a number in one and text in the other.
    std::fs::write(table.join("a.jsonl"), "{\"id\": 1}\n").unwrap();
    std::fs::copy(data::file("employees.parquet"), table.join("b.parquet")).unwrap();
    refused(&data::path(directory.path()), &["mixed"]);

    std::fs::remove_file(table.join("a.jsonl")).unwrap();
    std::fs::copy(data::file("types.parquet"), table.join("c.parquet")).unwrap();
    write_parquet_with_text_id(&table.join("d.parquet"));
    refused(&data::path(directory.path()), &["id", ".parquet"]);
}

#[test]
fn a_broken_text_file_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let json = directory.path().join("broken.jsonl");
    std::fs::write(&json, "{\"a\": 1}\n{\"a\": \n").unwrap();
    refused(&data::path(&json), &["broken.jsonl"]);
    let gzip = directory.path().join("broken.csv.gz");
    std::fs::write(&gzip, "a,b\n1,2\n").unwrap();
    refused(&data::path(&gzip), &["broken.csv.gz"]);
}

#[test]
fn an_unknown_format_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("notes.docx");
    std::fs::write(&file, "x").unwrap();
    refused(&data::path(&file), &["notes.docx"]);
}

/// CSV is read by position: another order of columns would put values under the wrong names.
#[test]
fn csv_files_of_one_table_have_the_same_columns() {
    let directory = TempDir::new().unwrap();
    let table = directory.path().join("t");
    std::fs::create_dir(&table).unwrap();
    std::fs::write(table.join("1.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(table.join("2.csv"), "b,a\n3,4\n").unwrap();
    refused(&data::path(directory.path()), &["2.csv", "1.csv", "a, b", "b, a"]);
    std::fs::write(table.join("2.csv"), "a,b,c\n3,4,5\n").unwrap();
    refused(&data::path(directory.path()), &["2.csv", "a, b, c"]);
    std::fs::remove_file(table.join("2.csv")).unwrap();
    std::fs::write(table.join("1.csv"), "a,a\n1,2\n").unwrap();
    refused(&data::path(directory.path()), &["1.csv", "\"a\""]);
}

#[test]
fn a_directory_of_nulls_is_refused() {
    let directory = TempDir::new().unwrap();
    let partition = directory.path().join("t/k=__HIVE_DEFAULT_PARTITION__");
    std::fs::create_dir_all(&partition).unwrap();
    std::fs::write(partition.join("1.csv"), "a\n1\n").unwrap();
    refused(&data::path(directory.path()), &["__HIVE_DEFAULT_PARTITION__"]);
}

/// Characters that mean something in URLs and globs.
#[tokio::test]
async fn names_of_files_are_taken_literally() {
    let directory = TempDir::new().unwrap();
    let names = ["50%", "a%20b", "c#d", "e?f", "g h", "i[1]", "j+k", "ü"];
    for (index, name) in names.iter().enumerate() {
        std::fs::write(directory.path().join(format!("{name}.csv")), format!("x\n{index}\n")).unwrap();
        std::fs::create_dir(directory.path().join(format!("{name} all"))).unwrap();
        std::fs::write(directory.path().join(format!("{name} all/{name}.csv")), format!("x\n{index}\n")).unwrap();
    }
    let server = Server::start(&[data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    for (index, name) in names.iter().enumerate() {
        for table in [name.to_string(), format!("{name} all")] {
            let found = value(&client, &format!("SELECT x FROM \"{table}\"")).await;
            assert_eq!(found.as_deref(), Some(index.to_string().as_str()), "{table}");
        }
        let file = data::path(&directory.path().join(format!("{name}.csv")));
        let all = data::path(&directory.path().join(format!("{name} all")));
        for place in [format!("'{file}'"), format!("read_csv('{file}')"), format!("'{all}'"), format!("'{all}/{name}.csv'")] {
            let found = value(&client, &format!("SELECT x FROM {place}")).await;
            assert_eq!(found.as_deref(), Some(index.to_string().as_str()), "{place}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error() {
    let directory = TempDir::new().unwrap();
    std::fs::copy(data::file("employees.parquet"), directory.path().join("employees.parquet")).unwrap();
    copy_directory(&data::file("visits"), &directory.path().join("visits"));
    let server = Server::start(&[data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    std::fs::remove_file(directory.path().join("employees.parquet")).unwrap();
    std::fs::remove_dir_all(directory.path().join("visits")).unwrap();
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        for table in ["employees", "visits"] {
            let error = client.simple_query(&format!("SELECT count(*) FROM {table}")).await.expect_err(table);
            assert_eq!(sql_state(&error), "58P01", "{mode}: {}", describe(&error));
            assert!(describe(&error).contains(table), "{mode}: {}", describe(&error));
        }
    }
}

/// A directory's value stands for the column, also where the files have it.
#[tokio::test]
async fn a_partition_column_may_be_in_the_files_too() {
    let directory = TempDir::new().unwrap();
    for key in ["1", "2"] {
        let partition = directory.path().join(format!("t/k={key}"));
        std::fs::create_dir_all(&partition).unwrap();
        std::fs::write(partition.join("1.jsonl"), "{\"k\": 9, \"x\": 1}\n").unwrap();
    }
    let server = Server::start(&[data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    assert_eq!(value(&client, "SELECT sum(k) FROM t").await.as_deref(), Some("3"));
}

/// What is in a directory is asked anew for each query, also after one has read it.
#[tokio::test]
async fn files_that_come_and_go_are_seen() {
    let directory = TempDir::new().unwrap();
    let visits = directory.path().join("visits");
    copy_directory(&data::file("visits"), &visits);
    let server = Server::start(&[data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        let rows = async || value(&client, "SELECT count(seconds) FROM visits WHERE seconds >= 0").await.unwrap().parse::<usize>().unwrap();
        let before = rows().await;
        std::fs::copy(visits.join("1.parquet"), visits.join("copy.parquet")).unwrap();
        let more = rows().await;
        assert!(more > before, "{mode}: {more} rows after a file came, {before} before");
        std::fs::remove_file(visits.join("copy.parquet")).unwrap();
        assert_eq!(rows().await, before, "{mode}: rows after the file went");
    }
}

/// A file that breaks while it is served fails its query, in either mode, and nothing else.
#[tokio::test]
async fn a_file_that_breaks_later_fails_its_query() {
    let directory = TempDir::new().unwrap();
    copy_directory(&data::file("visits"), &directory.path().join("visits"));
    std::fs::copy(data::file("employees.parquet"), directory.path().join("employees.parquet")).unwrap();
    let server = Server::start(&[data::path(directory.path())]);
    let client = connect(server.postgres()).await;
    assert_eq!(value(&client, "SELECT count(*) FROM visits").await.as_deref(), Some("20"));

    let file = directory.path().join("visits/1.parquet");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..4]).unwrap();
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        let error = client.simple_query("SELECT sum(seconds) FROM visits").await.expect_err("a broken file");
        assert!(describe(&error).contains("1.parquet"), "{mode}: {}", describe(&error));
        assert_eq!(sql_state(&error), "XX001", "{mode}: {}", describe(&error));
        assert_eq!(value(&client, "SELECT count(*) FROM employees").await.as_deref(), Some("12"));
    }

    std::fs::remove_file(&file).unwrap();
    for mode in ["local", "distributed"] {
        client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
        // Either the listing is fresh and the file is simply gone, or the plan names a file that is missing.
        match client.simple_query("SELECT sum(seconds) FROM visits").await {
            Ok(_) => {}
            // The reader of Parquet has its own words for it.
            Err(error) => {
                assert!(["58P01", "XX001"].contains(&sql_state(&error).as_str()), "{mode}: {}", describe(&error));
            }
        }
        assert_eq!(value(&client, "SELECT count(*) FROM employees").await.as_deref(), Some("12"));
    }
}

/// Files of the server's machine that are in no location are not reached, and those in one only by what is for files.
#[tokio::test]
async fn sql_reaches_no_file() {
    let server = Server::start(&[data::path(data::file("departments.csv"))]);
    let client = connect(server.postgres()).await;
    let file = data::path(data::file("employees.parquet"));
    for sql in [
        format!("SELECT * FROM '{file}'"),
        format!("SELECT * FROM \"{file}\""),
        format!("CREATE EXTERNAL TABLE stolen STORED AS PARQUET LOCATION '{file}'"),
        format!("COPY (SELECT 1) TO '{}'", data::path(server.data_directory().join("out.csv"))),
        format!("COPY departments FROM '{file}'"),
        "SET datafusion.catalog.location = '/'".to_owned(),
    ] {
        let error = client.simple_query(&sql).await.expect_err(&sql);
        assert!(["0A000", "42501", "42601", "42704", "42809", "42P01"].contains(&sql_state(&error).as_str()), "{sql}: {}", describe(&error));
    }
}

fn refused(location: &str, words: &[&str]) {
    let refusal = Server::refused(&[location], &[]);
    assert_eq!(refusal.code, Some(2), "{location}: {}", refusal.standard_error);
    assert_eq!(refusal.standard_output, "", "{location}");
    let sentences: Vec<&str> = refusal.standard_error.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(sentences.len(), 1, "{location}: {}", refusal.standard_error);
    for word in words {
        assert!(sentences[0].contains(word), "{word} is not in: {}", sentences[0]);
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn write_parquet_with_text_id(path: &Path) {
    use arrow::array::{RecordBatch, StringArray};
    use std::sync::Arc;

    let batch = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["one"])) as _)]).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
