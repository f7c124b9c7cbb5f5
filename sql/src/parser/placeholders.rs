//! Turns the `?` placeholders of ODBC, JDBC and DB-API into `$1`, `$2`, …, on tokens, so that positions in errors stay true.
//!
//! PostgreSQL has operators that begin with a question mark (`?`, `?|`, `?&`, `?-`, `?#`, `?||`, `?-|`). A question mark
//! that follows an operand is such an operator; anywhere else it is a placeholder, even where the tokenizer read it
//! together with the operators around it, as in `a>=?`, `?||'%'` or `?-1`.

use std::collections::VecDeque;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// Why the placeholders of a statement cannot be numbered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MixedPlaceholders {
    /// Where the token is that makes it a mixture.
    pub(crate) location: Location,
}

/// Numbers the `?` placeholders in `tokens` from 1, each semicolon starting again from 1. Fails when a statement has
/// both `?` and `$n`: nobody can say which value is meant.
pub(crate) fn number_placeholders(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, MixedPlaceholders> {
    if !tokens.iter().any(|token| question_mark(&token.token).is_some()) {
        return Ok(tokens);
    }
    let mut numbered = Vec::with_capacity(tokens.len());
    let mut statement = StatementPlaceholders::default();
    let mut after_operand = false;
    let mut rest = VecDeque::from(tokens);
    while let Some(token) = rest.pop_front() {
        if let Some((before, after)) = question_mark(&token.token)
            && !(after_operand && before.is_empty())
        {
            statement.question_marks += 1;
            statement.check(&token)?;
            let start = token.span.start;
            let mut parts = tokenize(before, start);
            let at = advance(start, before);
            let placeholder = Token::Placeholder(format!("${}", statement.question_marks));
            parts.push(TokenWithSpan { token: placeholder, span: Span { start: at, end: advance(at, "?") } });
            numbered.append(&mut parts);
            // What follows may hold the next one: `?||?`.
            for part in tokenize(after, advance(at, "?")).into_iter().rev() {
                rest.push_front(part);
            }
            after_operand = true;
            continue;
        }
        match &token.token {
            Token::Whitespace(_) => {}
            Token::SemiColon => {
                statement = StatementPlaceholders::default();
                after_operand = false;
            }
            other => {
                if matches!(other, Token::Placeholder(name) if name.starts_with('$')) {
                    statement.dollars += 1;
                    statement.check(&token)?;
                }
                after_operand = ends_operand(other);
            }
        }
        numbered.push(token);
    }
    Ok(numbered)
}

#[derive(Default)]
struct StatementPlaceholders {
    question_marks: usize,
    dollars: usize,
}

impl StatementPlaceholders {
    fn check(&self, token: &TokenWithSpan) -> Result<(), MixedPlaceholders> {
        if self.question_marks > 0 && self.dollars > 0 {
            return Err(MixedPlaceholders { location: token.span.start });
        }
        Ok(())
    }
}

/// For a token with a question mark: what is before and after it. An operator that is no placeholder begins with it.
fn question_mark(token: &Token) -> Option<(&str, &str)> {
    match token {
        Token::Question => Some(("", "")),
        Token::Placeholder(name) if name == "?" => Some(("", "")),
        Token::QuestionPipe => Some(("", "|")),
        Token::QuestionAnd => Some(("", "&")),
        Token::QuestionMarkDash => Some(("", "-")),
        Token::QuestionMarkDashVerticalBar => Some(("", "-|")),
        Token::QuestionMarkDoubleVerticalBar => Some(("", "||")),
        Token::QuestionMarkSharp => Some(("", "#")),
        Token::CustomBinaryOperator(operator) => operator.split_once('?'),
        _ => None,
    }
}

/// Whether an operand can end with this token, so that an operator may follow.
fn ends_operand(token: &Token) -> bool {
    match token {
        // A keyword in front of `?` asks for a value (`LIMIT ?`, `AND ?`, `DATE ?`), except for those that are values.
        Token::Word(word) => {
            word.quote_style.is_some()
                || matches!(word.keyword, Keyword::NoKeyword | Keyword::END | Keyword::NULL | Keyword::TRUE | Keyword::FALSE)
        }
        Token::RParen | Token::RBracket | Token::RBrace => true,
        Token::Number(..) | Token::Placeholder(_) => true,
        Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_) => true,
        _ => false,
    }
}

