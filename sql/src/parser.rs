//! Text → statements. Nothing is planned or run here.

pub(crate) mod copy_stdin;
pub(crate) mod cursor;
pub mod dialect;
pub(crate) mod grant;
pub(crate) mod merge_actions;
mod placeholders;
mod table_clauses;

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub use dialect::Dialect;

use crate::error::{Error, Result};
use crate::sql_state::SqlState;
use copy_stdin::rewrite_copy;
use cursor::CursorStatement;
use grant::GrantStatement;
use merge_actions::rewrite_merge_actions;
use placeholders::number_placeholders;
use table_clauses::{OtherFormat, rewrite_table_clauses};

/// Levels of nested parentheses, subqueries and operators that a statement may have. sqlparser's own limit is 50, which
/// generated SQL exceeds; the planner's recursion grows its stack as needed.
pub(crate) const RECURSION_LIMIT: usize = 256;

/// One parsed statement of a text.
#[derive(Clone, Debug)]
pub struct Statement {
    /// `None`: there was nothing but white space and comments, or it is another of the fields.
    pub(crate) ast: Option<Arc<ast::Statement>>,
    /// What is before an INSERT, UPDATE, DELETE or MERGE, of which the syntax tree of the statement knows nothing.
    pub(crate) with: Option<Arc<ast::With>>,
    /// A statement that is not in the library's syntax tree; then there is no `ast`.
    pub(crate) grant: Option<Arc<GrantStatement>>,
    /// Another one.
    pub(crate) cursor: Option<Arc<CursorStatement>>,
    /// The whole text given to the parser: positions count from its start.
    text: Arc<str>,
    /// Where this statement is in `text`.
    span: std::ops::Range<usize>,
}

impl Statement {
    /// The statement's own text.
    pub fn sql(&self) -> &str {
        self.text.get(self.span.clone()).unwrap_or(&self.text).trim()
    }

    /// The same for people: without a password.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        let mut within = self.ast.as_deref();
        while let Some(ast::Statement::Explain { statement, .. }) = within {
            within = Some(statement);
        }
        let holds_one = matches!(
            within,
            Some(ast::Statement::CreateRole(_) | ast::Statement::AlterRole { .. } | ast::Statement::CreateSecret { .. } | ast::Statement::Prepare { .. })
        );
        let sql = self.sql();
        let secret = || ["password", "secret"].iter().filter_map(|word| sql.to_ascii_lowercase().find(word)).min();
        match holds_one.then(secret).flatten() {
            Some(start) => Cow::Owned(format!("{}…", &sql[..start])),
            None => Cow::Borrowed(sql),
        }
    }

    /// The text that positions refer to.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A part of this statement as a statement of its own, with the same text.
    pub(crate) fn with_ast(&self, ast: ast::Statement) -> Self {
        let (ast, with) = without_with(ast);
        Self { ast: Some(Arc::new(ast)), with, grant: None, cursor: None, ..self.clone() }
    }

    /// There was nothing but white space and comments.
    pub(crate) fn is_empty(&self) -> bool {
        self.ast.is_none() && self.grant.is_none() && self.cursor.is_none()
    }

    /// `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their like.
    pub fn is_transaction_control(&self) -> bool {
        use ast::Statement as S;
        matches!(
            self.ast.as_deref(),
            Some(S::StartTransaction { .. } | S::Commit { .. } | S::Rollback { .. } | S::Savepoint { .. } | S::ReleaseSavepoint { .. })
        )
    }
}

