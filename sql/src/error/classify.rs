//! Puts DataFusion's and Ballista's errors into SQLSTATE classes and PostgreSQL's words.

use arrow::error::ArrowError;
use datafusion::common::{SchemaError, TableReference};
use datafusion::error::DataFusionError;
use engine::{Fault, FaultKind};
use udfs::postgres::ENFORCED;

use super::Error;
use super::syntax::parser_error;
use crate::SqlState;
use crate::parser::position_of;
use crate::planner::nearest::nearest_name;

pub(super) fn engine_error(error: engine::Error) -> Error {
    match error {
        engine::Error::DataFusion(error) => datafusion_error(&error, None),
        engine::Error::NotDistributable { .. } => Error::Classified {
            sql_state: SqlState::FEATURE_NOT_SUPPORTED,
            message: error.to_string(),
            detail: None,
            hint: Some("Set arbalest.execution_mode to auto or local.".into()),
            position: None,
        },
        engine::Error::NoCluster => classified(SqlState::FEATURE_NOT_SUPPORTED, error.to_string()),
        engine::Error::JobFailed { message } => job_failure(&message),
        engine::Error::JobCancelled => Error::QueryCanceled,
        engine::Error::Location { location, message } => Error::Location { location, message },
        engine::Error::QueueFull { .. } => classified(SqlState::INSUFFICIENT_RESOURCES, error.to_string()),
        engine::Error::JobLost | engine::Error::Unreachable { .. } | engine::Error::NoExecutors { .. } => Error::Classified {
            sql_state: SqlState::ADMIN_SHUTDOWN,
            message: error.to_string(),
            detail: None,
            hint: Some("Nothing was changed; run the statement again.".into()),
            position: None,
        },
        engine::Error::Panicked { .. }
        | engine::Error::Threads { .. } => {
            classified(SqlState::INTERNAL_ERROR, error.to_string())
        }
    }
}

/// Like [`datafusion_error`], with the statement's text for positions.
pub(crate) fn datafusion_error_in(error: &DataFusionError, text: &str) -> Error {
    datafusion_error(error, Some(text))
}

pub(super) fn datafusion_error(error: &DataFusionError, text: Option<&str>) -> Error {
    let position = error
        .diagnostic()
        .and_then(|diagnostic| diagnostic.span)
        .zip(text)
        .and_then(|(span, text)| position_of(text, span.start.line, span.start.column));
    let root = match error.find_root() {
        // `find_root` stops at these two.
        DataFusionError::Diagnostic(_, inner) => inner.find_root(),
        root => root,
    };
    if let Some(fault) = Fault::of(root) {
        return of_fault(fault);
    }
    match root {
        DataFusionError::SQL(parse_error, _) => parser_error(parse_error, text.unwrap_or_default()),
        DataFusionError::SchemaError(schema_error, _) => schema(schema_error, position),
        DataFusionError::ArrowError(arrow_error, _) => arrow(arrow_error, position),
        DataFusionError::NotImplemented(message) => match between(message, "Unsupported SQL type ", "") {
            Some(name) => at(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"), position),
            None => at(SqlState::FEATURE_NOT_SUPPORTED, clean(message), position),
        },
        DataFusionError::Plan(message) => plan(&clean(message), position),
        DataFusionError::Execution(message) | DataFusionError::Configuration(message) => {
            by_words(&clean(message), SqlState::INTERNAL_ERROR, position)
        }
        DataFusionError::Collection(errors) if !errors.is_empty() => datafusion_error(&errors[0], text),
        DataFusionError::Shared(inner) => datafusion_error(inner, text),
        DataFusionError::External(external) => match (external.downcast_ref(), external.downcast_ref()) {
            (Some(engine::Error::JobFailed { message }), _) => job_failure(message),
            (_, Some(ours)) => again(ours),
            _ => by_words(&clean(&external.to_string()), SqlState::INTERNAL_ERROR, position),
        },
        other => by_words(&clean(&other.strip_backtrace()), SqlState::INTERNAL_ERROR, position),
    }
}

/// An error of ours that came through DataFusion, as a function of the catalog makes it.
fn again(error: &Error) -> Error {
    Error::Classified {
        sql_state: error.sql_state(),
        message: error.to_string(),
        detail: error.detail(),
        hint: error.hint(),
        position: error.position(),
    }
}

fn schema(error: &SchemaError, position: Option<usize>) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let name = field.flat_name().replace('"', "");
            let known = |table: &TableReference| {
                valid_fields.iter().filter_map(|column| column.relation.as_ref()).any(|known| known.resolved_eq(table))
            };
            if let Some(table) = field.relation.as_ref().filter(|table| !valid_fields.is_empty() && !known(table)) {
                let message = format!("missing FROM-clause entry for table \"{}\"", table.table());
                return at(SqlState::UNDEFINED_TABLE, message, position);
            }
            let candidates = valid_fields.iter().map(|column| column.name().to_owned());
            Error::UndefinedColumn { nearest: nearest_name(field.name(), candidates), name, position }
        }
        SchemaError::AmbiguousReference { field } => {
            at(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name()), position)
        }
        SchemaError::DuplicateQualifiedField { qualifier, name } => at(
            SqlState::DUPLICATE_ALIAS,
            format!("table name \"{}\" is specified more than once, both with a column \"{name}\"", qualifier.table()),
            position,
        ),
        SchemaError::DuplicateUnqualifiedField { name } => {
            at(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" is specified more than once"), position)
        }
    }
}

