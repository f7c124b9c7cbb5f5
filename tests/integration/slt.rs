//! Runs the scripts of `tests/slt` over every protocol, in both execution modes, and against PostgreSQL 15 itself.
//!
//! The answers in the scripts are PostgreSQL's: `reference()` replays them there when it is installed, and
//! `SLT_REWRITE=1` makes it write them. Labels: `arbalest` and `postgresql15` tell the two servers apart; on Arbalest
//! `postgres` (both of its protocols) or `flight`, and `local` or `distributed`, say how the script is run.

mod arrow_text;
mod binary_text;
mod flight;
mod postgres;
pub mod postgresql15;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

use sqllogictest::{
    AsyncDB, MakeConnection, QueryExpect, Record, Runner, default_normalizer, default_validator, strict_column_validator,
    update_record_with_output,
};

use crate::data;
use crate::server::Server;

/// What a script sees of an error: the SQLSTATE, where the protocol carries one, and the message.
#[derive(Debug)]
pub struct Error {
    pub sql_state: Option<String>,
    pub message: String,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self { sql_state: None, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_simple_local() {
    postgres_simple("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_simple_distributed() {
    postgres_simple("distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_extended_local() {
    postgres_extended("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_extended_distributed() {
    postgres_extended("distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_local() {
    flight_sql("local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_distributed() {
    flight_sql("distributed").await;
}

/// Scripts of statements that PostgreSQL does not have.
const OURS: [&str; 3] = ["files", "show", "time_travel"];

/// The answers in the scripts are those of PostgreSQL 15.
#[tokio::test(flavor = "multi_thread")]
async fn reference() {
    let Some(cluster) = postgresql15::Cluster::start() else {
        eprintln!("skipped: PostgreSQL 15 is not installed");
        return;
    };
    let mut failures = vec![];
    let is_ours = |script: &PathBuf| script.file_stem().is_some_and(|name| OURS.iter().any(|ours| *ours == name));
    for script in scripts().into_iter().filter(|script| !is_ours(script)) {
        let address = cluster.address();
        let mut runner = Runner::new(|| postgres::Simple::connect(address, None));
        runner.add_label("postgresql15");
        if std::env::var_os("SLT_REWRITE").is_some() {
            rewrite(&mut runner, &script).await;
        } else {
            check(&mut runner, &script, &mut failures).await;
        }
        runner.shutdown_async().await;
    }
    report(failures);
}

async fn postgres_simple(mode: &'static str) {
    let server = Server::start(&[data::lake()]);
    let address = server.postgres();
    run("postgres", mode, || postgres::Simple::connect(address, Some(mode))).await;
}

async fn postgres_extended(mode: &'static str) {
    let server = Server::start(&[data::lake()]);
    let address = server.postgres();
    run("postgres", mode, || postgres::Extended::connect(address, mode)).await;
}

async fn flight_sql(mode: &'static str) {
    let server = Server::start(&[data::lake()]);
    let address = server.flight();
    run("flight", mode, || flight::FlightSql::connect(address, mode)).await;
}

async fn run<D, M>(protocol: &str, mode: &str, connect: M)
where
    D: AsyncDB<ColumnType = text::ColumnType>,
    M: MakeConnection<Conn = D> + Clone,
{
    let mut failures = vec![];
    for script in scripts() {
        let mut runner = Runner::new(connect.clone());
        for label in ["arbalest", protocol, mode] {
            runner.add_label(label);
        }
        runner.set_var("LAKE".into(), data::lake());
        check(&mut runner, &script, &mut failures).await;
        runner.shutdown_async().await;
    }
    report(failures);
}

/// Runs every record of a script, so that one report holds all that is wrong.
async fn check<D, M>(runner: &mut Runner<D, M>, script: &Path, failures: &mut Vec<String>)
where
    D: AsyncDB<ColumnType = text::ColumnType>,
    M: MakeConnection<Conn = D>,
{
    let records = sqllogictest::parse_file::<text::ColumnType>(script)
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    for record in records {
        if matches!(record, Record::Halt { .. }) {
            break;
        }
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.display(false).to_string());
        }
    }
}

/// Puts the answers of this server into a script. Expected errors stay: they are SQLSTATEs, not texts.
async fn rewrite<D, M>(runner: &mut Runner<D, M>, script: &Path)
where
    D: AsyncDB<ColumnType = text::ColumnType>,
    M: MakeConnection<Conn = D>,
{
    let records = sqllogictest::parse_file::<text::ColumnType>(script)
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let mut text = String::new();
    for record in records {
        let output = runner.apply_record(record.clone()).await;
        let is_query = matches!(record, Record::Query { expected: QueryExpect::Results { .. }, .. });
        let answered = is_query
            .then(|| {
                update_record_with_output(
                    &record,
                    &output,
                    " ",
                    default_validator,
                    default_normalizer,
                    strict_column_validator,
                )
            })
            .flatten();
        text += &format!("{}\n", answered.unwrap_or(record));
    }
    std::fs::write(script, text.trim_end().to_owned() + "\n").expect("a script that can be written");
}

fn report(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} records failed\n\n{}", failures.len(), failures.join("\n\n"));
}

/// `tests/slt/*.slt`, in order; `SLT` names some of them (`SLT=join,window`).
fn scripts() -> Vec<PathBuf> {
    let only: Option<Vec<String>> =
        std::env::var("SLT").ok().map(|names| names.split(',').map(str::to_owned).collect());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("tests/slt")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .filter(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            only.as_ref().is_none_or(|only| only.contains(&name))
        })
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", directory.display());
    scripts
}
