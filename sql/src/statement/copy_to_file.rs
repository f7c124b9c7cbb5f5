//! `COPY … TO 'file'`: the rows of a query become a file at a location.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::sql::sqlparser::ast;
use engine::table_format::{FileKind, FileName, FileOptions};
use engine::write_file;
use url::Url;
use uuid::Uuid;

use super::copy_from::kind_of;
use super::copy_to::{Given, query_of};
use super::select;
use crate::catalog::location::files::new_location;
use crate::catalog::location::options::file_kind;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::Session;
use crate::session::prepared::PreparedStatement;

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    location: &str,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let Some(ast::Statement::Copy { options, legacy_options, .. }) = prepared.statement().ast.as_deref() else {
        return Err(Error::unsupported("this form of COPY"));
    };
    let given = Given::of(options, legacy_options, None)?;
    let kind = match &given.format_name {
        Some(name) => file_kind(name)?,
        None => kind_of(location)?,
    };
    if FileName::parse(location).is_some_and(|name| name.compression != FileCompressionType::UNCOMPRESSED) {
        return Err(Error::unsupported("writing compressed files"));
    }
    let mut url = new_location(&session.location_rules(), location).await?;
    if url.path().ends_with('/') {
        in_directory(&mut url, kind);
    }
    let options = given.file_options(kind)?;
    let query = query_of(prepared.statement())?;
    let rows = select::rows(session, prepared, Arc::new(query), parameters).await?;
    let schema = Arc::clone(rows.schema());
    let mut names = HashSet::new();
    if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
        return Err(Error::DuplicateColumn { name: twice.name().clone() });
    }
    let stores = session.sessions().engine.object_stores();
    let rows = write_file(stores, &url, kind, &options, schema, rows).await?;
    Ok(Response::Command { tag: "COPY".into(), rows: Some(rows) })
}

/// A file of its own in the directory of `url`.
fn in_directory(url: &mut Url, kind: FileKind) {
    let suffix = kind.suffix();
    url.set_path(&format!("{}{}.{suffix}", url.path(), Uuid::new_v4().simple()));
}

impl Given {
    fn file_options(&self, kind: FileKind) -> Result<FileOptions> {
        if let FileKind::Csv { delimiter } = kind {
            let (delimiter, quote) = (self.delimiter.unwrap_or(char::from(delimiter)), self.quote.unwrap_or('"'));
            if matches!(delimiter, '\n' | '\r') || delimiter == quote {
                let message = "COPY delimiter must be different from the quote and no line break".into();
                return Err(Error::InvalidParameterValue { message });
            }
        }
        let byte = |what: &str, value: Option<char>| match value.map(u8::try_from) {
            None => Ok(None),
            Some(Ok(byte)) if byte.is_ascii() => Ok(Some(byte)),
            Some(_) => Err(Error::unsupported(format!("COPY {what} that is not a single one-byte character"))),
        };
        Ok(FileOptions {
            delimiter: byte("delimiter", self.delimiter)?,
            quote: byte("quote", self.quote)?,
            escape: byte("escape", self.escape)?,
            header: Some(self.header),
            null: self.null.clone(),
            all_text: false,
            width: None,
        })
    }
}
