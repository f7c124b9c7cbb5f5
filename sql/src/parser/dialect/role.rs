//! `CREATE`, `ALTER` and `DROP` of ROLE, USER and GROUP, which are one, and `RESET SESSION AUTHORIZATION`. The library's grammar
//! knows roles only, and not all options.

use datafusion::sql::sqlparser::ast::{
    AlterRoleOperation, ContextModifier, CreateRole, Expr, Ident, ObjectName, ObjectType, Password, ResetConfig, RoleOption, Set,
    SetConfigValue, SetSessionAuthorizationParam, SetSessionAuthorizationParamKind, Statement, Value,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let (verb, kind) = (word(parser, 0), word(parser, 1));
    if verb == "RESET" && kind == "SESSION" && word(parser, 2) == "AUTHORIZATION" {
        skip(parser, 3);
        let kind = SetSessionAuthorizationParamKind::Default;
        let param = SetSessionAuthorizationParam { scope: ContextModifier::Session, kind };
        return Some(Ok(Statement::Set(Set::SetSessionAuthorization(param))));
    }
    if !["ROLE", "USER", "GROUP"].contains(&kind.as_str()) || word(parser, 2) == "MAPPING" {
        return None;
    }
    let statement: fn(&mut Parser, bool) -> Result<Statement, ParserError> = match verb.as_str() {
        "CREATE" => create,
        "ALTER" => |parser, _| alter(parser),
        "DROP" => |parser, _| drop(parser),
        _ => return None,
    };
    skip(parser, 2);
    Some(statement(parser, kind == "USER"))
}

/// An unquoted word in upper case; empty if the token is none.
fn word(parser: &Parser, index: usize) -> String {
    match parser.peek_nth_token(index).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

fn skip(parser: &mut Parser, tokens: usize) {
    for _ in 0..tokens {
        parser.advance_token();
    }
}

fn create(parser: &mut Parser, logs_in: bool) -> Result<Statement, ParserError> {
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let names = vec![ObjectName::from(parser.parse_identifier()?)];
    let mut create = CreateRole {
        names,
        if_not_exists,
        login: None,
        inherit: None,
        bypassrls: None,
        password: None,
        superuser: None,
        create_db: None,
        create_role: None,
        replication: None,
        connection_limit: None,
        valid_until: None,
        in_role: vec![],
        in_group: vec![],
        role: vec![],
        user: vec![],
        admin: vec![],
        authorization_owner: None,
    };
    let _is_said = parser.parse_keyword(Keyword::WITH);
    loop {
        let words = [word(parser, 0), word(parser, 1)];
        let list = match [words[0].as_str(), words[1].as_str()] {
            ["IN", "ROLE" | "GROUP"] => Some((&mut create.in_role, 2)),
            ["ROLE" | "USER", _] => Some((&mut create.role, 1)),
            ["ADMIN", _] => Some((&mut create.admin, 1)),
            ["SYSID", _] => {
                skip(parser, 2);
                continue;
            }
            _ => None,
        };
        if let Some((list, words)) = list {
            skip(parser, words);
            list.extend(parser.parse_comma_separated(Parser::parse_identifier)?);
            continue;
        }
        match option(parser)? {
            Some(RoleOption::Login(is)) => create.login = Some(is),
            Some(RoleOption::Inherit(is)) => create.inherit = Some(is),
            Some(RoleOption::BypassRLS(is)) => create.bypassrls = Some(is),
            Some(RoleOption::SuperUser(is)) => create.superuser = Some(is),
            Some(RoleOption::CreateDB(is)) => create.create_db = Some(is),
            Some(RoleOption::CreateRole(is)) => create.create_role = Some(is),
            Some(RoleOption::Replication(is)) => create.replication = Some(is),
            Some(RoleOption::Password(password)) => create.password = Some(password),
            Some(RoleOption::ConnectionLimit(limit)) => create.connection_limit = Some(limit),
            Some(RoleOption::ValidUntil(time)) => create.valid_until = Some(time),
            None => break,
        }
    }
    create.login = create.login.or(logs_in.then_some(true));
    Ok(Statement::CreateRole(create))
}

/// One option; `None` if there is none.
fn option(parser: &mut Parser) -> Result<Option<RoleOption>, ParserError> {
    let first = word(parser, 0);
    let (is, plain) = match first.strip_prefix("NO") {
        Some(plain) => (false, plain),
        None => (true, first.as_str()),
    };
    let flag = match plain {
        "SUPERUSER" => Some(RoleOption::SuperUser(is)),
        "CREATEDB" => Some(RoleOption::CreateDB(is)),
        "CREATEROLE" => Some(RoleOption::CreateRole(is)),
        "INHERIT" => Some(RoleOption::Inherit(is)),
        "LOGIN" => Some(RoleOption::Login(is)),
        "REPLICATION" => Some(RoleOption::Replication(is)),
        "BYPASSRLS" => Some(RoleOption::BypassRLS(is)),
        _ => None,
    };
    if flag.is_some() {
        skip(parser, 1);
        return Ok(flag);
    }
    Ok(match (first.as_str(), word(parser, 1).as_str()) {
        ("CONNECTION", "LIMIT") => {
            skip(parser, 2);
            let sign = if parser.consume_token(&Token::Minus) { "-" } else { "" };
            let number = parser.parse_literal_uint()?;
            Some(RoleOption::ConnectionLimit(text(format!("{sign}{number}"))))
        }
        ("VALID", "UNTIL") => {
            skip(parser, 2);
            Some(RoleOption::ValidUntil(text(parser.parse_literal_string()?)))
        }
        ("ENCRYPTED", "PASSWORD") | ("PASSWORD", _) => {
            skip(parser, if first == "ENCRYPTED" { 2 } else { 1 });
            Some(RoleOption::Password(match parser.parse_keyword(Keyword::NULL) {
                true => Password::NullPassword,
                false => Password::Password(text(parser.parse_literal_string()?)),
            }))
        }
        _ => None,
    })
}

fn text(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).into())
}

