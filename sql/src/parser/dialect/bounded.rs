//! PostgreSQL's grammar, parsed in time proportional to the text.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{Expr, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{alter_view, external_table, named_columns, refresh, role, secret, time_travel};

/// The parser tries some constructs in two ways and starts again where the first fails, which nested takes exponential
/// time: `f(f(f(…)))` at a depth of forty would never end. A text that needs more steps than this is too complex.
const STEPS_PER_BYTE: usize = 16;
const STEPS_MIN: usize = 100_000;

/// [`PostgreSqlDialect`] with a limit on the number of expressions that the parser may begin. For one text: it counts.
#[derive(Debug)]
pub(crate) struct BoundedPostgres {
    steps_left: Cell<usize>,
    /// Whether the text may name a table as it was.
    has_versions: bool,
    /// Whether the text is an INSERT into a partition.
    has_partition: bool,
}

impl BoundedPostgres {
    pub(crate) fn new(text: &str) -> Self {
        let steps_left = Cell::new(STEPS_MIN + text.len().saturating_mul(STEPS_PER_BYTE));
        Self { steps_left, has_versions: time_travel::is_in(text), has_partition: inserts_into_partition(text) }
    }
}

/// Whether PARTITION may follow the name of the table of an INSERT, where it would be taken for another name of the table.
fn inserts_into_partition(text: &str) -> bool {
    /// `INSERT OVERWRITE TABLE database.schema.table PARTITION`
    const WORDS_BETWEEN_MAX: usize = 6;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut since_insert = usize::MAX;
    for word in words {
        since_insert = since_insert.saturating_add(1);
        if word.eq_ignore_ascii_case("insert") {
            since_insert = 0;
        }
        if word.eq_ignore_ascii_case("partition") && since_insert <= WORDS_BETWEEN_MAX {
            return true;
        }
    }
    false
}

/// An unquoted word, by its place among those that come next.
fn keyword(parser: &Parser, index: usize) -> Option<Keyword> {
    match &parser.peek_nth_token_ref(index).token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// The answers of [`PostgreSqlDialect`] to questions without arguments.
macro_rules! as_postgres {
    ($($name:ident)*) => {
        $(fn $name(&self) -> bool {
            PostgreSqlDialect {}.$name()
        })*
    };
}

impl Dialect for BoundedPostgres {
    fn dialect(&self) -> TypeId {
        PostgreSqlDialect {}.dialect()
    }

    fn parse_prefix(&self, _parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.steps_left.get().checked_sub(1) {
            Some(left) => {
                self.steps_left.set(left);
                None
            }
            // The one error after which the parser does not try another way.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    /// What follows IS [NOT] DISTINCT FROM ends before AND and OR. The library takes in all that follows.
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let is_negated = match (keyword(parser, 1), keyword(parser, 2)) {
            _ if keyword(parser, 0) != Some(Keyword::IS) => return None,
            (Some(Keyword::DISTINCT), Some(Keyword::FROM)) => false,
            (Some(Keyword::NOT), Some(Keyword::DISTINCT)) if keyword(parser, 3) == Some(Keyword::FROM) => true,
            _ => return None,
        };
        (0..3 + usize::from(is_negated)).for_each(|_| parser.advance_token());
        let right = match parser.parse_subexpr(self.prec_value(Precedence::Is)) {
            Ok(right) => Box::new(right),
            Err(error) => return Some(Err(error)),
        };
        let left = Box::new(expr.clone());
        Some(Ok(if is_negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) }))
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        let statements = [
            external_table::parse,
            named_columns::parse,
            time_travel::parse,
            refresh::parse,
            role::parse,
            secret::parse,
            alter_view::parse,
        ];
        statements.iter().find_map(|parse| parse(parser))
    }

    fn supports_table_versioning(&self) -> bool {
        self.has_versions
    }

    /// Else PARTITION would be one.
    fn supports_insert_table_alias(&self) -> bool {
        !self.has_partition && PostgreSqlDialect {}.supports_insert_table_alias()
    }

    fn supports_optimize_table(&self) -> bool {
        true
    }

    /// PostgreSQL 15 names arguments by identifiers. With expressions as names each argument is parsed twice.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        PostgreSqlDialect {}.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        PostgreSqlDialect {}.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        PostgreSqlDialect {}.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        PostgreSqlDialect {}.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        // Taken for a name where nothing else fits, a NOT too deep would be reported as a syntax error.
        keyword == Keyword::NOT || PostgreSqlDialect {}.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        PostgreSqlDialect {}.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        PostgreSqlDialect {}.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }

    as_postgres! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        allow_extract_custom
        allow_extract_single_quotes
        supports_create_index_with_clause
        supports_explain_with_utility_options
        supports_listen_notify
        supports_factorial_operator
        supports_bitwise_shift_operators
        supports_comment_on
        supports_load_extension
        supports_named_fn_args_with_colon_operator
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_numeric_literal_underscores
        supports_array_typedef_with_brackets
        supports_geometric_types
        supports_set_names
        supports_alter_column_type_using
        supports_notnull_operator
        supports_interval_options
        supports_create_table_like_parenthesized
        supports_select_wildcard_with_alias
        supports_comma_separated_trim
        supports_xml_expressions
        supports_comment_optimizer_hint
    }
}
