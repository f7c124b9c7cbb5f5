//! The sample is complete, generated once, or not there at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, SystemTime};

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

fn sample(scale: &str) -> SampleConfig {
    format!("tpch={scale}").parse().unwrap()
}

fn rows(directory: &Path) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for table in fs::read_dir(directory).unwrap() {
        let table = table.unwrap();
        let name = table.file_name().into_string().unwrap();
        for file in fs::read_dir(table.path()).unwrap() {
            let reader = SerializedFileReader::new(File::open(file.unwrap().path()).unwrap()).unwrap();
            *rows.entry(name.clone()).or_default() += reader.metadata().file_metadata().num_rows();
        }
    }
    rows
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_table_is_generated_once() {
    let data_dir = tempfile::tempdir().unwrap();
    let directory = provide(sample("0.01"), data_dir.path(), 2).await.unwrap();
    assert_eq!(directory, data_dir.path().join("sample/tpch-0.01"));
    let expected = [
        ("customer", 1500),
        ("lineitem", 60175),
        ("nation", 25),
        ("orders", 15000),
        ("part", 2000),
        ("partsupp", 8000),
        ("region", 5),
        ("supplier", 100),
    ];
    assert_eq!(rows(&directory), expected.map(|(name, rows)| (name.to_owned(), rows)).into());
    assert_eq!(entries(&data_dir.path().join("sample")), ["tpch-0.01"]);

    let file = directory.join("nation/part-0001.parquet");
    File::open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    provide(sample("0.01"), data_dir.path(), 2).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));

    fs::remove_dir_all(directory.join("orders")).unwrap();
    provide(sample("0.01"), data_dir.path(), 2).await.unwrap();
    assert_eq!(rows(&directory)["orders"], 15000);
}

#[tokio::test]
async fn the_smallest_scale_has_rows_in_every_table() {
    let data_dir = tempfile::tempdir().unwrap();
    let directory = provide(sample("0.001"), data_dir.path(), 1).await.unwrap();
    let rows = rows(&directory);
    assert_eq!((rows.len(), rows["supplier"], rows["orders"]), (8, 10, 1500));
}

#[tokio::test]
async fn an_interrupted_run_leaves_nothing() {
    let data_dir = tempfile::tempdir().unwrap();
    let generating = tokio::time::timeout(Duration::from_millis(50), provide(sample("100"), data_dir.path(), 2));
    assert!(generating.await.is_err());
    let parent = data_dir.path().join("sample");
    let started = Instant::now();
    while !entries(&parent).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", entries(&parent));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_a_killed_server_left_is_overwritten() {
    let data_dir = tempfile::tempdir().unwrap();
    let unfinished = data_dir.path().join("sample").join(format!("{UNFINISHED_PREFIX}tpch-0.001/lineitem"));
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("part-0001.parquet"), "half").unwrap();
    let directory = provide(sample("0.001"), data_dir.path(), 2).await.unwrap();
    assert!(is_complete(&directory));
    assert_eq!(entries(&data_dir.path().join("sample")), ["tpch-0.001"]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let data_dir = tempfile::tempdir().unwrap();
    fs::write(data_dir.path().join("sample"), "").unwrap();
    let error = provide(sample("0.001"), data_dir.path(), 2).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot write the sample to \""), "{error}");
    assert_eq!(entries(data_dir.path()), ["sample"]);
}