fn arrow(error: &ArrowError, position: Option<usize>) -> Error {
    match error {
        ArrowError::DivideByZero => at(SqlState::DIVISION_BY_ZERO, "division by zero".into(), position),
        ArrowError::ArithmeticOverflow(message) => overflow(message, position),
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::CsvError(message)
        | ArrowError::JsonError(message) => by_words(message, SqlState::INVALID_TEXT_REPRESENTATION, position),
        other => by_words(&other.to_string(), SqlState::INTERNAL_ERROR, position),
    }
}

fn overflow(message: &str, position: Option<usize>) -> Error {
    Error::Classified {
        sql_state: SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        message: "numeric value out of range".into(),
        detail: Some(message.to_owned()).filter(|message| !message.is_empty()),
        hint: None,
        position,
    }
}

fn plan(message: &str, position: Option<usize>) -> Error {
    let lower = message.to_ascii_lowercase();
    if let Some(name) = between(message, "table '", "' not found") {
        return Error::UndefinedTable { name: short_name(&name), nearest: None, position };
    }
    if let Some(name) = between(message, "table function '", "' not found") {
        return Error::UndefinedFunction { signature: format!("{name}(...)"), hint: None, position };
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let hint = between(message, "Did you mean '", "'").map(|nearest| format!("Perhaps you meant {nearest}."));
        return Error::UndefinedFunction { signature: format!("{name}(...)"), hint, position };
    }
    if let Some(name) = between(message, "failed to resolve schema: ", "") {
        return Error::UndefinedSchema { name };
    }
    if let Some(name) = between(message, "failed to resolve catalog: ", "") {
        return Error::UndefinedDatabase { name };
    }
    let sql_state = if lower.contains("group by") || lower.contains("aggregate") && (lower.contains("nested") || lower.contains("not allowed")) {
        SqlState::GROUPING_ERROR
    } else if lower.contains("order by column out of bounds") {
        SqlState::INVALID_COLUMN_REFERENCE
    } else if lower.contains("coerce arithmetic expression") || lower.contains("no function matches") || lower.contains("failed to coerce arguments") || lower.contains("expects") && lower.contains("argument") {
        SqlState::UNDEFINED_FUNCTION
    } else if lower.contains("cannot coerce")
        || lower.contains("cannot infer common")
        || lower.contains("common argument type")
        || lower.contains("type")
    {
        SqlState::DATATYPE_MISMATCH
    } else if lower.contains("placeholder") || lower.contains("parameter") {
        SqlState::INDETERMINATE_DATATYPE
    } else if lower.contains("cannot find table") || lower.contains("no table named") {
        SqlState::UNDEFINED_TABLE
    } else {
        SqlState::SYNTAX_ERROR
    };
    by_words(message, sql_state, position)
}

