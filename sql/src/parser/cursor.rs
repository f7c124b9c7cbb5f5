//! `DECLARE … CURSOR`, `FETCH` and `MOVE` as PostgreSQL has them.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::planner::output_names::folded;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CursorStatement {
    Declare {
        name: String,
        scroll: bool,
        /// It outlives its transaction.
        hold: bool,
        query: Box<ast::Statement>,
    },
    Fetch {
        name: String,
        direction: Direction,
        /// `MOVE`: the rows are passed over.
        moves: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The next rows; `None` is all that are left.
    Forward(Option<u64>),
    /// The last of the next rows.
    Relative(u64),
    /// Back, or to a place that may be behind.
    Backward,
}

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<CursorStatement, ParserError>> {
    let first = word(parser, 0);
    match first.as_str() {
        "DECLARE" if is_cursor(parser) => {
            parser.advance_token();
            Some(declare(parser))
        }
        "FETCH" | "MOVE" => {
            parser.advance_token();
            Some(fetch(parser, first == "MOVE"))
        }
        _ => None,
    }
}

/// An unquoted word in upper case; empty if the token is none.
fn word(parser: &Parser, index: usize) -> String {
    match parser.peek_nth_token(index).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// Other declarations are not for sessions.
fn is_cursor(parser: &Parser) -> bool {
    const OPTIONS: [&str; 5] = ["BINARY", "INSENSITIVE", "ASENSITIVE", "NO", "SCROLL"];
    (2..8).map(|index| word(parser, index)).find(|word| !OPTIONS.contains(&word.as_str())).is_some_and(|word| word == "CURSOR")
}

fn declare(parser: &mut Parser) -> Result<CursorStatement, ParserError> {
    let name = folded(&parser.parse_identifier()?);
    let mut scroll = false;
    loop {
        match (word(parser, 0).as_str(), word(parser, 1).as_str()) {
            ("CURSOR", _) => break,
            ("NO", "SCROLL") => parser.advance_token(),
            ("SCROLL", _) => scroll = true,
            ("INSENSITIVE" | "ASENSITIVE", _) => {}
            _ => return parser.expected("CURSOR", parser.peek_token()),
        }
        parser.advance_token();
    }
    parser.advance_token();
    let hold = match (word(parser, 0).as_str(), word(parser, 1).as_str()) {
        (with @ ("WITH" | "WITHOUT"), "HOLD") => {
            parser.advance_token();
            parser.advance_token();
            with == "WITH"
        }
        _ => false,
    };
    parser.expect_keyword(Keyword::FOR)?;
    let query = Box::new(ast::Statement::Query(parser.parse_query()?));
    Ok(CursorStatement::Declare { name, scroll, hold, query })
}

fn fetch(parser: &mut Parser, moves: bool) -> Result<CursorStatement, ParserError> {
    let first = word(parser, 0);
    // A cursor may have the name of a direction.
    let is_name = matches!(parser.peek_nth_token(1).token, Token::EOF | Token::SemiColon);
    let direction = match first.as_str() {
        _ if is_name => Direction::Forward(Some(1)),
        "NEXT" => after_word(parser, Direction::Forward(Some(1))),
        "PRIOR" | "FIRST" | "LAST" => after_word(parser, Direction::Backward),
        "ALL" => after_word(parser, Direction::Forward(None)),
        "FORWARD" => {
            parser.advance_token();
            count(parser)?.unwrap_or(Direction::Forward(Some(1)))
        }
        "BACKWARD" => {
            parser.advance_token();
            let _rows = count(parser)?;
            Direction::Backward
        }
        "ABSOLUTE" => {
            parser.advance_token();
            let _place = number(parser)?;
            Direction::Backward
        }
        "RELATIVE" => {
            parser.advance_token();
            u64::try_from(number(parser)?).ok().filter(|rows| *rows > 0).map_or(Direction::Backward, Direction::Relative)
        }
        _ => count(parser)?.unwrap_or(Direction::Forward(Some(1))),
    };
    if !is_name {
        let _is_said = parser.parse_one_of_keywords(&[Keyword::FROM, Keyword::IN]);
    }
    let name = folded(&parser.parse_identifier()?);
    Ok(CursorStatement::Fetch { name, direction, moves })
}

fn after_word(parser: &mut Parser, direction: Direction) -> Direction {
    parser.advance_token();
    direction
}

/// A number of rows, or ALL; `None` if there is neither.
fn count(parser: &mut Parser) -> Result<Option<Direction>, ParserError> {
    if parser.parse_keyword(Keyword::ALL) {
        return Ok(Some(Direction::Forward(None)));
    }
    match parser.peek_token().token {
        Token::Number(..) | Token::Minus | Token::Plus => {
            let rows = number(parser)?;
            Ok(Some(u64::try_from(rows).ok().filter(|rows| *rows > 0).map_or(Direction::Backward, |rows| Direction::Forward(Some(rows)))))
        }
        _ => Ok(None),
    }
}

fn number(parser: &mut Parser) -> Result<i64, ParserError> {
    let is_negative = parser.consume_token(&Token::Minus);
    if !is_negative {
        let _is_said = parser.consume_token(&Token::Plus);
    }
    let number = i64::try_from(parser.parse_literal_uint()?).unwrap_or(i64::MAX);
    Ok(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{Dialect, parse};

    fn parsed(sql: &str) -> CursorStatement {
        let statement = parse(sql, Dialect::Postgres).expect(sql).remove(0);
        CursorStatement::clone(statement.cursor.as_ref().expect("a statement about a cursor"))
    }

    #[test]
    fn cursors_are_declared() {
        for (sql, is_scroll, is_hold) in [
            ("DECLARE c CURSOR FOR SELECT 1", false, false),
            ("declare \"c\" no scroll cursor with hold for select 1", false, true),
            ("DECLARE c INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR VALUES (1)", true, false),
        ] {
            let CursorStatement::Declare { name, scroll, hold, .. } = parsed(sql) else { panic!("{sql}") };
            assert_eq!((name.as_str(), scroll, hold), ("c", is_scroll, is_hold), "{sql}");
        }
        assert!(parse("DECLARE c CURSOR SELECT 1", Dialect::Postgres).is_err());
    }

    #[test]
    fn rows_are_fetched_in_some_direction() {
        use Direction::{Backward, Forward, Relative};
        for (sql, expected) in [
            ("FETCH c", Forward(Some(1))),
            ("FETCH NEXT FROM c", Forward(Some(1))),
            ("FETCH 10 IN c", Forward(Some(10))),
            ("FETCH 10 c", Forward(Some(10))),
            ("FETCH FORWARD 10 FROM c", Forward(Some(10))),
            ("fetch forward c", Forward(Some(1))),
            ("FETCH ALL FROM c", Forward(None)),
            ("FETCH FORWARD ALL IN c", Forward(None)),
            ("MOVE RELATIVE 3 FROM c", Relative(3)),
            ("FETCH -1 FROM c", Backward),
            ("FETCH PRIOR FROM c", Backward),
            ("FETCH ABSOLUTE 2 c", Backward),
            ("MOVE BACKWARD ALL FROM c", Backward),
        ] {
            let CursorStatement::Fetch { name, direction, moves } = parsed(sql) else { panic!("{sql}") };
            assert_eq!((name.as_str(), direction, moves), ("c", expected, sql.starts_with("MOVE")), "{sql}");
        }
    }
}
