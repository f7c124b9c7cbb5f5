//! Actions of MERGE that the library's grammar does not have, written in forms that it has: `DO NOTHING` as an action on a
//! column of the name [`NOTHING`], and `INSERT DEFAULT VALUES` as `INSERT VALUES (DEFAULT)`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The name of no column.
pub(crate) const NOTHING: &str = "\u{1}nothing";

/// `tokens` of a text that may hold a MERGE.
pub(super) fn rewrite_merge_actions(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_merge = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::MERGE);
    if !tokens.iter().any(is_merge) {
        return tokens;
    }
    let mut rewritten: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut is_for_table = true;
    let mut rest = tokens.as_slice();
    while let Some(first) = rest.first() {
        let words = next_words(rest);
        let (count, text): (usize, Option<Vec<Token>>) = match words.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().as_slice() {
            ["when", "matched", ..] | ["when", "not", "matched", "by"] => {
                // BY TARGET is for rows that are not in the table.
                is_for_table = !by_target(rest);
                (1, None)
            }
            ["when", "not", "matched", ..] => {
                is_for_table = false;
                (1, None)
            }
            ["then", "do", "nothing", ..] => (words[2].0 + 1, Some(do_nothing(is_for_table))),
            ["then", "insert", "default", "values"] => (words[3].0 + 1, Some(insert_defaults())),
            _ => (1, None),
        };
        match text {
            Some(text) => rewritten.extend(text.into_iter().map(|token| TokenWithSpan { token, span: first.span })),
            None => rewritten.push(first.clone()),
        }
        rest = &rest[count..];
    }
    rewritten
}

/// The next four words, in small letters, and where they are; fewer if something else comes between.
fn next_words(tokens: &[TokenWithSpan]) -> Vec<(usize, String)> {
    let mut words = vec![];
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::Whitespace(_) if index > 0 => {}
            Token::Word(word) if word.quote_style.is_none() && words.len() < 4 => words.push((index, word.value.to_ascii_lowercase())),
            _ => break,
        }
    }
    words
}

fn by_target(tokens: &[TokenWithSpan]) -> bool {
    let words = tokens.iter().filter_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.as_str()),
        _ => None,
    });
    words.take(5).last().is_some_and(|word| word.eq_ignore_ascii_case("target"))
}

fn do_nothing(is_for_table: bool) -> Vec<Token> {
    let column = || Token::make_word(NOTHING, Some('"'));
    let word = |word: &str| Token::make_keyword(word);
    match is_for_table {
        true => vec![word("THEN"), word("UPDATE"), word("SET"), column(), Token::Eq, word("NULL")],
        false => {
            let values = [word("VALUES"), Token::LParen, word("NULL"), Token::RParen];
            [word("THEN"), word("INSERT"), Token::LParen, column(), Token::RParen].into_iter().chain(values).collect()
        }
    }
}

fn insert_defaults() -> Vec<Token> {
    let word = |word: &str| Token::make_keyword(word);
    vec![word("THEN"), word("INSERT"), word("VALUES"), Token::LParen, word("DEFAULT"), Token::RParen]
}

#[cfg(test)]
mod tests {
    use crate::parser::{Dialect, parse};

    fn rewritten(sql: &str) -> String {
        let statement = parse(sql, Dialect::Postgres).expect("valid").remove(0);
        statement.ast.expect("a statement").to_string()
    }

    #[test]
    fn actions_have_other_forms() {
        let merge = "MERGE INTO t USING s ON t.a = s.a";
        assert!(rewritten(&format!("{merge} WHEN MATCHED AND s.b > 1 THEN DO NOTHING")).ends_with("THEN UPDATE SET \"\u{1}nothing\" = NULL"));
        let inserts = "INSERT (\"\u{1}nothing\") VALUES (NULL)";
        assert!(rewritten(&format!("{merge} when not matched then do  nothing")).ends_with(inserts));
        assert!(rewritten(&format!("{merge} WHEN NOT MATCHED BY TARGET THEN DO NOTHING")).ends_with(inserts));
        let source = rewritten(&format!("{merge} WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN NOT MATCHED THEN INSERT DEFAULT VALUES"));
        assert!(source.contains("BY SOURCE THEN UPDATE SET") && source.ends_with("INSERT VALUES (DEFAULT)"), "{source}");
        assert_eq!(rewritten("SELECT 'then do nothing' AS \"merge\""), "SELECT 'then do nothing' AS \"merge\"");
    }
}
