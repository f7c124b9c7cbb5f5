//! `CREATE USER`, `ALTER USER` and `DROP USER`, and the same of GROUP: roles by other names; `RESET SESSION AUTHORIZATION`.

use datafusion::sql::sqlparser::ast::{
    ContextModifier, ObjectType, Set, SetSessionAuthorizationParam, SetSessionAuthorizationParamKind, Statement,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let word = |index: usize| match parser.peek_nth_token(index).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let (verb, kind) = (word(0), word(1));
    if verb == "RESET" && kind == "SESSION" && word(2) == "AUTHORIZATION" {
        skip(parser);
        parser.advance_token();
        let kind = SetSessionAuthorizationParamKind::Default;
        let param = SetSessionAuthorizationParam { scope: ContextModifier::Session, kind };
        return Some(Ok(Statement::Set(Set::SetSessionAuthorization(param))));
    }
    if !["USER", "GROUP"].contains(&kind.as_str()) && !(kind == "ROLE" && verb == "CREATE") || word(2) == "MAPPING" {
        return None;
    }
    match verb.as_str() {
        "CREATE" => Some(create(parser, kind == "USER")),
        "ALTER" => {
            skip(parser);
            Some(parser.parse_alter_role())
        }
        "DROP" => {
            skip(parser);
            Some(drop(parser))
        }
        _ => None,
    }
}

fn skip(parser: &mut Parser) {
    parser.advance_token();
    parser.advance_token();
}

fn create(parser: &mut Parser, logs_in: bool) -> Result<Statement, ParserError> {
    skip(parser);
    let mut create = parser.parse_create_role()?;
    create.login = create.login.or(logs_in.then_some(true));
    Ok(Statement::CreateRole(create))
}

fn drop(parser: &mut Parser) -> Result<Statement, ParserError> {
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let names = parser.parse_comma_separated(|parser| parser.parse_object_name(false))?;
    Ok(Statement::Drop {
        object_type: ObjectType::Role,
        if_exists,
        names,
        cascade: false,
        restrict: false,
        purge: false,
        temporary: false,
        table: None,
    })
}
