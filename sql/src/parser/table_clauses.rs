//! Clauses of CREATE TABLE that the library's grammar does not have, or only in one order: `USING format`, which is taken out
//! (all tables are Delta tables), and `WITH (…)` before `PARTITIONED BY (…)`.

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// A format that tables do not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtherFormat {
    pub(super) name: String,
    pub(super) location: Location,
}

/// What `USING` may name: `heap` is how PostgreSQL calls its tables, and tools that know only PostgreSQL write it.
const FORMATS: [&str; 2] = ["delta", "heap"];

/// `tokens` of a text that may hold CREATE TABLE statements.
pub(super) fn rewrite_table_clauses(mut tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, OtherFormat> {
    let mut start = 0;
    while start < tokens.len() {
        let length = tokens[start..].iter().position(|token| token.token == Token::SemiColon);
        let mut end = length.map_or(tokens.len(), |length| start + length);
        if let Some(name) = name_of_table(&tokens[start..end]) {
            let clauses = Clauses::find(&tokens[start + name..end]).shifted(start + name);
            if let Some(using) = clauses.using.clone() {
                let format = &tokens[using.end - 1];
                let name = text(format);
                if !FORMATS.contains(&name.as_str()) {
                    return Err(OtherFormat { name, location: format.span.start });
                }
            }
            if let (Some(with), Some(partitioned)) = (&clauses.with, &clauses.partitioned)
                && with.start < partitioned.start
            {
                tokens[with.start..partitioned.end].rotate_left(partitioned.start - with.start);
            }
            // Where it stands is another place now only if it was between the two, and then it is found again.
            if clauses.using.is_some()
                && let Some(using) = Clauses::find(&tokens[start + name..end]).shifted(start + name).using
            {
                end -= using.len();
                tokens.drain(using);
            }
        }
        start = end + 1;
    }
    Ok(tokens)
}

/// Where the name begins after `CREATE … TABLE`.
fn name_of_table(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut words = tokens.iter().enumerate().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    if words.next().map(|(_, token)| text(token)).as_deref() != Some("create") {
        return None;
    }
    for (index, token) in words {
        match text(token).as_str() {
            "table" => return Some(index + 1),
            "or" | "replace" | "local" | "global" | "temp" | "temporary" | "unlogged" => {}
            _ => return None,
        }
    }
    None
}

/// The word, in small letters; empty if it is something else, or in quotation marks.
fn text(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Clauses {
    using: Option<Range<usize>>,
    with: Option<Range<usize>>,
    partitioned: Option<Range<usize>>,
}

impl Clauses {
    /// Those after the name of the table and its columns, before its query.
    fn find(tokens: &[TokenWithSpan]) -> Self {
        let mut clauses = Self::default();
        let mut depth = 0_usize;
        let significant: Vec<usize> = (0..tokens.len()).filter(|index| !matches!(tokens[*index].token, Token::Whitespace(_))).collect();
        let word = |place: usize| significant.get(place).map(|index| text(&tokens[*index])).unwrap_or_default();
        for (place, index) in significant.iter().copied().enumerate() {
            match &tokens[index].token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                _ => match word(place).as_str() {
                    "as" | "select" | "like" => break,
                    "using" if !word(place + 1).is_empty() => clauses.using = Some(index..significant[place + 1] + 1),
                    "with" => clauses.with = list(tokens, &significant[place..], 1),
                    "partitioned" if word(place + 1) == "by" => clauses.partitioned = list(tokens, &significant[place..], 2),
                    _ => {}
                },
            }
        }
        clauses
    }

    fn shifted(self, by: usize) -> Self {
        let shift = |range: Option<Range<usize>>| range.map(|range| range.start + by..range.end + by);
        Self { using: shift(self.using), with: shift(self.with), partitioned: shift(self.partitioned) }
    }
}

/// A clause of some words and a list in parentheses.
fn list(tokens: &[TokenWithSpan], significant: &[usize], words: usize) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    for (place, index) in significant.iter().copied().enumerate().skip(words) {
        match &tokens[index].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return Some(significant[0]..index + 1),
            Token::RParen => depth = depth.checked_sub(1)?,
            _ if place == words => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::parser::{Dialect, parse};

    fn rewritten(sql: &str) -> String {
        let statement = parse(sql, Dialect::Postgres).expect("valid").remove(0);
        statement.ast.expect("a statement").to_string()
    }

    #[test]
    fn clauses_are_taken_in_any_order() {
        let plain = rewritten("CREATE TABLE t (a INT, b INT) PARTITIONED BY (b) WITH (sorted_by = 'a')");
        for clauses in [
            "USING delta PARTITIONED BY (b) WITH (sorted_by = 'a')",
            "PARTITIONED BY (b) USING delta WITH (sorted_by = 'a')",
            "WITH (sorted_by = 'a') using Delta PARTITIONED BY (b)",
            "WITH (sorted_by = 'a') PARTITIONED BY (b) USING DELTA",
        ] {
            assert_eq!(rewritten(&format!("CREATE TABLE t (a INT, b INT) {clauses}")), plain, "{clauses}");
        }
        assert_eq!(rewritten("CREATE OR REPLACE TEMP TABLE t USING heap AS SELECT 1"), rewritten("CREATE OR REPLACE TEMP TABLE t AS SELECT 1"));
        let join = "CREATE TABLE t AS SELECT * FROM a JOIN b USING(delta)";
        assert!(rewritten(join).ends_with("USING(delta)"));
    }

    #[test]
    fn other_formats_are_named() {
        let error = parse("CREATE TABLE t (a int) USING parquet", Dialect::Postgres).expect_err("no such tables");
        assert_eq!((error.sql_state().code(), error.position()), ("0A000", Some(30)));
    }
}