/// Classes that only the words of a message tell. `otherwise` is the class if they do not.
fn by_words(message: &str, otherwise: SqlState, position: Option<usize>) -> Error {
    if let Some(violation) = violation(message) {
        return violation;
    }
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    if has("divide by zero") || has("dividebyzero") || has("division by zero") {
        return at(SqlState::DIVISION_BY_ZERO, "division by zero".into(), position);
    }
    if has("resources exhausted") || has("resourcesexhausted") || has("failed to allocate") {
        return out_of_memory(message);
    }
    // The file is shorter than it was when it was opened.
    if has("requested range was invalid") || has("failed to fetch metadata for file") {
        return at(SqlState::DATA_CORRUPTED, format!("a file cannot be read: {message}"), position);
    }
    if has("incorrect number of fields") {
        return at(SqlState::BAD_COPY_FILE_FORMAT, format!("a CSV file has {message}"), position);
    }
    let sql_state = if has("overflow") || has("out of range") || has("can't cast value") || has("too large to store") || has("outside the range") {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if has("error parsing timestamp") || has("error parsing date") || has("cannot cast string") && (has("date") || has("time") || has("interval")) {
        SqlState::INVALID_DATETIME_FORMAT
    } else if has("cannot cast string") || has("cannot parse") || has("error while parsing") || has("invalid input syntax") {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else if has("regular expression") || has("regex parse error") {
        SqlState::INVALID_REGULAR_EXPRESSION
    } else if has("more than one row") || has("more than 1 row") {
        SqlState::CARDINALITY_VIOLATION
    } else if has("no space left on device") || has("storage full") || has("disk quota") || has("max_temp_directory_size") {
        SqlState::DISK_FULL
    } else if has("corrupt") || has("parquet error") || has("parqueterror") || has("magic") {
        SqlState::DATA_CORRUPTED
    } else if has("no such file or directory") || has("notfound") {
        SqlState::UNDEFINED_FILE
    } else {
        otherwise
    };
    at(sql_state, decapitalize(message), position)
}

/// A row that may not be written.
fn violation(message: &str) -> Option<Error> {
    let (_, rest) = message.split_once(ENFORCED)?;
    let (code, message) = rest.split_once("] ")?;
    let states = [SqlState::NOT_NULL_VIOLATION, SqlState::CHECK_VIOLATION, SqlState::STRING_DATA_RIGHT_TRUNCATION];
    let sql_state = states.into_iter().find(|state| state.code() == code)?;
    Some(classified(sql_state, message.to_owned()))
}

/// What a failed job says: the scheduler and executors wrap the error's text several times.
fn job_failure(message: &str) -> Error {
    if let Some(fault) = Fault::from_text(message) {
        return of_fault(fault);
    }
    const WRAPPERS: [&str; 6] = [
        "Job failed due to stage ",
        "Task failed due to runtime execution error: ",
        "DataFusion error: ",
        "DataFusionError: ",
        "Execution error: ",
        "General error: ",
    ];
    let mut text = message.trim();
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| text.starts_with(**wrapper)) {
        text = text[wrapper.len()..].trim_start();
        if *wrapper == WRAPPERS[0] {
            // `3 failed: ` follows.
            text = text.split_once(": ").map_or(text, |(_, rest)| rest);
        }
    }
    match debug_text(text) {
        Some((variant, message)) if variant == "ArithmeticOverflow" => overflow(&message, None),
        Some((_, message)) => by_words(&clean(&message), SqlState::INTERNAL_ERROR, None),
        None => by_words(&clean(text), SqlState::INTERNAL_ERROR, None),
    }
}

/// The innermost variant and text of an error printed for debugging, as executors report it:
/// `DataFusionError(Shared(ArrowError(CastError("…"))))`.
fn debug_text(text: &str) -> Option<(String, String)> {
    let (before, quoted) = text.split_once("(\"")?;
    let wrappers: Vec<&str> = before.split('(').collect();
    let is_variant = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !wrappers.iter().all(is_variant) {
        return None;
    }
    let mut message = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => match characters.next()? {
                'n' => message.push('\n'),
                other => message.push(other),
            },
            other => message.push(other),
        }
    }
    Some(((*wrappers.last()?).to_owned(), message))
}

