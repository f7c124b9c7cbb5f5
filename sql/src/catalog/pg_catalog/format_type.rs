//! `format_type(oid, modifier)`: a type's SQL name, such as `character varying(20)`.

use udfs::postgres::quote::quoted_identifier;

use super::PG_CATALOG;
use super::data::relations_of;
use super::oids::table_of_row_type;
use super::types::TYPES;
use crate::catalog::CatalogSnapshot;
use crate::catalog::information_schema::INFORMATION_SCHEMA;

const BPCHAR: u32 = 1042;

/// Without a modifier (NULL), and with the modifier -1, `bpchar` prints differently; otherwise both are the bare name.
pub fn format_type(snapshot: &CatalogSnapshot, oid: u32, modifier: Option<i64>) -> String {
    if oid == 0 {
        return "-".into();
    }
    if let Some(name) = row_type_name(snapshot, oid) {
        return name;
    }
    let Some(pg_type) = TYPES.get(&oid) else { return "???".into() };
    if let Some(element) = TYPES.get(&pg_type.element).filter(|element| element.array == oid) {
        return format!("{}[]", scalar(element.oid, &element.name, modifier));
    }
    scalar(oid, &pg_type.name, modifier)
}

fn scalar(oid: u32, name: &str, modifier: Option<i64>) -> String {
    let given = modifier.filter(|modifier| *modifier >= 0);
    let length = |base: &str| given.map_or_else(|| base.to_owned(), |modifier| format!("{base}({})", modifier - 4));
    // The precision stands within the name.
    let precision = |base: &str, rest: &str| {
        given.map_or_else(|| format!("{base} {rest}"), |modifier| format!("{base}({modifier}) {rest}"))
    };
    match name {
        "bit" => given.map_or_else(|| "bit".into(), |modifier| format!("bit({modifier})")),
        "bool" => "boolean".into(),
        "bpchar" if modifier == Some(-1) => "bpchar".into(),
        "bpchar" => length("character"),
        "char" => "\"char\"".into(),
        "float4" => "real".into(),
        "float8" => "double precision".into(),
        "int2" => "smallint".into(),
        "int4" => "integer".into(),
        "int8" => "bigint".into(),
        "numeric" => match given {
            Some(modifier) => {
                let (precision, scale) = (((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff);
                // An 11-bit number with a sign.
                format!("numeric({precision},{})", (scale ^ 1024) - 1024)
            }
            None => "numeric".into(),
        },
        "interval" => match given.map(|modifier| modifier & 0xffff) {
            Some(precision) if precision != 0xffff => format!("interval({precision})"),
            _ => "interval".into(),
        },
        "time" => precision("time", "without time zone"),
        "timetz" => precision("time", "with time zone"),
        "timestamp" => precision("timestamp", "without time zone"),
        "timestamptz" => precision("timestamp", "with time zone"),
        "varbit" => given.map_or_else(|| "bit varying".into(), |modifier| format!("bit varying({modifier})")),
        "varchar" => length("character varying"),
        _ if oid == BPCHAR => length("character"),
        _ => quoted_identifier(name),
    }
}

/// A row type bears its relation's name, qualified where it is not in `pg_catalog`.
fn row_type_name(snapshot: &CatalogSnapshot, oid: u32) -> Option<String> {
    if let Some((table_oid, is_array)) = table_of_row_type(oid) {
        let (schema, table) = snapshot.tables().find(|(_, table)| table.oid == table_oid)?;
        let brackets = if is_array { "[]" } else { "" };
        let name = quoted_identifier(&table.name);
        return Some(if schema.name == "public" {
            format!("{name}{brackets}")
        } else {
            format!("{}.{name}{brackets}", quoted_identifier(&schema.name))
        });
    }
    let mut relations = [PG_CATALOG, INFORMATION_SCHEMA].into_iter().flat_map(relations_of);
    let relation = relations.find(|relation| relation.row_type == oid || (relation.array_type == oid))?;
    let brackets = if relation.row_type == oid { "" } else { "[]" };
    Some(match relation.schema {
        "pg_catalog" => format!("{}{brackets}", relation.name),
        schema => format!("{schema}.{}{brackets}", relation.name),
    })
}

/// The OID of a type by a name that SQL knows: `int4`, `integer`, `numeric(10,2)`, `text[]`, `pg_catalog.oid`.
pub fn type_by_name(name: &str) -> Option<u32> {
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if let Some(element) = name.strip_suffix("[]") {
        let oid = type_by_name(element)?;
        return TYPES.get(&oid).map(|pg_type| pg_type.array).filter(|array| *array != 0);
    }
    if let Some(quoted) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return by_typname(quoted);
    }
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    let joined = words.join(" ");
    // `numeric(10,2)`, `timestamp(3) with time zone`
    let bare = match (joined.find('('), joined.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", joined[..open].trim_end(), &joined[close + 1..]),
        _ => joined,
    };
    let typname = match bare.as_str() {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "bit varying" => "varbit",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        other => other,
    };
    by_typname(typname)
}

fn by_typname(name: &str) -> Option<u32> {
    super::types::TYPE_OIDS.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_postgresql_prints_them() {
        let snapshot = CatalogSnapshot::new("d", vec![]);
        for (oid, modifier, name) in [
            (1043, Some(24), "character varying(20)"),
            (1043, None, "character varying"),
            (1042, Some(-1), "bpchar"),
            (1042, None, "character"),
            (1042, Some(9), "character(5)"),
            (1700, Some(((10 << 16) | 2) + 4), "numeric(10,2)"),
            (1114, Some(3), "timestamp(3) without time zone"),
            (1184, Some(-1), "timestamp with time zone"),
            (1007, Some(-1), "integer[]"),
            (1231, Some(((10 << 16) | 2) + 4), "numeric(10,2)[]"),
            (18, None, "\"char\""),
            (22, None, "int2vector"),
            (0, None, "-"),
            (4_000_000_000, None, "???"),
        ] {
            assert_eq!(format_type(&snapshot, oid, modifier), name);
        }
        for (name, oid) in [("int4", 23), ("Integer", 23), ("timestamp (3)  with time zone", 1184), ("text[]", 1009), ("\"char\"", 18)] {
            assert_eq!(type_by_name(name), Some(oid), "{name}");
        }
        assert_eq!(type_by_name("hstore"), None);
    }
}
