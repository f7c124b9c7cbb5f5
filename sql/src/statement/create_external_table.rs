//! `CREATE EXTERNAL TABLE`.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{self, CommentDef, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle, SqlOption};
use engine::table_format::{FileTable, TableFiles};

use super::create_table::field;
use super::names::{folded, new_relation, parent};
use super::{command, skipped};
use crate::catalog::grants::Securable;
use crate::catalog::location::files::{Located, directory, locate, open_delta, urls};
use crate::catalog::location::options::{file_kind, file_options};
use crate::catalog::object::{Change, Definition};
use crate::catalog::{CatalogSnapshot, DELTA, ExternalTableDefinition};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::dialect::FORMAT;
use crate::planner;
use crate::privileges::{Rights, initial_grants, secured_object};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn create_external_table(session: &Arc<Session>, statement: &Statement, create: &CreateTable) -> Result<Response> {
    if let Some(constraint) = create.constraints.first() {
        return Err(Error::unsupported(format!("the constraint {constraint} of an external table")));
    }
    let snapshot = session.catalog();
    let (schema, name) = new_relation(session, &create.name, &snapshot)?;
    let existing = snapshot.schema(&schema).is_some_and(|schema| schema.tables.contains_key(&name));
    if existing && create.if_not_exists {
        skipped(session, SqlState::DUPLICATE_TABLE, &Error::DuplicateRelation { name });
        return Ok(command("CREATE EXTERNAL TABLE"));
    }
    if existing && !create.or_replace {
        return Err(Error::DuplicateRelation { name });
    }
    let definition = Definition::External(define(session, statement, &snapshot, create).await?);
    let oid = session.sessions().catalog.new_oid().await?;
    session
        .change_catalog(|snapshot| {
            let (parent, made) = parent(session, snapshot, &schema)?;
            let mut new = Change::create(oid, parent, &name, &session.role(), definition.clone());
            new.object.grants = initial_grants(snapshot, &session.role(), Securable::Relation, parent);
            let Some(existing) = snapshot.schema(&schema).and_then(|schema| schema.tables.get(&name)) else {
                return Ok(made.into_iter().chain([new]).collect());
            };
            match snapshot.object(existing.oid) {
                Some(object) if create.or_replace && matches!(object.definition, Definition::External(_)) => {
                    Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
                Ok(vec![Change::alter(object, |object| object.definition = definition.clone())])
                }
                _ if create.or_replace => {
                    Err(Error::WrongRelation { name: name.clone(), expected: "table that can be replaced", hint: None })
                }
                _ => Err(Error::DuplicateRelation { name: name.clone() }),
            }
        })
        .await?;
    Ok(command("CREATE EXTERNAL TABLE"))
}

async fn define(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    create: &CreateTable,
) -> Result<ExternalTableDefinition> {
    let (format, given) = options(create)?;
    let Some(location) = create.location.clone() else {
        return Err(Error::classified(SqlState::SYNTAX_ERROR, "an external table needs a LOCATION"));
    };
    let state = planner::session_state(session, snapshot);
    let rules = &session.location_rules();
    let declared = declared_columns(session, statement, snapshot, create).await?;
    let comment = create.comment.as_ref().map(|comment| match comment {
        CommentDef::WithEq(text) | CommentDef::WithoutEq(text) => text.clone(),
    });
    let definition = |format: &str, suffix: String, options, columns, partition_columns| ExternalTableDefinition {
        location: location.clone(),
        format: format.to_owned(),
        suffix,
        options,
        columns,
        partition_columns,
        comment: comment.clone(),
    };
    let located = match format.as_deref() {
        Some(DELTA) => {
            let urls = urls(&state, rules, &location).await?;
            let [url] = urls.as_slice() else { return Err(Error::unsupported("several Delta tables as one")) };
            Located::Delta(directory(url))
        }
        Some(kind) => locate(&state, rules, &location, Some(file_kind(kind)?)).await?,
        None => locate(&state, rules, &location, None).await?,
    };
    match located {
        Located::Delta(url) => {
            if !given.is_empty() || !create.columns.is_empty() {
                return Err(Error::unsupported("columns or options of a Delta table, which has its own,"));
            }
            let version = open_delta(&session.sessions().engine, rules, &url, &location).await?;
            let columns = version.schema().as_ref().clone();
            Ok(definition(DELTA, String::new(), file_options([])?, columns, version.partition_columns.clone()))
        }
        Located::Files(mut files) => {
            files.options = file_options(given.iter().map(|(key, value)| (key.as_str(), value.clone())))?;
            let kind = format.unwrap_or_else(|| files.file_name.suffix.trim_start_matches('.').to_ascii_lowercase());
            let kind = kind.split('.').next().unwrap_or_default().to_owned();
            let (suffix, options) = (files.file_name.suffix.clone(), files.options.clone());
            let partitions: Vec<String> = files.partition_columns.iter().map(|(name, _)| name.clone()).collect();
            check_partitions(create, &partitions)?;
            let columns = columns(&state, files, declared).await?;
            Ok(definition(&kind, suffix, options, columns, partitions))
        }
    }
}