fn out_of_memory(message: &str) -> Error {
    Error::Classified {
        sql_state: SqlState::OUT_OF_MEMORY,
        message: "the query needs more memory than the pool has".into(),
        detail: Some(clean(message)),
        hint: Some("Raise --memory, read fewer columns or rows, or aggregate before joining.".into()),
        position: None,
    }
}

fn of_fault(fault: Fault) -> Error {
    let sql_state = match fault.kind {
        FaultKind::OutOfMemory => return out_of_memory(&fault.message),
        FaultKind::DiskFull => SqlState::DISK_FULL,
        FaultKind::Denied => SqlState::INSUFFICIENT_PRIVILEGE,
        FaultKind::Missing => SqlState::UNDEFINED_FILE,
        FaultKind::Io => SqlState::IO_ERROR,
        FaultKind::Corrupt => SqlState::DATA_CORRUPTED,
    };
    classified(sql_state, clean(&fault.message))
}

fn classified(sql_state: SqlState, message: String) -> Error {
    at(sql_state, message, None)
}

fn at(sql_state: SqlState, message: String, position: Option<usize>) -> Error {
    Error::Classified { sql_state, message, detail: None, hint: None, position }
}

/// Without DataFusion's prefixes, backtraces and pleas to report a bug.
fn clean(message: &str) -> String {
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(message);
    let message = message.split("\n\nbacktrace").next().unwrap_or(message);
    let mut text = message.trim();
    const PREFIXES: [&str; 9] = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
        "Schema error: ",
        "Parquet error: ",
        "Cast error: ",
        "Parser error: ",
        "type_coercion\ncaused by\n",
    ];
    while let Some(prefix) = PREFIXES.iter().find(|prefix| text.starts_with(**prefix)) {
        text = text[prefix.len()..].trim_start();
    }
    text.trim_end_matches('.').to_owned()
}

pub(super) fn decapitalize(message: &str) -> String {
    let mut characters = message.chars();
    match (characters.next(), characters.clone().next()) {
        // `CAST`, `Int64` and the like stay.
        (Some(first), Some(second)) if first.is_ascii_uppercase() && second.is_ascii_lowercase() && !message.split(' ').next().is_some_and(|word| word.contains(char::is_numeric)) => {
            first.to_ascii_lowercase().to_string() + characters.as_str()
        }
        _ => message.to_owned(),
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let rest = &text[text.find(start)? + start.len()..];
    match end.is_empty() {
        true => Some(rest.trim().to_owned()),
        false => Some(rest[..rest.find(end)?].to_owned()),
    }
}

/// `arbalest.public.orders` is `orders` to the user; another schema is kept.
fn short_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [_, "public", table] => (*table).to_owned(),
        [_, schema, table] => format!("{schema}.{table}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, sql_state: &str, shown: &str) {
        let error = job_failure(message);
        assert_eq!((error.sql_state().code(), error.to_string().as_str()), (sql_state, shown));
    }

    #[test]
    fn failed_jobs() {
        check(
            r#"Job failed due to stage 1 failed: Task failed due to runtime execution error: DataFusionError(Shared(External(ArrowError(CastError("Cannot cast string 'A' to value of Int32 type")))))"#,
            "22P02",
            "cannot cast string 'A' to value of Int32 type",
        );
        check(r#"DataFusionError(ArrowError(DivideByZero, None))"#, "22012", "division by zero");
        check(
            r#"DataFusionError(Shared(External(ArrowError(ArithmeticOverflow("Overflow happened on: 1 + 2")))))"#,
            "22003",
            "numeric value out of range",
        );
        check(r#"DataFusionError(ResourcesExhausted("Failed to allocate"))"#, "53200", "the query needs more memory than the pool has");
    }
}
