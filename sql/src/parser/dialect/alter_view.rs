//! `ALTER VIEW` and `ALTER MATERIALIZED VIEW`: names and owners of views are changed as those of tables are.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{AlterTable, Statement};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let is_word = |index: usize, keyword: Keyword| {
        matches!(parser.peek_nth_token(index).token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
    };
    let words = match is_word(1, Keyword::MATERIALIZED) {
        true => 3,
        false => 2,
    };
    if !is_word(0, Keyword::ALTER) || !is_word(words - 1, Keyword::VIEW) {
        return None;
    }
    for _ in 0..words {
        parser.advance_token();
    }
    Some(alter(parser))
}

fn alter(parser: &mut Parser) -> Result<Statement, ParserError> {
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let operations = vec![parser.parse_alter_table_operation()?];
    Ok(Statement::AlterTable(AlterTable {
        name,
        if_exists,
        only: false,
        operations,
        location: None,
        on_cluster: None,
        table_type: None,
        end_token: AttachedToken::empty(),
    }))
}