/// Parses a text of statements separated by semicolons. A text without any is one empty statement.
pub(crate) fn parse(sql: &str, dialect: Dialect) -> Result<Vec<Statement>> {
    let text: Arc<str> = sql.into();
    let grammar = dialect.grammar(sql);
    let fail = |error| crate::error::parser_error(&error, sql);
    let parser = Parser::new(&grammar).with_recursion_limit(RECURSION_LIMIT);
    let tokens = Tokenizer::new(&grammar, sql).tokenize_with_location().map_err(|error| fail(error.into()))?;
    // Texts in dollar quotes are texts as any, also where the library expects them between apostrophes.
    let tokens = tokens.into_iter().map(|TokenWithSpan { token, span }| match token {
        Token::DollarQuotedString(text) => TokenWithSpan { token: Token::SingleQuotedString(text.value), span },
        token => TokenWithSpan { token, span },
    });
    let tokens = rewrite_table_clauses(rewrite_copy(rewrite_merge_actions(tokens.collect()))).map_err(|format| other_format(&format, sql))?;
    let significant: Vec<&Token> = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let has_minus_of_minus = significant.windows(2).any(|pair| pair == [&Token::Minus, &Token::Minus]);
    let mut parser = match dialect {
        Dialect::Postgres => parser.with_tokens_with_locations(tokens),
        Dialect::Generic => parser.with_tokens_with_locations(number_placeholders(tokens).map_err(|mixed| Error::Syntax {
            near: "?".into(),
            expected: Some("placeholders of one kind, ? or $n, in a statement".into()),
            position: position_of(sql, mixed.location.line, mixed.location.column),
        })?),
    };
    let mut statements = parse_statements(&mut parser).map_err(fail)?;
    if has_minus_of_minus {
        statements.iter_mut().for_each(nest_signs);
    }
    if statements.is_empty() {
        return Ok(vec![Statement { ast: None, with: None, grant: None, cursor: None, span: 0..text.len(), text }]);
    }
    let spans = split(sql, statements.len());
    Ok(statements
        .into_iter()
        .zip(spans)
        .map(|(parsed, span)| {
            let text = Arc::clone(&text);
            match parsed {
                Parsed::Library(ast) => {
                    let (ast, with) = without_with(*ast);
                    Statement { ast: Some(Arc::new(ast)), with, grant: None, cursor: None, text, span }
                }
                Parsed::Grant(grant) => Statement { ast: None, with: None, grant: Some(Arc::new(grant)), cursor: None, text, span },
                Parsed::Cursor(cursor) => Statement { ast: None, with: None, grant: None, cursor: Some(Arc::new(cursor)), text, span },
            }
        })
        .collect())
}

fn other_format(format: &OtherFormat, sql: &str) -> Error {
    Error::Classified {
        sql_state: SqlState::FEATURE_NOT_SUPPORTED,
        message: format!("CREATE TABLE with USING {} is not supported", format.name),
        detail: Some("Tables are kept as Delta tables.".into()),
        hint: Some("Leave out USING, or name files as they are with CREATE EXTERNAL TABLE … STORED AS … LOCATION '…'.".into()),
        position: position_of(sql, format.location.line, format.location.column),
    }
}

/// A statement of the library's syntax tree, or of ours.
enum Parsed {
    Library(Box<ast::Statement>),
    Grant(GrantStatement),
    Cursor(CursorStatement),
}

/// Puts `- -1` into parentheses: written again without, it would begin a comment.
fn nest_signs(parsed: &mut Parsed) {
    let Parsed::Library(statement) = parsed else { return };
    let std::ops::ControlFlow::Continue(()) = ast::visit_expressions_mut(statement.as_mut(), |expr| {
        if let ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: inner } = expr
            && matches!(**inner, ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, .. })
        {
            let sign = std::mem::replace(inner.as_mut(), ast::Expr::value(ast::Value::Null));
            **inner = ast::Expr::Nested(Box::new(sign));
        }
        std::ops::ControlFlow::<std::convert::Infallible>::Continue(())
    });
}

/// As the library's function of this name.
fn parse_statements(parser: &mut Parser) -> std::result::Result<Vec<Parsed>, ParserError> {
    let mut statements = vec![];
    let mut is_delimited = true;
    loop {
        while parser.consume_token(&Token::SemiColon) {
            is_delimited = true;
        }
        if parser.peek_token().token == Token::EOF {
            return Ok(statements);
        }
        if !is_delimited {
            return parser.expected("end of statement", parser.peek_token());
        }
        statements.push(match grant::parse(parser) {
            Some(grant) => Parsed::Grant(grant?),
            None => match cursor::parse(parser) {
                Some(cursor) => Parsed::Cursor(cursor?),
                None => Parsed::Library(Box::new(with_data(parser.parse_statement()?, parser))),
            },
        });
        is_delimited = false;
    }
}

/// What may follow CREATE TABLE AS: `WITH [NO] DATA`.
fn with_data(mut statement: ast::Statement, parser: &mut Parser) -> ast::Statement {
    use ast::LimitClause as L;
    let query = match &mut statement {
        ast::Statement::CreateTable(ast::CreateTable { query: Some(query), .. }) => query,
        ast::Statement::CreateView(view) if view.materialized => {
            let _is_the_default = parser.parse_keywords(&[Keyword::WITH, Keyword::DATA]);
            return statement;
        }
        _ => return statement,
    };
    if parser.parse_keywords(&[Keyword::WITH, Keyword::NO, Keyword::DATA]) {
        let limit = Some(ast::Expr::value(ast::Value::Number("0".into(), false)));
        query.limit_clause = Some(L::LimitOffset { limit, offset: None, limit_by: vec![] });
        query.fetch = None;
    } else {
        let _is_the_default = parser.parse_keywords(&[Keyword::WITH, Keyword::DATA]);
    }
    statement
}

