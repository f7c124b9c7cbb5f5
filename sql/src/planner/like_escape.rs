//! `LIKE pattern ESCAPE character` as a LIKE with the backslash, the only escape character that the engine has.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut};

use super::build::{call, null, string};

pub(super) fn rewrite_escapes(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut RewriteEscapes) else { return };
}

struct RewriteEscapes;

impl VisitorMut for RewriteEscapes {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else {
            return ControlFlow::Continue(());
        };
        let escape = match escape_char.as_ref().map(|value| &value.value) {
            Some(Value::SingleQuotedString(escape)) => escape.clone(),
            _ => return ControlFlow::Continue(()),
        };
        let mut characters = escape.chars();
        let (escape, None) = (characters.next(), characters.next()) else { return ControlFlow::Continue(()) };
        match pattern.as_mut() {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
                // What ends in its escape character is left to the engine, which refuses it.
                let Some(rewritten) = with_backslashes(text, escape) else { return ControlFlow::Continue(()) };
                *text = rewritten;
            }
            pattern => {
                let computed = std::mem::replace(pattern, null());
                *pattern = with_backslashes_of(computed, escape);
            }
        }
        *escape_char = None;
        ControlFlow::Continue(())
    }
}

/// The same of a pattern that is not known yet.
fn with_backslashes_of(pattern: Expr, escape: Option<char>) -> Expr {
    /// In the place of an escape character that is escaped. No text has it.
    const ESCAPED: &str = "\u{1}";
    let replace = |text: Expr, from: &str, to: &str| call("replace", vec![text, string(from), string(to)]);
    match escape.map(String::from) {
        Some(escape) if escape == "\\" => pattern,
        Some(escape) => {
            let pattern = replace(replace(pattern, "\\", "\\\\"), &escape.repeat(2), ESCAPED);
            replace(replace(pattern, &escape, "\\"), ESCAPED, &escape)
        }
        None => replace(pattern, "\\", "\\\\"),
    }
}

/// `None`: the pattern ends in its escape character. No escape character means that nothing can be escaped.
fn with_backslashes(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut rewritten = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = match Some(character) == escape {
            true => Some(characters.next()?),
            false => (character == '\\').then_some(character),
        };
        match literal {
            Some(literal @ ('%' | '_' | '\\')) => rewritten.extend(['\\', literal]),
            Some(literal) => rewritten.push(literal),
            None => rewritten.push(character),
        }
    }
    Some(rewritten)
}

#[cfg(test)]
mod tests {
    use super::with_backslashes;

    #[test]
    fn patterns_mean_the_same() {
        for (pattern, escape, expected) in [
            ("a!_b%", Some('!'), Some("a\\_b%")),
            ("a!!b!c", Some('!'), Some("a!bc")),
            ("a\\%", Some('!'), Some("a\\\\%")),
            ("a\\%", Some('\\'), Some("a\\%")),
            ("a\\_", None, Some("a\\\\_")),
            ("a!", Some('!'), None),
        ] {
            assert_eq!(with_backslashes(pattern, escape).as_deref(), expected, "{pattern} {escape:?}");
        }
    }
}
