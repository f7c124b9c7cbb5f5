//! `GRANT`, `REVOKE`, `ALTER DEFAULT PRIVILEGES`, `REASSIGN OWNED` and `DROP OWNED`. The library's grammar has no memberships,
//! no options that are revoked, no defaults and no locations.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GrantStatement {
    Change(GrantChange),
    /// What is to be granted of things that are made later.
    Default { roles: Vec<Ident>, schemas: Vec<ObjectName>, change: GrantChange },
    ReassignOwned { roles: Vec<Ident>, new_owner: Ident },
    DropOwned { roles: Vec<Ident>, cascade: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GrantChange {
    /// Else it revokes.
    pub(crate) grants: bool,
    /// `WITH GRANT OPTION`, `GRANT OPTION FOR`, and the same of ADMIN.
    pub(crate) option: bool,
    /// `None` is ALL.
    pub(crate) privileges: Option<Vec<NamedPrivilege>>,
    /// Of `ALL (columns)`.
    pub(crate) all_columns: Vec<Ident>,
    pub(crate) on: GrantedOn,
    pub(crate) grantees: Vec<Ident>,
    pub(crate) granted_by: Option<Ident>,
    pub(crate) cascade: bool,
}

/// Such as `SELECT (a, b)`; in upper case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedPrivilege {
    pub(crate) name: String,
    pub(crate) columns: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GrantedOn {
    Tables(Vec<ObjectName>),
    AllTablesIn(Vec<ObjectName>),
    /// Sequences, functions and the like in schemas, of which there are none.
    NothingIn(Vec<ObjectName>),
    Schemas(Vec<ObjectName>),
    Databases(Vec<ObjectName>),
    Locations(Vec<String>),
    Secrets(Vec<Ident>),
    /// Memberships.
    Roles(Vec<Ident>),
    /// Of defaults: `TABLES`.
    NewTables,
    NewSchemas,
    /// Of defaults: sequences, functions and types, of which there will be none.
    NewOthers,
}

impl GrantStatement {
    /// The word of its command tag.
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Self::Change(GrantChange { grants: true, on: GrantedOn::Roles(_), .. }) => "GRANT ROLE",
            Self::Change(GrantChange { grants: false, on: GrantedOn::Roles(_), .. }) => "REVOKE ROLE",
            Self::Change(GrantChange { grants: true, .. }) => "GRANT",
            Self::Change(GrantChange { grants: false, .. }) => "REVOKE",
            Self::Default { .. } => "ALTER DEFAULT PRIVILEGES",
            Self::ReassignOwned { .. } => "REASSIGN OWNED",
            Self::DropOwned { .. } => "DROP OWNED",
        }
    }
}

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<GrantStatement, ParserError>> {
    let second = parser.peek_nth_token(1).token;
    match word(&parser.peek_token().token).as_str() {
        "GRANT" | "REVOKE" => Some(change(parser, false).map(GrantStatement::Change)),
        "ALTER" if word(&second) == "DEFAULT" => Some(default(parser)),
        "ALTER" if word(&second) == "GROUP" && ["ADD", "DROP"].contains(&word(&parser.peek_nth_token(3).token).as_str()) => Some(group(parser)),
        "REASSIGN" if word(&second) == "OWNED" => Some(reassign_owned(parser)),
        "DROP" if word(&second) == "OWNED" => Some(drop_owned(parser)),
        _ => None,
    }
}

/// An unquoted word in upper case; empty if the token is none.
fn word(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// Goes past words, all of them or none.
fn consume(parser: &mut Parser, words: &[&str]) -> bool {
    let is_there = words.iter().enumerate().all(|(index, expected)| word(&parser.peek_nth_token(index).token) == *expected);
    for _ in words.iter().filter(|_| is_there) {
        parser.advance_token();
    }
    is_there
}

fn expect(parser: &mut Parser, words: &[&str]) -> Result<(), ParserError> {
    match consume(parser, words) {
        true => Ok(()),
        false => parser.expected(&words.join(" "), parser.peek_token()),
    }
}

fn change(parser: &mut Parser, of_defaults: bool) -> Result<GrantChange, ParserError> {
    let grants = word(&parser.next_token().token) == "GRANT";
    let mut option = !grants && (consume(parser, &["GRANT", "OPTION", "FOR"]) || consume(parser, &["ADMIN", "OPTION", "FOR"]));
    let (mut privileges, mut all_columns, mut names) = (None, vec![], vec![]);
    if consume(parser, &["ALL"]) {
        consume(parser, &["PRIVILEGES"]);
        all_columns = columns(parser)?;
    } else {
        names = parser.parse_comma_separated(|parser| Ok((parser.parse_identifier()?, columns(parser)?)))?;
        let name = |(name, columns): &(Ident, Vec<Ident>)| NamedPrivilege { name: name.value.to_ascii_uppercase(), columns: columns.clone() };
        privileges = Some(names.iter().map(name).collect());
    }
    let on = match consume(parser, &["ON"]) {
        true if of_defaults => new_objects(parser)?,
        true => objects(parser)?,
        false if privileges.is_none() || of_defaults || names.iter().any(|(_, columns)| !columns.is_empty()) => {
            return parser.expected("ON", parser.peek_token());
        }
        false => {
            privileges = None;
            GrantedOn::Roles(names.into_iter().map(|(name, _)| name).collect())
        }
    };
    expect(parser, &[if grants { "TO" } else { "FROM" }])?;
    let grantees = parser.parse_comma_separated(role)?;
    let mut granted_by = None;
    let mut cascade = false;
    loop {
        if grants && (consume(parser, &["WITH", "GRANT", "OPTION"]) || consume(parser, &["WITH", "ADMIN", "OPTION"])) {
            option = true;
        } else if consume(parser, &["GRANTED", "BY"]) {
            granted_by = Some(role(parser)?);
        } else if !grants && consume(parser, &["CASCADE"]) {
            cascade = true;
        } else if grants || !consume(parser, &["RESTRICT"]) {
            break;
        }
    }
    Ok(GrantChange { grants, option, privileges, all_columns, on, grantees, granted_by, cascade })
}

fn columns(parser: &mut Parser) -> Result<Vec<Ident>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(vec![]);
    }
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn role(parser: &mut Parser) -> Result<Ident, ParserError> {
    consume(parser, &["GROUP"]);
    parser.parse_identifier()
}

