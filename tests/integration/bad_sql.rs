//! Wrong or outsized SQL gets a sentence and a SQLSTATE; the connection and the server live on, nothing stays on disk.
//!
//! `slt/error.slt` has one record for each class; here is what a script cannot say: position, hint, size.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use crate::client::{connect, describe, sql_state, value};
use crate::data;
use crate::server::Server;

const MODES: [&str; 2] = ["local", "distributed"];

#[tokio::test]
async fn errors_point_at_their_place() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for (sql, word) in [
        ("SELEC 1", "SELEC"),
        ("SELECT 1 FROM WHERE", "WHERE"),
        ("SELECT id FROM employees ORDER id", "id"),
        ("SELECT 'žluťoučký', nam FROM employees", "nam"),
        ("SELECT * FROM employes", "employes"),
        ("SELECT no_such_function(1)", "no_such_function"),
    ] {
        let error = client.simple_query(sql).await.expect_err(sql);
        let Some(ErrorPosition::Original(position)) = error.as_db_error().and_then(|error| error.position()) else {
            panic!("{sql}: no position in {}", describe(&error));
        };
        let expected = sql.rfind(word).map(|bytes| sql[..bytes].chars().count() as u32 + 1);
        assert_eq!(Some(*position), expected, "{sql}: {}", describe(&error));
    }
}

#[tokio::test]
async fn errors_name_the_nearest() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for (sql, state, nearest) in [
        ("SELECT salry FROM employees", "42703", "salary"),
        ("SELECT e.nmae FROM employees e", "42703", "name"),
        ("SELECT * FROM employes", "42P01", "employees"),
        ("SELECT * FROM Departmens", "42P01", "departments"),
        ("SELECT uper(name) FROM employees", "42883", "upper"),
        ("SET arbalest.execution_mod = 'local'", "42704", "arbalest.execution_mode"),
    ] {
        let error = client.simple_query(sql).await.expect_err(sql);
        assert_eq!(sql_state(&error), state, "{sql}: {}", describe(&error));
        let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default();
        assert!(hint.contains(nearest), "{sql}: hint {hint:?} of {}", describe(&error));
    }
}

#[tokio::test]
async fn a_value_that_is_not_allowed_is_refused() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    let error = client.simple_query("SET arbalest.execution_mode = 'elsewhere'").await.expect_err("no such mode");
    assert_eq!(sql_state(&error), "22023");
    assert_eq!(value(&client, "SHOW arbalest.execution_mode").await.as_deref(), Some("auto"));
}

#[tokio::test]
async fn errors_of_rows_come_in_both_modes() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for mode in MODES {
        set_mode(&client, mode).await;
        for (sql, state) in [
            ("SELECT sum(id / (id - 3)) FROM employees", "22012"),
            ("SELECT count(name::int) FROM employees", "22P02"),
            ("SELECT sum(large + id) FROM types", "22003"),
            ("SELECT (SELECT id FROM employees) FROM departments", "21000"),
            ("SELECT * FROM nowhere", "42P01"),
        ] {
            let error = client.simple_query(sql).await.expect_err(sql);
            assert_eq!(sql_state(&error), state, "{mode}: {sql}: {}", describe(&error));
            assert_alive(&client).await;
        }
    }
}

#[tokio::test]
async fn ten_thousand_parentheses() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for depth in [100, 1_000, 10_000] {
        let sql = format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
        answers_or_is_too_complex(&client, &sql, "1").await;
        let sql = format!("SELECT {}1", "NOT ".repeat(depth) + "1 = ");
        answers_or_is_too_complex(&client, &sql, "t").await;
        let sql = format!("SELECT {}1{}", "abs(".repeat(depth), ")".repeat(depth));
        answers_or_is_too_complex(&client, &sql, "1").await;
        let sql = format!("SELECT {}1{}", "(SELECT ".repeat(depth), ")".repeat(depth));
        answers_or_is_too_complex(&client, &sql, "1").await;
        let sql = format!("{}1{}", "SELECT * FROM (".repeat(depth), ")".repeat(depth));
        let error = client.simple_query(&sql).await.expect_err("a syntax error, or too deep");
        assert!(["42601", "54001"].contains(&sql_state(&error).as_str()), "{}", describe(&error));
    }
    // Unbalanced, so that the parser cannot finish either.
    let error = client.simple_query(&"(".repeat(10_000)).await.expect_err("no statement");
    assert!(["42601", "54001"].contains(&sql_state(&error).as_str()), "{}", describe(&error));
    assert_alive(&client).await;
}

