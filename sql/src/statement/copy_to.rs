//! `COPY (query) TO STDOUT` and `COPY table TO STDOUT`.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident};

use super::{copy_to_file, select};
use crate::error::{Error, Result};
use crate::parser::{Dialect, Statement};
use crate::planner;
use crate::response::{CopyFormat, CopyOptions, Response};
use crate::planner::output_names::folded;
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement, QueryPlan, moment};

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let query = query_of(statement)?;
    let snapshot = session.catalog();
    let state = planner::session_state(session, &snapshot);
    let planned = planner::plan_query(session, &state, &snapshot, statement, &query, declared).await?;
    if !is_to_file(statement) {
        // Wrong options are an error before the first row.
        options_of(statement, &planned.schema)?;
    }
    Ok(PreparedStatement::new(Prepared {
        statement: statement.clone(),
        parameter_types: planned.parameter_types,
        plan: Some(QueryPlan {
            logical: planned.logical,
            catalog_version: planned.catalog_version,
            role: session.role(),
            only_catalog: planned.only_catalog,
            tables: planned.tables,
            moment: moment(planned.is_momentary),
        }),
        // The rows travel as copy data, so that Describe answers NoData.
        schema: None,
        origins: vec![],
    }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    if let Some(ast::Statement::Copy { target: CopyTarget::File { filename }, .. }) = prepared.statement().ast.as_deref() {
        return copy_to_file::execute(session, prepared, filename, parameters).await;
    }
    let query = query_of(prepared.statement())?;
    let rows = select::rows(session, prepared, Arc::new(query), parameters).await?;
    let options = options_of(prepared.statement(), rows.schema())?;
    Ok(Response::CopyOut { rows, options })
}

fn is_to_file(statement: &Statement) -> bool {
    matches!(statement.ast.as_deref(), Some(ast::Statement::Copy { target: CopyTarget::File { .. }, .. }))
}

/// The query whose rows are copied; `COPY t (a, b)` is `SELECT a, b FROM t`.
pub(super) fn query_of(statement: &Statement) -> Result<ast::Statement> {
    let Some(ast::Statement::Copy { source, to, target, .. }) = statement.ast.as_deref() else {
        return Err(Error::unsupported("this form of COPY"));
    };
    if !to || !matches!(target, CopyTarget::Stdout | CopyTarget::File { .. }) {
        let hint = Some("Use COPY … TO STDOUT, \\copy in psql, or a file.".into());
        return Err(Error::Unsupported { what: format!("COPY to {target}"), hint });
    }
    match source {
        CopySource::Query(query) => Ok(ast::Statement::Query(query.clone())),
        CopySource::Table { table_name, columns } => {
            let columns = match columns.is_empty() {
                true => "*".to_owned(),
                false => columns.iter().map(Ident::to_string).collect::<Vec<_>>().join(", "),
            };
            let sql = format!("SELECT {columns} FROM {table_name}");
            let query = crate::parser::parse(&sql, Dialect::Postgres)?.remove(0).ast;
            query.map(Arc::unwrap_or_clone).ok_or_else(|| Error::unsupported("COPY of this table"))
        }
    }
}

fn options_of(statement: &Statement, schema: &SchemaRef) -> Result<CopyOptions> {
    let Some(ast::Statement::Copy { options, legacy_options, .. }) = statement.ast.as_deref() else {
        return Err(Error::unsupported("this form of COPY"));
    };
    Given::of(options, legacy_options, Some(schema))?.finish()
}

/// The options as written, before the format's defaults.
#[derive(Default)]
pub(super) struct Given {
    pub(super) format_name: Option<String>,
    pub(super) delimiter: Option<char>,
    pub(super) null: Option<String>,
    pub(super) header: bool,
    pub(super) quote: Option<char>,
    pub(super) escape: Option<char>,
    force_quote: Vec<usize>,
    force_null: Vec<usize>,
    force_not_null: Vec<usize>,
}

impl Given {
    /// `schema` is that of the rows that are sent to the client; `None` for files.
    pub(super) fn of(options: &[CopyOption], legacy: &[CopyLegacyOption], schema: Option<&SchemaRef>) -> Result<Self> {
        let mut given = Self::default();
        for option in options {
            given.modern(option, schema)?;
        }
        for option in legacy {
            given.legacy(option, schema)?;
        }
        Ok(given)
    }

    fn format(&self) -> Result<CopyFormat> {
        match self.format_name.as_deref() {
            None | Some("text") => Ok(CopyFormat::Text),
            Some("csv") => Ok(CopyFormat::Csv),
            Some("binary") => Ok(CopyFormat::Binary),
            Some(name) => Err(invalid(format!("COPY format \"{name}\" not recognized"))),
        }
    }

    fn modern(&mut self, option: &CopyOption, schema: Option<&SchemaRef>) -> Result<()> {
        match option {
            CopyOption::Format(name) => self.format_name = Some(name.value.to_ascii_lowercase()),
            CopyOption::Delimiter(delimiter) => self.delimiter = Some(*delimiter),
            CopyOption::Null(null) => self.null = Some(null.clone()),
            CopyOption::Header(header) => self.header = *header,
            CopyOption::Quote(quote) => self.quote = Some(*quote),
            CopyOption::Escape(escape) => self.escape = Some(*escape),
            CopyOption::ForceQuote(columns) => self.force_quote = indexes(columns, schema)?,
            CopyOption::ForceNull(columns) => self.force_null = indexes(columns, schema)?,
            CopyOption::ForceNotNull(columns) => self.force_not_null = indexes(columns, schema)?,
            CopyOption::Encoding(encoding) if encoding.to_ascii_uppercase().replace('-', "") == "UTF8" => {}
            CopyOption::Freeze(_) => {}
            other => return Err(Error::unsupported(format!("COPY option {other}"))),
        }
        Ok(())
    }

    fn legacy(&mut self, option: &CopyLegacyOption, schema: Option<&SchemaRef>) -> Result<()> {
        match option {
            CopyLegacyOption::Binary => self.format_name = Some("binary".into()),
            CopyLegacyOption::Delimiter(delimiter) => self.delimiter = Some(*delimiter),
            CopyLegacyOption::Null(null) => self.null = Some(null.clone()),
            CopyLegacyOption::Header => self.header = true,
            CopyLegacyOption::Csv(options) => {
                self.format_name = Some("csv".into());
                for option in options {
                    match option {
                        CopyLegacyCsvOption::Header => self.header = true,
                        CopyLegacyCsvOption::Quote(quote) => self.quote = Some(*quote),
                        CopyLegacyCsvOption::Escape(escape) => self.escape = Some(*escape),
                        CopyLegacyCsvOption::ForceQuote(columns) => self.force_quote = indexes(columns, schema)?,
                        CopyLegacyCsvOption::ForceNotNull(columns) => self.force_not_null = indexes(columns, schema)?,
                    }
                }
            }
            other => return Err(Error::unsupported(format!("COPY option {other}"))),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<CopyOptions> {
        let format = self.format()?;
        let csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary && (self.delimiter.is_some() || self.null.is_some() || self.header) {
            return Err(syntax("cannot specify DELIMITER, NULL or HEADER in BINARY mode"));
        }
        if !csv && (self.quote.is_some() || self.escape.is_some() || !self.force_quote.is_empty()) {
            return Err(Error::unsupported("QUOTE, ESCAPE or FORCE_QUOTE outside CSV mode"));
        }
        let byte = |what: &str, value: char| {
            u8::try_from(value)
                .ok()
                .filter(u8::is_ascii)
                .ok_or_else(|| Error::unsupported(format!("COPY {what} that is not a single one-byte character")))
        };
        let delimiter = byte("delimiter", self.delimiter.unwrap_or(if csv { ',' } else { '\t' }))?;
        let quote = byte("quote", self.quote.unwrap_or('"'))?;
        if matches!(delimiter, b'\n' | b'\r') || (!csv && (delimiter.is_ascii_alphanumeric() || matches!(delimiter, b'\\' | b'.'))) {
            return Err(invalid(format!("COPY delimiter cannot be \"{}\"", char::from(delimiter).escape_default())));
        }
        if csv && delimiter == quote {
            return Err(invalid("COPY delimiter and quote must be different".into()));
        }
        let null = self.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
        if null.contains(['\n', '\r']) {
            return Err(invalid("COPY null representation cannot use newline or carriage return".into()));
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header: self.header,
            quote,
            escape: match self.escape {
                Some(escape) => byte("escape", escape)?,
                None => quote,
            },
            force_quote: self.force_quote,
            force_null: self.force_null,
            force_not_null: self.force_not_null,
        })
    }
}

/// The columns that an option names; `*` and none are all.
fn indexes(columns: &[Ident], schema: Option<&SchemaRef>) -> Result<Vec<usize>> {
    let schema = schema.ok_or_else(|| Error::unsupported("FORCE_QUOTE, FORCE_NULL or FORCE_NOT_NULL of files"))?;
    if matches!(columns, [all] if all.value == "*") || columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let index = |column: &Ident| {
        let name = folded(column);
        schema.index_of(&name).map_err(|_| Error::UndefinedColumn { name: name.clone(), nearest: None, position: None })
    };
    columns.iter().map(index).collect()
}

fn invalid(message: String) -> Error {
    Error::InvalidParameterValue { message }
}

fn syntax(message: &str) -> Error {
    Error::Classified {
        sql_state: crate::SqlState::SYNTAX_ERROR,
        message: message.to_owned(),
        detail: None,
        hint: None,
        position: None,
    }
}