fn alter(parser: &mut Parser) -> Result<Statement, ParserError> {
    let name = parser.parse_identifier()?;
    let mut in_database = None;
    if parser.parse_keywords(&[Keyword::IN, Keyword::DATABASE]) {
        in_database = Some(parser.parse_object_name(false)?);
    }
    let operation = match word(parser, 0).as_str() {
        "RENAME" if word(parser, 1) == "TO" => {
            skip(parser, 2);
            AlterRoleOperation::RenameRole { role_name: parser.parse_identifier()? }
        }
        "SET" => {
            skip(parser, 1);
            let config_name = parser.parse_object_name(false)?;
            let config_value = value(parser)?;
            AlterRoleOperation::Set { config_name, config_value, in_database }
        }
        "RESET" => {
            skip(parser, 1);
            let config_name = match parser.parse_keyword(Keyword::ALL) {
                true => ResetConfig::ALL,
                false => ResetConfig::ConfigName(parser.parse_object_name(false)?),
            };
            AlterRoleOperation::Reset { config_name, in_database }
        }
        _ => {
            let _is_said = parser.parse_keyword(Keyword::WITH);
            let mut options = vec![];
            while let Some(option) = option(parser)? {
                options.push(option);
            }
            if options.is_empty() {
                return parser.expected("an option of a role", parser.peek_token());
            }
            AlterRoleOperation::WithOptions { options }
        }
    };
    Ok(Statement::AlterRole { name, operation })
}

/// What a setting is to be. Several values are one text, as SET takes them.
fn value(parser: &mut Parser) -> Result<SetConfigValue, ParserError> {
    if parser.parse_keywords(&[Keyword::FROM, Keyword::CURRENT]) {
        return Ok(SetConfigValue::FromCurrent);
    }
    if !parser.consume_token(&Token::Eq) && !parser.parse_keyword(Keyword::TO) {
        return parser.expected("TO or =", parser.peek_token());
    }
    if parser.parse_keyword(Keyword::DEFAULT) {
        return Ok(SetConfigValue::Default);
    }
    let mut values = parser.parse_comma_separated(Parser::parse_expr)?;
    if values.len() == 1 {
        return Ok(SetConfigValue::Value(values.remove(0)));
    }
    let one = |value: &Expr| match value {
        Expr::Identifier(Ident { value, quote_style: None, .. }) => value.clone(),
        Expr::Identifier(name) => name.to_string(),
        Expr::Value(value) => value.value.clone().into_string().unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    };
    Ok(SetConfigValue::Value(text(values.iter().map(one).collect::<Vec<_>>().join(", "))))
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
