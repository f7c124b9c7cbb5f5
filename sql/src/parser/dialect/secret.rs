//! `CREATE SECRET name (TYPE s3, key value, …)`, also without parentheses and commas and with `=`; `DROP SECRET name`.

use datafusion::sql::sqlparser::ast::{Ident, SecretOption, Statement, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let is_word = |parser: &Parser, index: usize, keyword: Keyword| {
        matches!(parser.peek_nth_token(index).token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
    };
    if is_word(parser, 0, Keyword::DROP) && is_word(parser, 1, Keyword::SECRET) {
        skip(parser, 2);
        return Some(drop(parser));
    }
    let is_replace = is_word(parser, 1, Keyword::OR) && is_word(parser, 2, Keyword::REPLACE);
    let words = match (is_replace, is_word(parser, 1, Keyword::PERSISTENT)) {
        (true, _) if is_word(parser, 3, Keyword::PERSISTENT) => 4,
        (true, _) => 3,
        (_, true) => 2,
        _ => 1,
    };
    if !is_word(parser, 0, Keyword::CREATE) || !is_word(parser, words, Keyword::SECRET) {
        return None;
    }
    skip(parser, words + 1);
    Some(create(parser, is_replace))
}

fn skip(parser: &mut Parser, tokens: usize) {
    for _ in 0..tokens {
        parser.advance_token();
    }
}

fn create(parser: &mut Parser, or_replace: bool) -> Result<Statement, ParserError> {
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    let is_list = parser.consume_token(&Token::LParen);
    parser.expect_keyword(Keyword::TYPE)?;
    let _is_given = parser.consume_token(&Token::Eq);
    let secret_type = parser.parse_identifier()?;
    let mut options = vec![];
    loop {
        let _is_separated = parser.consume_token(&Token::Comma);
        if matches!(parser.peek_token().token, Token::RParen | Token::SemiColon | Token::EOF) {
            break;
        }
        let key = parser.parse_identifier()?;
        let _is_given = parser.consume_token(&Token::Eq);
        let value = match parser.parse_value()?.value {
            Value::Number(number, _) => number,
            Value::Boolean(truth) => truth.to_string(),
            other => match other.into_string() {
                Some(text) => text,
                None => return parser.expected("a text, a number, true or false", parser.peek_token()),
            },
        };
        options.push(SecretOption { key, value: Ident::with_quote('\'', value) });
    }
    if is_list {
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::CreateSecret { or_replace, temporary: None, if_not_exists, name: Some(name), storage_specifier: None, secret_type, options })
}

fn drop(parser: &mut Parser) -> Result<Statement, ParserError> {
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    Ok(Statement::DropSecret { if_exists, temporary: None, name, storage_specifier: None })
}