fn names(parser: &mut Parser) -> Result<Vec<ObjectName>, ParserError> {
    parser.parse_comma_separated(|parser| parser.parse_object_name(false))
}

fn objects(parser: &mut Parser) -> Result<GrantedOn, ParserError> {
    if consume(parser, &["ALL", "TABLES", "IN", "SCHEMA"]) {
        return Ok(GrantedOn::AllTablesIn(names(parser)?));
    }
    for other in ["SEQUENCES", "FUNCTIONS", "PROCEDURES", "ROUTINES"] {
        if consume(parser, &["ALL", other, "IN", "SCHEMA"]) {
            return Ok(GrantedOn::NothingIn(names(parser)?));
        }
    }
    // A table may have such a name.
    let next = parser.peek_nth_token(1).token;
    let is_kind = !matches!(next, Token::Comma | Token::Period) && !["TO", "FROM"].contains(&word(&next).as_str());
    if is_kind && consume(parser, &["SCHEMA"]) {
        return Ok(GrantedOn::Schemas(names(parser)?));
    }
    if is_kind && consume(parser, &["DATABASE"]) {
        return Ok(GrantedOn::Databases(names(parser)?));
    }
    if matches!(parser.peek_nth_token(1).token, Token::SingleQuotedString(_)) && consume(parser, &["LOCATION"]) {
        return Ok(GrantedOn::Locations(parser.parse_comma_separated(Parser::parse_literal_string)?));
    }
    if is_kind && consume(parser, &["SECRET"]) {
        return Ok(GrantedOn::Secrets(parser.parse_comma_separated(Parser::parse_identifier)?));
    }
    let _is_said = is_kind && (consume(parser, &["TABLE"]) || consume(parser, &["VIEW"]) || consume(parser, &["MATERIALIZED", "VIEW"]));
    Ok(GrantedOn::Tables(names(parser)?))
}

fn new_objects(parser: &mut Parser) -> Result<GrantedOn, ParserError> {
    if consume(parser, &["TABLES"]) {
        return Ok(GrantedOn::NewTables);
    }
    if consume(parser, &["SCHEMAS"]) {
        return Ok(GrantedOn::NewSchemas);
    }
    for other in ["SEQUENCES", "FUNCTIONS", "ROUTINES", "TYPES"] {
        if consume(parser, &[other]) {
            return Ok(GrantedOn::NewOthers);
        }
    }
    parser.expected("TABLES or SCHEMAS", parser.peek_token())
}

fn default(parser: &mut Parser) -> Result<GrantStatement, ParserError> {
    expect(parser, &["ALTER", "DEFAULT"])?;
    parser.expect_keyword(Keyword::PRIVILEGES)?;
    let (mut roles, mut schemas) = (vec![], vec![]);
    loop {
        if consume(parser, &["FOR", "ROLE"]) || consume(parser, &["FOR", "USER"]) {
            roles = parser.parse_comma_separated(role)?;
        } else if consume(parser, &["IN", "SCHEMA"]) {
            schemas = names(parser)?;
        } else {
            break;
        }
    }
    match word(&parser.peek_token().token).as_str() {
        "GRANT" | "REVOKE" => Ok(GrantStatement::Default { roles, schemas, change: change(parser, true)? }),
        _ => parser.expected("GRANT or REVOKE", parser.peek_token()),
    }
}

/// `ALTER GROUP name ADD USER name, …`: an older way to grant a role.
fn group(parser: &mut Parser) -> Result<GrantStatement, ParserError> {
    expect(parser, &["ALTER", "GROUP"])?;
    let group = parser.parse_identifier()?;
    let grants = consume(parser, &["ADD"]) || !consume(parser, &["DROP"]);
    expect(parser, &["USER"])?;
    let grantees = parser.parse_comma_separated(role)?;
    let on = GrantedOn::Roles(vec![group]);
    let (option, privileges, all_columns, granted_by, cascade) = (false, None, vec![], None, false);
    Ok(GrantStatement::Change(GrantChange { grants, option, privileges, all_columns, on, grantees, granted_by, cascade }))
}

fn reassign_owned(parser: &mut Parser) -> Result<GrantStatement, ParserError> {
    expect(parser, &["REASSIGN", "OWNED", "BY"])?;
    let roles = parser.parse_comma_separated(role)?;
    expect(parser, &["TO"])?;
    Ok(GrantStatement::ReassignOwned { roles, new_owner: role(parser)? })
}

fn drop_owned(parser: &mut Parser) -> Result<GrantStatement, ParserError> {
    expect(parser, &["DROP", "OWNED", "BY"])?;
    let roles = parser.parse_comma_separated(role)?;
    let cascade = consume(parser, &["CASCADE"]);
    if !cascade {
        consume(parser, &["RESTRICT"]);
    }
    Ok(GrantStatement::DropOwned { roles, cascade })
}
