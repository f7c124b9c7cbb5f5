//! OIDs of objects that have none in the catalog store: derived from those that do, so that every server gives the same.
//!
//! Tables count up from 16384 and will not reach 2^30; what belongs to a table has its OID with other high bits.

/// The only database of a server.
pub const DATABASE: u32 = 5;
/// Owner of everything that PostgreSQL would create at initdb.
pub const BOOTSTRAP_ROLE: u32 = 10;
pub const PG_CATALOG_SCHEMA: u32 = 11;
pub const INFORMATION_SCHEMA: u32 = 13_000;
pub const DEFAULT_TABLESPACE: u32 = 1663;
pub const HEAP_ACCESS_METHOD: u32 = 2;
pub const BTREE_ACCESS_METHOD: u32 = 403;
pub const DEFAULT_COLLATION: u32 = 100;
pub const C_COLLATION: u32 = 950;

const ROW_TYPE: u32 = 0x4000_0000;
const ROW_ARRAY_TYPE: u32 = 0x5000_0000;
const KEY: u32 = 0x6000_0000;
const NAMED: u32 = 0x7000_0000;

/// The composite type of a table's rows.
pub fn row_type(table: u32) -> u32 {
    table | ROW_TYPE
}

/// The array of a table's row type.
pub fn row_array_type(table: u32) -> u32 {
    table | ROW_ARRAY_TYPE
}

/// The table whose row type or array of it this is; `true` for the array.
pub fn table_of_row_type(oid: u32) -> Option<(u32, bool)> {
    match oid & 0xf000_0000 {
        ROW_TYPE => Some((oid & 0x0fff_ffff, false)),
        ROW_ARRAY_TYPE => Some((oid & 0x0fff_ffff, true)),
        _ => None,
    }
}

/// The `ordinal`th constraint of a table, or the index of that constraint, or a column's default.
pub fn part(table: u32, part: Part, ordinal: usize) -> u32 {
    hashed(KEY, &format!("{part:?} {ordinal} of {table}"))
}

/// The same of a part that has a name among its like.
pub fn named_part(table: u32, part: Part, name: &str) -> u32 {
    hashed(KEY, &format!("{part:?} {name:?} of {table}"))
}

#[derive(Clone, Copy, Debug)]
pub enum Part {
    Constraint,
    Index,
    Default,
    Rule,
}

/// An object known by its name only, such as a role.
pub fn named(kind: &str, name: &str) -> u32 {
    hashed(NAMED, &format!("{kind} {name}"))
}

/// FNV-1a into the range that starts at `base`.
fn hashed(base: u32, text: &str) -> u32 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    base | (hash & 0x0fff_ffff)
}