/// The tokens of a piece of an operator that begins at `start`.
fn tokenize(operator: &str, start: Location) -> Vec<TokenWithSpan> {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, operator).tokenize_with_location() else {
        // The parser will say that there is no such operator.
        let token = Token::CustomBinaryOperator(operator.to_owned());
        return vec![TokenWithSpan { token, span: Span { start, end: advance(start, operator) } }];
    };
    let shift = |location: Location| Location { line: start.line, column: start.column + location.column - 1 };
    tokens
        .into_iter()
        .map(|token| TokenWithSpan {
            token: token.token,
            span: Span { start: shift(token.span.start), end: shift(token.span.end) },
        })
        .collect()
}

/// Operators are ASCII and never broken over lines.
fn advance(location: Location, text: &str) -> Location {
    Location { line: location.line, column: location.column + text.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;

    fn tokens(sql: &str) -> Vec<TokenWithSpan> {
        Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().expect("tokens")
    }

    fn text(tokens: &[TokenWithSpan]) -> String {
        tokens.iter().map(|token| token.token.to_string()).collect()
    }

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(text(&number_placeholders(tokens(sql)).expect("one kind of placeholder")), expected);
    }

    #[test]
    fn question_marks_are_numbered() {
        check("select ?, ?", "select $1, $2");
        check("select * from t where a = ? and b between ? and ? limit ?", "select * from t where a = $1 and b between $2 and $3 limit $4");
        check("insert into t values (?,?),(?,?)", "insert into t values ($1,$2),($3,$4)");
        check("select ?; select ?", "select $1; select $1");
        check("select a[?], -?, ?::int, cast(? as int)", "select a[$1], -$2, $3::int, cast($4 as int)");
        check("select case when ? then ? else ? end", "select case when $1 then $2 else $3 end");
    }

    #[test]
    fn strings_names_and_comments_are_left_alone() {
        check("select '?', \"?\", $$?$$, E'?' -- ?\n/* ? */ , ?", "select '?', \"?\", $$?$$, E'?' -- ?\n/* ? */ , $1");
    }

    #[test]
    fn operators_after_an_operand_stay_operators() {
        check("select j ? 'a', j ?| k, j ?& k, f(j) ? ?", "select j ? 'a', j ?| k, j ?& k, f(j) ? $1");
        check("select \"order\" ? 'a', j -> 'x' ? 'b'", "select \"order\" ? 'a', j -> 'x' ? 'b'");
    }

    #[test]
    fn placeholders_glued_to_an_operator_are_parted() {
        check("select ?||'%', ?-1, ?|1, ?&1, ?#1", "select $1||'%', $2-1, $3|1, $4&1, $5#1");
        check("select a like ?||?", "select a like $1||$2");
        check("select a>=?, a<? or b!=?||? and -?=-?", "select a>=$1, a<$2 or b<>$3||$4 and -$5=-$6");
    }

    #[test]
    fn numbers_are_left_alone() {
        check("select $2, $1", "select $2, $1");
    }

    #[test]
    fn mixing_is_refused() {
        let error = number_placeholders(tokens("select ?, $1")).expect_err("mixed");
        assert_eq!((error.location.line, error.location.column), (1, 11));
        assert!(number_placeholders(tokens("select $1, ?")).is_err());
        assert!(number_placeholders(tokens("select $1; select ?")).is_ok());
    }

    #[test]
    fn positions_stay_those_of_the_text() {
        let numbered = number_placeholders(tokens("select ?||?, x")).expect("numbered");
        let last = numbered.last().expect("tokens");
        assert_eq!((last.span.start.line, last.span.start.column), (1, 14));
        let second = numbered.iter().filter(|token| matches!(token.token, Token::Placeholder(_))).nth(1).expect("two");
        assert_eq!(second.span.start.column, 11);
    }

    #[test]
    fn the_generic_tokenizer_is_understood_too() {
        let tokens = Tokenizer::new(&GenericDialect {}, "select ? + ?").tokenize_with_location().expect("tokens");
        assert_eq!(text(&number_placeholders(tokens).expect("numbered")), "select $1 + $2");
    }
}
