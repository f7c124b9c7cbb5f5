//! What `WITH (…)` says of a table: `sorted_by`, the columns by which the rows of each of its files are sorted, written as in
//! ORDER BY.

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{self, CreateTableOptions, Expr, OrderByExpr, OrderByKind, SqlOption};
use engine::SortColumn;

use super::modify::skeleton;
use super::names::folded;
use crate::error::{Error, Result};

const SORTED_BY: &str = "sorted_by";
/// What PostgreSQL's clients may say of pages, which there are none of here.
const OF_PAGES: [&str; 3] = ["fillfactor", "toast_tuple_target", "parallel_workers"];

/// By what a new table of these columns is sorted.
pub(super) fn of_new_table(options: &CreateTableOptions, columns: &Schema, table: &str) -> Result<Vec<SortColumn>> {
    match options {
        CreateTableOptions::With(options) => Ok(sort_columns(options, columns, table)?.unwrap_or_default()),
        _ => Ok(vec![]),
    }
}

/// By what a table is sorted from now on; `None` if the options do not say.
pub(super) fn sort_columns(options: &[SqlOption], columns: &Schema, table: &str) -> Result<Option<Vec<SortColumn>>> {
    let mut given = None;
    for option in options {
        match option {
            SqlOption::KeyValue { key, value } if folded(key) == SORTED_BY => {
                if given.is_some() {
                    return Err(Error::InvalidParameterValue { message: format!("parameter \"{SORTED_BY}\" specified more than once") });
                }
                given = Some(parsed(value, columns, table)?);
            }
            SqlOption::KeyValue { key, .. } if is_of_pages(&folded(key)) => {}
            SqlOption::KeyValue { key, .. } | SqlOption::Ident(key) => {
                return Err(Error::InvalidParameterValue { message: format!("unrecognized parameter \"{}\"", folded(key)) });
            }
            other => return Err(Error::unsupported(format!("the table option {other}"))),
        }
    }
    Ok(given)
}

fn is_of_pages(key: &str) -> bool {
    OF_PAGES.contains(&key) || key.starts_with("autovacuum_")
}

fn parsed(value: &Expr, columns: &Schema, table: &str) -> Result<Vec<SortColumn>> {
    let wrong = || Error::InvalidParameterValue {
        message: format!("invalid value for {SORTED_BY}: {value}; it is a text such as 'region, day DESC'"),
    };
    let text = texts(value).ok_or_else(wrong)?.join(", ");
    if text.trim().is_empty() {
        return Ok(vec![]);
    }
    if text.contains(';') {
        return Err(wrong());
    }
    let ast::Statement::Query(query) = skeleton(&format!("SELECT 1 ORDER BY {text}")).map_err(|_| wrong())? else { return Err(wrong()) };
    let Some(OrderByKind::Expressions(terms)) = query.order_by.map(|order_by| order_by.kind) else { return Err(wrong()) };
    if query.limit_clause.is_some() || query.fetch.is_some() || !query.locks.is_empty() {
        return Err(wrong());
    }
    let column = |OrderByExpr { expr, options, .. }: &OrderByExpr| {
        let Expr::Identifier(name) = expr else { return Err(wrong()) };
        let name = folded(name);
        if columns.index_of(&name).is_err() {
            return Err(Error::UndefinedColumnOf { column: name, relation: table.to_owned() });
        }
        let descending = options.asc == Some(false);
        Ok(SortColumn { name, descending, nulls_first: options.nulls_first.unwrap_or(descending) })
    };
    let sorted: Vec<SortColumn> = terms.iter().map(column).collect::<Result<_>>()?;
    let is_repeated = |(index, column): (usize, &SortColumn)| sorted[..index].iter().any(|other| other.name == column.name);
    match sorted.iter().enumerate().find(|column| is_repeated(*column)) {
        Some((_, column)) => Err(Error::DuplicateColumn { name: column.name.clone() }),
        None => Ok(sorted),
    }
}

/// A text, or those of an array.
fn texts(value: &Expr) -> Option<Vec<String>> {
    match value {
        Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) => Some(vec![text.clone()]),
        Expr::Array(array) => array.elem.iter().map(|element| texts(element)?.pop()).collect(),
        _ => None,
    }
}
