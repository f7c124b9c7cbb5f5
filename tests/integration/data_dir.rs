//! `--data-dir` belongs to one server; whatever ends it, nothing half-done stays, and the next one starts.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client;
use crate::data;
use crate::server::{Server, binary, signal, wait};

#[test]
fn a_directory_in_use_is_refused() {
    let server = Server::start::<&str>(&[]);
    let refusal = Server::refused(&["--data-dir", &data::path(server.data_directory())], &[]);
    assert_eq!((refusal.code, refusal.standard_output.as_str()), (Some(2), ""));
    let expected = format!("in use by another server (process {})", server.process_id());
    assert!(refusal.standard_error.contains(&expected), "{}", refusal.standard_error);
    assert_eq!(refusal.standard_error.lines().count(), 1, "{}", refusal.standard_error);
}

#[tokio::test]
async fn a_killed_server_is_no_obstacle() {
    let directory = TempDir::new().unwrap();
    let arguments = ["--data-dir", &data::path(directory.path()), "--sample", "tpch=0.001"];
    let killed = Server::start(&arguments);
    assert_eq!(entries(&directory.path().join("spill")).len(), 1);
    // As `kill -9` does.
    drop(killed);
    let scratch = entries(&directory.path().join("spill"));
    let file = directory.path().join("spill").join(&scratch[0]).join("spilled");
    std::fs::write(&file, "rows").unwrap();

    let server = Server::start(&arguments);
    assert!(!file.exists());
    assert_eq!(entries(&directory.path().join("spill")).len(), 1);
    let client = client::connect(server.postgres()).await;
    assert_eq!(client::value(&client, "SELECT count(*) FROM orders").await.as_deref(), Some("1500"));
}

#[test]
fn an_ended_server_leaves_no_scratch_files() {
    let mut server = Server::start(&["--sample", "tpch=0.001"]);
    server.terminate();
    assert_eq!(server.wait(Duration::from_secs(10)).and_then(|status| status.code()), Some(0));
    assert_eq!(entries(&server.data_directory().join("spill")), [""; 0]);
    assert_eq!(entries(&server.data_directory().join("sample")), ["tpch-0.001"]);
}

#[test]
fn an_interrupted_sample_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let sample = directory.path().join("sample");
    let mut child = serve(directory.path(), "100").stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sample.join(".unfinished-tpch-100/lineitem/part-0001.parquet").exists() {
        assert!(Instant::now() < deadline, "no sample is being generated");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(child.id(), "TERM");
    let status = wait(&mut child, Duration::from_secs(20)).expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert_eq!(entries(&sample), [""; 0]);
}

/// A limit on the size of files stands in for a full disk, which takes root to make.
#[cfg(unix)]
#[test]
fn a_sample_that_does_not_fit_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let serve = serve(directory.path(), "0.1");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]).arg(serve.get_program()).args(serve.get_args());
    let output = shell.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    let sentence = log.lines().last().unwrap();
    assert!(sentence.starts_with("error: cannot write the sample's table \""), "{log}");
    assert!(sentence.contains(&data::path(directory.path())) && sentence.contains("File too large"), "{log}");
    assert_eq!(entries(&directory.path().join("sample")), [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_made_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for flag in ["--data-dir", "--spill-dir"] {
        let path = data::path(file.join("data"));
        let refusal = Server::refused(&[flag, &path], &[]);
        assert_eq!(refusal.code, Some(2));
        assert!(refusal.standard_error.contains(&path) && refusal.standard_error.contains(flag), "{}", refusal.standard_error);
        assert_eq!(refusal.standard_error.lines().count(), 1, "{}", refusal.standard_error);
    }
}

fn serve(directory: &Path, scale: &str) -> Command {
    let mut command = Command::new(binary("arbalest"));
    command.args(["serve", "--postgres-port=0", "--flight-port=0", "--web-port=0", "--data-dir"]).arg(directory);
    command.arg(format!("--sample=tpch={scale}"));
    command.stdout(Stdio::null()).stdin(Stdio::null());
    command
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return vec![] };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
