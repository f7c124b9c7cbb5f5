//! `DESCRIBE HISTORY table` and `RESTORE TABLE table TO VERSION AS OF n`, other spellings of
//! `SELECT * FROM table_history('table')` and `CALL restore_table('table', version => n)`.

use datafusion::sql::sqlparser::ast::{Statement, Value};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::call::call;

/// The procedure that makes a table what it was.
pub(crate) const RESTORE_TABLE: &str = "restore_table";
/// The function that gives the versions of a table.
pub(crate) const TABLE_HISTORY: &str = "table_history";

/// Words that only a text with a table as it was has: where it has none of them, `at` and `changes` are names as any other.
pub(super) fn is_in(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut last = ["", ""];
    for word in words {
        let is_of = word.eq_ignore_ascii_case("of") && last[1].eq_ignore_ascii_case("as");
        if is_of && ["version", "timestamp", "system_time"].iter().any(|before| last[0].eq_ignore_ascii_case(before)) {
            return true;
        }
        last = [last[1], word];
    }
    false
}

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let is_describe = parser.peek_keyword(Keyword::DESCRIBE) || parser.peek_keyword(Keyword::DESC);
    if is_describe && is_word(&parser.peek_nth_token(1).token, "HISTORY") && is_name(&parser.peek_nth_token(2).token) {
        return Some(describe_history(parser));
    }
    let is_restore = is_word(&parser.peek_token().token, "RESTORE") && is_name(&parser.peek_nth_token(1).token);
    is_restore.then(|| restore(parser))
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn is_name(token: &Token) -> bool {
    matches!(token, Token::Word(_))
}

fn describe_history(parser: &mut Parser) -> Result<Statement, ParserError> {
    parser.advance_token();
    parser.advance_token();
    let _is_given = parser.parse_keyword(Keyword::TABLE);
    let name = parser.parse_object_name(false)?;
    let limit = match parser.parse_keyword(Keyword::LIMIT) {
        true => format!(" LIMIT {}", parser.parse_literal_uint()?),
        false => String::new(),
    };
    let name = Value::SingleQuotedString(name.to_string());
    let query = format!("SELECT * FROM {TABLE_HISTORY}({name}){limit}");
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&query)?.parse_statement()
}

fn restore(parser: &mut Parser) -> Result<Statement, ParserError> {
    parser.advance_token();
    let _is_given = parser.parse_keyword(Keyword::TABLE);
    let name = parser.parse_object_name(false)?;
    parser.expect_keyword(Keyword::TO)?;
    let word = if parser.parse_keyword(Keyword::VERSION) { "version" } else { "timestamp" };
    if word == "timestamp" {
        parser.expect_keyword(Keyword::TIMESTAMP)?;
    }
    parser.expect_keywords(&[Keyword::AS, Keyword::OF])?;
    let moment = parser.parse_expr()?;
    Ok(call(RESTORE_TABLE, &name, Some((word, moment))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_a_table_as_it_was() {
        assert!(is_in("select * from t VERSION  as of 3"));
        assert!(is_in("FROM t FOR SYSTEM_TIME AS OF now()"));
        assert!(!is_in("select version as of_3 from t at"));
    }
}