/// What `STORED AS` says, and the other options.
fn options(create: &CreateTable) -> Result<(Option<String>, Vec<(String, String)>)> {
    let CreateTableOptions::Options(options) = &create.table_options else { return Ok((None, vec![])) };
    let (mut format, mut others) = (None, vec![]);
    for option in options {
        let SqlOption::KeyValue { key, value: Expr::Value(value) } = option else {
            return Err(Error::unsupported(format!("the option {option}")));
        };
        let value = match &value.value {
            ast::Value::SingleQuotedString(text) | ast::Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        };
        match key.value.as_str() {
            FORMAT => format = Some(value.to_ascii_lowercase()),
            key => others.push((key.to_owned(), value)),
        }
    }
    Ok((format, others))
}

async fn declared_columns(
    session: &Arc<Session>,
    statement: &Statement,
    snapshot: &Arc<CatalogSnapshot>,
    create: &CreateTable,
) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = vec![];
    for column in create.columns.iter().chain(partition_columns(create)) {
        if let Some(option) = column.options.first() {
            return Err(Error::unsupported(format!("the column option {} of an external table", option.option)));
        }
        if column.data_type == ast::DataType::Unspecified {
            continue;
        }
        let name = folded(&column.name);
        if fields.iter().any(|field| *field.name() == name) {
            return Err(Error::DuplicateColumn { name });
        }
        fields.push(field(session, statement, snapshot, &name, &column.data_type).await?);
    }
    Ok(fields)
}

fn partition_columns(create: &CreateTable) -> &[ast::ColumnDef] {
    match &create.hive_distribution {
        HiveDistributionStyle::PARTITIONED { columns } => columns,
        _ => &[],
    }
}

/// `PARTITIONED BY` says what the directories say.
fn check_partitions(create: &CreateTable, found: &[String]) -> Result<()> {
    let declared: Vec<String> = partition_columns(create).iter().map(|column| folded(&column.name)).collect();
    match declared.is_empty() || declared == found {
        true => Ok(()),
        false => Err(Error::InvalidParameterValue {
            message: format!("the table is partitioned by ({}), but its directories by ({})", declared.join(", "), found.join(", ")),
        }),
    }
}

/// The columns of the table: those that are declared, or those of the files.
async fn columns(state: &SessionState, mut files: TableFiles, declared: Vec<Field>) -> Result<Schema> {
    let is_partition = |field: &Field| files.partition_columns.iter().any(|(name, _)| name == field.name());
    if declared.iter().all(is_partition) {
        let types: Vec<Field> = declared;
        for (name, data_type) in &mut files.partition_columns {
            if let Some(field) = types.iter().find(|field| field.name() == name) {
                data_type.clone_from(field.data_type());
            }
        }
        return Ok(FileTable::open(state, files).await?.provider.schema().as_ref().clone());
    }
    let (partitions, mut fields): (Vec<Field>, Vec<Field>) = declared.into_iter().partition(is_partition);
    for (name, data_type) in &files.partition_columns {
        let declared = partitions.iter().find(|field| field.name() == name).cloned();
        fields.push(declared.unwrap_or_else(|| Field::new(name, data_type.clone(), true)));
    }
    Ok(Schema::new(fields.into_iter().map(Arc::new).collect::<Vec<FieldRef>>()))
}
