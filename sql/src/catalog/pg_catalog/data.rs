//! Reads the rows and column lists dumped from PostgreSQL 15 by `generate.py`.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use udfs::postgres::text_output::parse_array;
use udfs::postgres::value::Value;

use super::types::is_array;

/// A relation of `pg_catalog` or `information_schema`.
#[derive(Debug)]
pub struct Relation {
    pub schema: &'static str,
    pub name: &'static str,
    pub oid: u32,
    /// `r` or `v`.
    pub kind: &'static str,
    pub row_type: u32,
    pub array_type: u32,
    pub columns: Vec<Column>,
}

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    /// PostgreSQL's `typname`.
    pub type_name: &'static str,
    pub not_null: bool,
}

/// All relations, by schema and name.
static RELATIONS: LazyLock<HashMap<&'static str, BTreeMap<&'static str, Relation>>> = LazyLock::new(|| {
    let mut schemas: HashMap<_, BTreeMap<_, _>> = HashMap::new();
    for relation in parse_relations(include_str!("data/relations.tsv")) {
        schemas.entry(relation.schema).or_default().insert(relation.name, relation);
    }
    schemas
});

pub fn relation(schema: &str, name: &str) -> Option<&'static Relation> {
    RELATIONS.get(schema)?.get(name)
}

/// The relations of a schema in the order of their names.
pub fn relations_of(schema: &str) -> impl Iterator<Item = &'static Relation> + use<> {
    RELATIONS.get(schema).into_iter().flat_map(BTreeMap::values)
}

fn parse_relations(text: &'static str) -> Vec<Relation> {
    let mut relations: Vec<Relation> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&'static str> = line.split('\t').collect();
        match (fields.as_slice(), relations.last_mut()) {
            (["", name, type_name, rest @ ..], Some(relation)) => {
                relation.columns.push(Column { name, type_name, not_null: !rest.is_empty() });
            }
            ([schema, name, oid, kind, row_type, array_type], _) => relations.push(Relation {
                schema,
                name,
                oid: number(oid),
                kind,
                row_type: number(row_type),
                array_type: number(array_type),
                columns: Vec::new(),
            }),
            _ => debug_assert!(false, "a line of relations.tsv: {line}"),
        }
    }
    relations
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_default()
}

/// Rows of a relation dumped whole: column names and the fields of each row, NULL as `None`.
pub struct Dump {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Dump {
    fn parse(text: &'static str) -> Self {
        let mut lines = text.lines();
        let columns = lines.next().unwrap_or_default().split('\t').collect();
        let rows = lines.map(|line| line.split('\t').map(field).collect()).collect();
        Self { columns, rows }
    }

    /// The fields of a column, by row.
    pub fn column(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        let index = self.columns.iter().position(|column| *column == name);
        debug_assert!(index.is_some(), "column {name} of a dump");
        self.rows.iter().map(move |row| row.get(index?)?.as_deref())
    }
}

/// A field of COPY's text format.
fn field(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let mut field = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => field.push('\t'),
                Some('n') => field.push('\n'),
                Some('r') => field.push('\r'),
                Some(other) => field.push(other),
                None => {}
            },
            (c, _) => field.push(c),
        }
    }
    Some(field)
}

macro_rules! dumps {
    ($($name:literal),* $(,)?) => {
        static DUMPS: LazyLock<HashMap<&'static str, Dump>> = LazyLock::new(|| {
            HashMap::from([$(($name, Dump::parse(include_str!(concat!("data/", $name, ".tsv"))))),*])
        });
    };
}

dumps!(
    "pg_am",
    "pg_auth_members",
    "pg_collation",
    "pg_get_keywords",
    "pg_language",
    "pg_opclass",
    "pg_opfamily",
    "pg_proc",
    "pg_range",
    "pg_roles",
    "pg_settings",
    "pg_tablespace",
    "pg_type",
);

pub fn dump(name: &str) -> Option<&'static Dump> {
    DUMPS.get(name)
}

/// A field as a value of a PostgreSQL type.
pub fn value(field: Option<&str>, type_name: &str) -> Value {
    let Some(text) = field else { return Value::Null };
    if type_name == "int2vector" || type_name == "oidvector" {
        return Value::List(text.split_ascii_whitespace().map(|item| value(Some(item), "int8")).collect());
    }
    if is_array(type_name) {
        let items = parse_array(text).unwrap_or_default();
        return Value::List(items.iter().map(|item| value(item.as_text(), &type_name[1..])).collect());
    }
    match type_name {
        "bool" => Value::Bool(text == "t"),
        "int2" | "int4" | "int8" | "oid" | "xid" | "regproc" | "regtype" | "regclass" => text.parse::<i64>().ok().into(),
        "float4" | "float8" => text.parse::<f64>().map_or(Value::Null, Value::Float),
        _ => Value::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_well_formed() {
        for (name, dump) in DUMPS.iter() {
            assert!(!dump.rows.is_empty(), "{name}");
            for row in &dump.rows {
                assert_eq!(row.len(), dump.columns.len(), "{name}: {row:?}");
            }
            for column in relation("pg_catalog", name).map(|relation| &relation.columns).into_iter().flatten() {
                let known = ["pg_proc", "pg_settings"].contains(name) || dump.columns.contains(&column.name);
                assert!(known, "{name}.{}", column.name);
            }
        }
        assert!(relation("pg_catalog", "pg_class").is_some_and(|relation| relation.columns.len() == 33));
    }
}