/// `WITH … INSERT …` as the INSERT and what is before it.
fn without_with(statement: ast::Statement) -> (ast::Statement, Option<Arc<ast::With>>) {
    use ast::SetExpr as E;
    match statement {
        ast::Statement::Query(mut query) if matches!(*query.body, E::Insert(_) | E::Update(_) | E::Delete(_) | E::Merge(_)) => {
            let with = query.with.take().map(Arc::new);
            match *query.body {
                E::Insert(inner) | E::Update(inner) | E::Delete(inner) | E::Merge(inner) => (inner, with),
                body => (ast::Statement::Query(Box::new(ast::Query { body: Box::new(body), ..*query })), with),
            }
        }
        statement => (statement, None),
    }
}

/// The ranges of `count` statements in `sql`: between the semicolons that are tokens of their own. One statement, or a
/// text that cannot be divided into `count`, is the whole text each time.
fn split(sql: &str, count: usize) -> Vec<std::ops::Range<usize>> {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    let whole = || vec![0..sql.len(); count];
    if count == 1 {
        return whole();
    }
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else { return whole() };
    let mut ranges = Vec::with_capacity(count);
    let mut start = 0;
    let mut holds_statement = false;
    for token in &tokens {
        match &token.token {
            Token::SemiColon => {
                let Some(end) = byte_of(sql, token.span.start.line, token.span.start.column) else { return whole() };
                if holds_statement {
                    ranges.push(start..end);
                }
                start = end + 1;
                holds_statement = false;
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => holds_statement = true,
        }
    }
    if holds_statement {
        ranges.push(start..sql.len());
    }
    if ranges.len() == count { ranges } else { whole() }
}

/// The 1-based character at a 1-based line and column.
pub(crate) fn position_of(text: &str, line: u64, column: u64) -> Option<usize> {
    let before: usize = text.split('\n').take(usize::try_from(line.checked_sub(1)?).ok()?).map(|l| l.chars().count() + 1).sum();
    Some(before + usize::try_from(column).ok()?)
}

fn byte_of(text: &str, line: u64, column: u64) -> Option<usize> {
    let position = position_of(text, line, column)?;
    text.char_indices().nth(position.checked_sub(1)?).map(|(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_keep_their_own_text() {
        let statements = parse("select ';' ;; select 2 -- end;\n; ", Dialect::Postgres).expect("valid");
        assert_eq!(statements.iter().map(Statement::sql).collect::<Vec<_>>(), ["select ';'", "select 2 -- end;"]);
    }

    #[test]
    fn question_marks_are_placeholders_where_clients_write_them() {
        let statements = parse("select ?, 'a?' where b = ?", Dialect::Generic).expect("valid");
        let ast = statements[0].ast.as_ref().expect("a statement").to_string();
        assert_eq!(ast, "SELECT $1, 'a?' WHERE b = $2");
        let error = parse("select $1, ?", Dialect::Generic).expect_err("mixed");
        assert_eq!((error.sql_state().code(), error.position()), ("42601", Some(12)));
        assert!(parse("select ?", Dialect::Postgres).is_err());
    }

    #[test]
    fn what_is_before_a_statement_is_kept() {
        let statement = parse("with x as (select 1 as a) insert into t select a from x", Dialect::Postgres).expect("valid").remove(0);
        assert!(matches!(statement.ast.as_deref(), Some(ast::Statement::Insert(_))));
        assert_eq!(statement.with.expect("kept").to_string(), "WITH x AS (SELECT 1 AS a)");
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = |sql: &str| parse(sql, Dialect::Postgres).expect("valid")[0].shown().into_owned();
        assert_eq!(shown("ALTER USER ann Password 'x' LOGIN"), "ALTER USER ann …");
        assert_eq!(shown("explain create user ann password 'x'"), "explain create user ann …");
        assert_eq!(shown("select password from t"), "select password from t");
    }

    #[test]
    fn a_comment_is_an_empty_statement() {
        let statements = parse(" /* nothing */ ", Dialect::Postgres).expect("valid");
        assert!(statements.len() == 1 && statements[0].ast.is_none());
    }

    #[test]
    fn errors_have_positions() {
        let error = parse("select 1;\nselect é, from t", Dialect::Postgres).expect_err("syntax");
        assert_eq!((error.to_string().as_str(), error.position()), ("syntax error at or near \"from\"", Some(21)));
        let error = parse("select (1", Dialect::Postgres).expect_err("syntax");
        assert_eq!((error.to_string().as_str(), error.position()), ("syntax error at end of input", Some(10)));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let sql = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        let error = parse(&sql, Dialect::Postgres).expect_err("too deep");
        assert_eq!(error.sql_state().code(), "54001");
    }
}
