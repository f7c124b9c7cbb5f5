//! `REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH DATA]`.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::call::call;

/// The procedure that runs the query of a materialized view again.
pub(crate) const REFRESH_MATERIALIZED_VIEW: &str = "refresh_materialized_view";

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let is_refresh = matches!(parser.peek_token().token, Token::Word(word) if word.value.eq_ignore_ascii_case("refresh"));
    let is_view = matches!(parser.peek_nth_token(1).token, Token::Word(word) if word.keyword == Keyword::MATERIALIZED);
    (is_refresh && is_view).then(|| refresh(parser))
}

fn refresh(parser: &mut Parser) -> Result<Statement, ParserError> {
    parser.advance_token();
    parser.expect_keywords(&[Keyword::MATERIALIZED, Keyword::VIEW])?;
    // Readers are never kept waiting.
    let _is_concurrent = parser.parse_keyword(Keyword::CONCURRENTLY);
    let name = parser.parse_object_name(false)?;
    if parser.parse_keyword(Keyword::WITH) {
        parser.expect_keyword(Keyword::DATA)?;
    }
    Ok(call(REFRESH_MATERIALIZED_VIEW, &name, None))
}
