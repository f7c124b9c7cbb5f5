//! sqlparser's errors in PostgreSQL's words, at PostgreSQL's place.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::Error;
use super::classify::decapitalize;
use crate::SqlState;
use crate::parser::{RECURSION_LIMIT, position_of};

/// A parse error of sqlparser: `Expected: an expression, found: FROM at Line: 1, Column: 8`.
pub(crate) fn parser_error(error: &ParserError, text: &str) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => return Error::TooDeep { depth_max: RECURSION_LIMIT },
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    let (message, location) = match message.rsplit_once(" at Line: ") {
        Some((before, location)) => (before, parse_location(location)),
        None => (message.as_str(), None),
    };
    let expected = message.strip_prefix("Expected: ").or_else(|| message.strip_prefix("Expected "));
    let Some((expected, found)) = expected.and_then(|rest| rest.rsplit_once(", found: ")) else {
        return Error::Classified {
            sql_state: SqlState::SYNTAX_ERROR,
            message: format!("syntax error: {}", decapitalize(message)),
            detail: None,
            hint: None,
            position: location.and_then(|at| position_of(text, at.line, at.column)),
        };
    };
    let expected = Some(expected.trim().to_owned()).filter(|expected| !expected.is_empty());
    match offending_token(text, location, found.trim()) {
        _ if found.trim() == "EOF" => Error::SyntaxAtEnd { expected, position: Some(text.chars().count() + 1) },
        Offending::End => Error::SyntaxAtEnd { expected: None, position: Some(text.chars().count() + 1) },
        Offending::Found(at) => {
            let position = at.and_then(|at| position_of(text, at.line, at.column));
            Error::Syntax { near: found.trim().to_owned(), expected, position }
        }
        Offending::Next(near, at) => {
            Error::Syntax { near, expected: Some("BY".into()), position: position_of(text, at.line, at.column) }
        }
    }
}

/// `1, Column: 8`
fn parse_location(text: &str) -> Option<Location> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    Some(Location { line: numbers.next()?, column: numbers.next()? })
}

/// What PostgreSQL would name.
enum Offending {
    /// The token that sqlparser found, at the place it stands.
    Found(Option<Location>),
    /// The one after: sqlparser takes back an `ORDER` without `BY`.
    Next(String, Location),
    /// The same at the end of the text.
    End,
}

fn offending_token(text: &str, location: Option<Location>, found: &str) -> Offending {
    let Some(location) = location else { return Offending::Found(None) };
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location() else {
        return Offending::Found(Some(location));
    };
    let tokens: Vec<_> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let Some(index) = tokens.iter().position(|token| token.span.start == location) else {
        return Offending::Found(Some(location));
    };
    let is_found = |token: &TokenWithSpan| token.to_string().eq_ignore_ascii_case(found);
    // Some errors carry the place of the token after the one they name.
    if !is_found(tokens[index])
        && let Some(before) = index.checked_sub(1).map(|before| tokens[before])
        && is_found(before)
    {
        return Offending::Found(Some(before.span.start));
    }
    let by_follows = |keyword| matches!(keyword, Keyword::ORDER | Keyword::GROUP | Keyword::PARTITION);
    match (&tokens[index].token, tokens.get(index + 1)) {
        (Token::Word(word), next) if by_follows(word.keyword) => match next {
            None => Offending::End,
            Some(next) if next.token == Token::EOF => Offending::End,
            Some(next) if matches!(&next.token, Token::Word(word) if word.keyword == Keyword::BY) => {
                Offending::Found(Some(location))
            }
            Some(next) => Offending::Next(next.token.to_string(), next.span.start),
        },
        _ => Offending::Found(Some(location)),
    }
}