#[tokio::test]
async fn ten_thousand_terms() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for mode in MODES {
        set_mode(&client, mode).await;
        let or: Vec<String> = (0..10_000).map(|term| format!("id = {}", term * 3)).collect();
        let sql = format!("SELECT count(*) FROM employees WHERE {}", or.join(" OR "));
        answers_or_is_too_complex(&client, &sql, "4").await;
        let sum = vec!["1"; 10_000].join(" + ");
        answers_or_is_too_complex(&client, &format!("SELECT {sum}"), "10000").await;
        let concatenation = vec!["'a'"; 10_000].join(" || ");
        answers_or_is_too_complex(&client, &format!("SELECT length({concatenation})"), "10000").await;
    }
}

#[tokio::test]
async fn an_in_list_of_a_megabyte() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for mode in MODES {
        set_mode(&client, mode).await;
        let mut list = String::from("1");
        let mut number = 1_000;
        while list.len() < 1_000_000 {
            write!(list, ",{number}").unwrap();
            number += 7;
        }
        let start = Instant::now();
        let sql = format!("SELECT count(*) FROM employees WHERE id IN ({list})");
        assert_eq!(value(&client, &sql).await.as_deref(), Some("1"), "{mode}");
        assert!(start.elapsed() < Duration::from_secs(20), "{mode}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn hundreds_of_joins_and_columns() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    let joins: String = (1..200).map(|n| format!(" JOIN departments d{n} ON d{n}.code = d0.code")).collect();
    let sql = format!("SELECT count(*) FROM departments d0{joins}");
    answers_or_is_too_complex(&client, &sql, "4").await;
    let columns: Vec<String> = (0..1_600).map(|n| format!("{n} AS c{n}")).collect();
    assert_eq!(value(&client, &format!("SELECT {}", columns.join(", "))).await.as_deref(), Some("0"));
    let unions = vec!["SELECT 1 AS n"; 1_000].join(" UNION ALL ");
    answers_or_is_too_complex(&client, &format!("SELECT sum(n) FROM ({unions}) AS t"), "1000").await;
}

/// One array of gigabytes cannot spill, and ends in 53200.
#[tokio::test]
async fn more_memory_than_the_pool() {
    let server = Server::start(&["--sample", "tpch=0.05", "--memory", "64MiB"]);
    let client = connect(server.postgres()).await;
    for mode in MODES {
        set_mode(&client, mode).await;
        let files = server.files();
        let sql = "SELECT array_length(array_agg(l_comment || n_comment)) FROM lineitem, nation";
        let error = client.simple_query(sql).await.expect_err("it needs gigabytes");
        assert_eq!(sql_state(&error), "53200", "{mode}: {}", describe(&error));
        assert_alive(&client).await;
        left_nothing(&server, &files).await;
    }
}

async fn set_mode(client: &Client, mode: &str) {
    client.batch_execute(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
}

/// Either the right answer, or 54001 with the connection alive; never a closed connection or a dead server.
async fn answers_or_is_too_complex(client: &Client, sql: &str, answer: &str) {
    let start: String = sql.chars().take(40).collect();
    match client.simple_query(sql).await {
        Ok(messages) => {
            let row = messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            assert_eq!(row, Some(answer), "{start} …");
        }
        Err(error) => {
            assert!(["54001", "54000"].contains(&sql_state(&error).as_str()), "{start} …: {}", describe(&error));
            assert!(describe(&error).len() < 500, "an error is a sentence: {}", describe(&error));
        }
    }
    assert_alive(client).await;
}

async fn assert_alive(client: &Client) {
    assert_eq!(value(client, "SELECT count(*) FROM (VALUES (1), (2)) AS t (n)").await.as_deref(), Some("2"));
}

/// Within three seconds the data directory holds what it held, and no removed file is open.
async fn left_nothing(server: &Server, files: &[std::path::PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        if server.files() == files && server.deleted_open_files().is_empty() {
            return;
        }
        if Instant::now() > deadline {
            let now = server.files();
            let new: Vec<_> = now.iter().filter(|file| !files.contains(file)).collect();
            panic!("left on disk: {new:?}, open: {:?}", server.deleted_open_files());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
