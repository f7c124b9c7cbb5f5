//! Arbalest tested from outside: one real server process a test, real protocols, no shared state.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

mod bad_sql;
mod cancel;
mod catalog;
mod client;
mod cluster;
mod cut;
mod data;
mod data_dir;
mod drain;
mod failure;
mod files;
mod flight;
mod grants;
mod link;
mod locations;
mod memory;
mod object_stores;
mod plans;
mod postgres_protocol;
mod processes;
mod serve;
mod shared_catalog;
mod s3;
mod server;
mod slt;
mod snapshots;
mod sorted_files;
mod tables;
