//! `CREATE EXTERNAL TABLE`: what the library's grammar has of it knows neither CSV nor options.

use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, CommentDef, CreateTableOptions, DataType, Expr, HiveDistributionStyle, Ident, SqlOption, Statement, Value,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The key of what `STORED AS` says among the options of the statement.
pub(crate) const FORMAT: &str = "format";

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    let (or_replace, if_external) = match parser.peek_nth_token(1).token {
        Token::Word(word) if word.keyword == Keyword::OR => (true, 3),
        _ => (false, 1),
    };
    let is_external = matches!(parser.peek_nth_token(if_external).token, Token::Word(word) if word.keyword == Keyword::EXTERNAL);
    if !parser.peek_keyword(Keyword::CREATE) || !is_external {
        return None;
    }
    for _ in 0..=if_external {
        parser.advance_token();
    }
    Some(statement(parser, or_replace))
}

fn statement(parser: &mut Parser, or_replace: bool) -> Result<Statement, ParserError> {
    parser.expect_keyword(Keyword::TABLE)?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let (columns, constraints) = parser.parse_columns()?;
    let mut builder = CreateTableBuilder::new(name)
        .external(true)
        .or_replace(or_replace)
        .if_not_exists(if_not_exists)
        .columns(columns)
        .constraints(constraints);
    let mut options = vec![];
    loop {
        if parser.parse_keywords(&[Keyword::STORED, Keyword::AS]) || parser.parse_keyword(Keyword::USING) {
            let format = parser.parse_identifier()?;
            options.push(option(Ident::new(FORMAT), text(format.value)));
        } else if parser.parse_keyword(Keyword::LOCATION) {
            let location = parser.parse_literal_string()?;
            builder = builder.location(Some(location));
        } else if parser.parse_keywords(&[Keyword::PARTITIONED, Keyword::BY]) {
            parser.expect_token(&Token::LParen)?;
            let columns = parser.parse_comma_separated(partition_column)?;
            parser.expect_token(&Token::RParen)?;
            builder = builder.hive_distribution(HiveDistributionStyle::PARTITIONED { columns });
        } else if parser.parse_one_of_keywords(&[Keyword::OPTIONS, Keyword::TBLPROPERTIES]).is_some() {
            parser.expect_token(&Token::LParen)?;
            options.extend(parser.parse_comma_separated(named_option)?);
            parser.expect_token(&Token::RParen)?;
        } else if parser.parse_keywords(&[Keyword::WITH, Keyword::HEADER, Keyword::ROW]) {
            options.push(option(Ident::new("header"), Expr::Value(Value::Boolean(true).into())));
        } else if parser.parse_keyword(Keyword::DELIMITER) {
            let delimiter = parser.parse_literal_string()?;
            options.push(option(Ident::new("delimiter"), text(delimiter)));
        } else if parser.parse_keyword(Keyword::COMMENT) {
            let comment = CommentDef::WithoutEq(parser.parse_literal_string()?);
            builder = builder.comment_after_column_def(Some(comment));
        } else {
            break;
        }
    }
    Ok(Statement::CreateTable(builder.table_options(CreateTableOptions::Options(options)).build()))
}

/// `day` or `day date`.
fn partition_column(parser: &mut Parser) -> Result<ColumnDef, ParserError> {
    let name = parser.parse_identifier()?;
    let data_type = match parser.peek_token().token {
        Token::Comma | Token::RParen => DataType::Unspecified,
        _ => parser.parse_data_type()?,
    };
    Ok(ColumnDef { name, data_type, options: vec![] })
}

/// `'key' 'value'`, `key = value` and what is between the two; a key may have points.
fn named_option(parser: &mut Parser) -> Result<SqlOption, ParserError> {
    let name = parser.parse_object_name(false)?;
    let key = name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone()));
    let key = Ident::new(key.collect::<Vec<_>>().join("."));
    let _is_given = parser.consume_token(&Token::Eq);
    Ok(option(key, Expr::Value(parser.parse_value()?)))
}

fn option(key: Ident, value: Expr) -> SqlOption {
    SqlOption::KeyValue { key, value }
}

fn text(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).into())
}
