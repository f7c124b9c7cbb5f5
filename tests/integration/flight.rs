//! Flight SQL message by message: what no driver lets one see, and what the drivers rely on.

mod client;
mod metadata;
mod prepared;
mod session;
mod statement;
