//! `arbalest serve` as scripts and operators see it: ready line, exit codes, refusals, probes.

use std::time::Duration;

use tempfile::TempDir;

use crate::client;
use crate::data;
use crate::server::{Refusal, Server};

#[tokio::test]
async fn ready_line_names_every_service() {
    let server = Server::start(&[data::lake()]);
    let words: Vec<&str> = server.ready_line().split(' ').collect();
    assert_eq!(words[0], "ready");
    let names: Vec<&str> = words[1..].iter().map(|word| word.split('=').next().unwrap()).collect();
    assert_eq!(names, ["postgres", "flight", "web"]);
    for word in &words[1..] {
        assert!(word.contains("=127.0.0.1:") && !word.ends_with(":0"), "{word}");
    }
    let client = client::connect(server.postgres()).await;
    assert_eq!(client::value(&client, "SELECT count(*) FROM employees").await.as_deref(), Some("12"));
    assert_eq!(server.further_output(), Vec::<String>::new(), "standard output is the ready line alone");
}

#[test]
fn a_disabled_service_is_left_out() {
    let server = Server::start(&["--flight-port", "off", "--web-port", "off"]);
    assert!(server.address_of("flight").is_none() && server.address_of("web").is_none(), "{}", server.ready_line());
    assert!(server.address_of("postgres").is_some());
}

#[tokio::test]
async fn without_a_location_the_catalog_is_served() {
    let server = Server::start::<&str>(&[]);
    let client = client::connect(server.postgres()).await;
    assert_eq!(client::value(&client, "SELECT 1").await.as_deref(), Some("1"));
}

#[test]
fn signals_end_it_with_success() {
    for signal in [Server::terminate, Server::interrupt] {
        let mut server = Server::start(&[data::lake()]);
        signal(&server);
        let status = server.wait(Duration::from_secs(10)).expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", server.standard_error());
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--postgres-port", "--flight-port", "--web-port"] {
        let refusal = Server::refused(&[flag, &port], &[]);
        sentence(&refusal, &[&port]);
    }
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest() {
    let refusal = Server::refused(&["--postgress-port", "0"], &[]);
    sentence(&refusal, &["--postgress-port", "--postgres-port"]);
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    let refusal = Server::refused::<&str>(&[], &[("ARBALEST_POSTGRES_PROT", "0")]);
    sentence(&refusal, &["ARBALEST_POSTGRES_PROT", "ARBALEST_POSTGRES_PORT"]);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("arbalest.toml");
    std::fs::write(&file, "postgres-prot = 0\n").unwrap();
    let refusal = Server::refused(&["--config", &data::path(&file)], &[]);
    sentence(&refusal, &["postgres-prot", "postgres-port", "arbalest.toml"]);
}

#[test]
fn a_wrong_value_is_refused() {
    sentence(&Server::refused(&["--postgres-port", "many"], &[]), &["many"]);
    sentence(&Server::refused(&["--sample", "tpch=-1"], &[]), &["tpch=-1"]);
    sentence(&Server::refused(&["--sample", "unknown"], &[]), &["unknown"]);
    sentence(&Server::refused(&["--config", "/nonexistent/arbalest.toml"], &[]), &["/nonexistent/arbalest.toml"]);
}

#[test]
fn a_remote_address_needs_authentication() {
    sentence(&Server::refused(&["--listen", "0.0.0.0"], &[]), &["0.0.0.0"]);
}

#[tokio::test]
async fn configuration_comes_from_file_environment_and_flags() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("arbalest.toml");
    std::fs::write(&file, "log-level = \"error\"\nshutdown-grace = \"1s\"\n").unwrap();
    let file = data::path(&file);
    // A log line of level info at the start shows which layer won.
    let logged = |environment: &[(&str, &str)], flags: &[&str]| {
        let server = Server::start_with(&[&["--config", &file], flags].concat(), environment);
        !server.standard_error().trim().is_empty()
    };
    assert!(!logged(&[], &[]), "the file is read");
    assert!(logged(&[("ARBALEST_LOG_LEVEL", "info")], &[]), "a variable wins over the file");
    assert!(!logged(&[("ARBALEST_LOG_LEVEL", "info")], &["--log-level", "error"]), "a flag wins over the variable");
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let server = Server::start(&[data::lake()]);
    let client = client::connect(server.postgres()).await;
    client::value(&client, "SELECT count(*) FROM employees").await;
    for path in ["live", "ready"] {
        let response = reqwest::get(format!("http://{}/{path}", server.web())).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let metrics = reqwest::get(format!("http://{}/metrics", server.web())).await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line.starts_with("# TYPE arbalest_")), "{metrics}");
}

#[tokio::test]
async fn logs_are_json_when_not_on_a_terminal() {
    let server = Server::start(&[data::lake()]);
    let log = server.standard_error();
    let line = log.lines().next().expect("a line in the log");
    serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
}

#[tokio::test]
async fn an_unknown_database_is_refused() {
    let server = Server::start(&[data::lake()]);
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(server.postgres().port()).user("tester").dbname("nowhere");
    let error = config.connect(tokio_postgres::NoTls).await.err().expect("a refusal");
    assert_eq!(client::sql_state(&error), "3D000");
}

/// Exit code 2, nothing on standard output, and one sentence on standard error that holds `words`.
fn sentence(refusal: &Refusal, words: &[&str]) {
    assert_eq!(refusal.code, Some(2), "{}", refusal.standard_error);
    assert_eq!(refusal.standard_output, "");
    assert_eq!(refusal.standard_error.lines().count(), 1, "{}", refusal.standard_error);
    for word in words {
        assert!(refusal.standard_error.contains(word), "{word} is not in: {}", refusal.standard_error);
    }
}
