//! `CREATE TABLE t (a, b) AS query`, of which the library's grammar knows no columns without types.

use datafusion::sql::sqlparser::ast::{ColumnDef, CreateTable, DataType, ObjectName, Statement};
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{IsOptional, Parser, ParserError};

struct Head {
    or_replace: bool,
    temporary: bool,
    if_not_exists: bool,
    name: ObjectName,
    columns: Vec<Ident>,
}

/// The statement, if what the parser is at is one.
pub(super) fn parse(parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
    if !parser.peek_keyword(Keyword::CREATE) {
        return None;
    }
    let head = parser.maybe_parse(head).ok()??;
    Some(parser.parse_query().map(|query| Statement::CreateTable(head.with(*query))))
}

fn head(parser: &mut Parser) -> Result<Head, ParserError> {
    parser.expect_keyword(Keyword::CREATE)?;
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    let temporary = parser.parse_one_of_keywords(&[Keyword::TEMPORARY, Keyword::TEMP]).is_some();
    parser.expect_keyword(Keyword::TABLE)?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let columns = parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?;
    parser.expect_keyword(Keyword::AS)?;
    Ok(Head { or_replace, temporary, if_not_exists, name, columns })
}

impl Head {
    fn with(self, query: datafusion::sql::sqlparser::ast::Query) -> CreateTable {
        let column = |name| ColumnDef { name, data_type: DataType::Unspecified, options: vec![] };
        CreateTableBuilder::new(self.name)
            .or_replace(self.or_replace)
            .temporary(self.temporary)
            .if_not_exists(self.if_not_exists)
            .columns(self.columns.into_iter().map(column).collect())
            .query(Some(Box::new(query)))
            .build()
    }
}
