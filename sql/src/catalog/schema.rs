//! A named set of tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Table;

#[derive(Debug)]
pub struct Schema {
    pub oid: u32,
    pub name: String,
    pub owner: String,
    pub comment: Option<String>,
    pub tables: BTreeMap<String, Arc<Table>>,
}
