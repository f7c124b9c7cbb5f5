//! `COPY table FROM STDIN`. The library wants the rows in the text of the statement: so it reads of a file of the name [`STDIN`].
//! Options that are `on` or `off` are true or false to it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The name of no file.
pub(crate) const STDIN: &str = "\u{1}stdin";

/// `tokens` of a text that may hold COPY statements.
pub(super) fn rewrite_copy(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut before: Vec<String> = vec![];
    let mut depth = 0_usize;
    for token in &mut tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::SemiColon => {
                before.clear();
                continue;
            }
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => String::new(),
        };
        let is_copy = before.first().is_some_and(|first| first == "copy");
        if is_copy && depth == 0 && word == "stdin" && before.last().is_some_and(|last| last == "from") {
            token.token = Token::SingleQuotedString(STDIN.to_owned());
        }
        let is_switch = before.last().is_some_and(|last| matches!(last.as_str(), "freeze" | "header"));
        match word.as_str() {
            "on" if is_copy && depth == 1 && is_switch => token.token = Token::make_keyword("TRUE"),
            "off" if is_copy && depth == 1 && is_switch => token.token = Token::make_keyword("FALSE"),
            _ => {}
        }
        before.push(word);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use crate::parser::{Dialect, parse};

    #[test]
    fn rows_come_from_the_client() {
        for sql in ["COPY t FROM STDIN", "copy s.t (a, b) from stdin (format csv)", "/* x */ COPY t FROM stdin WITH CSV HEADER; SELECT 1"] {
            let statement = parse(sql, Dialect::Postgres).expect(sql).remove(0);
            assert!(statement.ast.expect("a statement").to_string().contains("\u{1}stdin"), "{sql}");
        }
        let on = parse("copy t from stdin with (freeze on, format csv, header off)", Dialect::Postgres).expect("valid").remove(0);
        assert!(on.ast.expect("a statement").to_string().ends_with("(FREEZE, FORMAT csv, HEADER FALSE)"));
        let select = parse("SELECT a FROM stdin", Dialect::Postgres).expect("valid").remove(0);
        assert_eq!(select.ast.expect("a statement").to_string(), "SELECT a FROM stdin");
    }
}
