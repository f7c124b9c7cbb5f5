//! The tables of `tests/data`, and broken files made from them.

use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// A directory with one table in each format the server reads.
pub fn lake() -> String {
    path(directory().join("lake"))
}

/// The same tables for PostgreSQL.
pub fn postgresql_script() -> PathBuf {
    directory().join("postgresql.sql")
}

/// One file of the lake.
pub fn file(name: &str) -> PathBuf {
    directory().join("lake").join(name)
}

pub fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().expect("a path in UTF-8").to_owned()
}
