//! `LIKE pattern ESCAPE character` as a LIKE with the backslash, the only escape character that the engine has.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut};

/// Patterns that are not literals are left to the engine, which refuses them.
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
        if let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern.as_mut()
            && let (escape, None) = (characters.next(), characters.next())
            && let Some(rewritten) = with_backslashes(text, escape)
        {
            *text = rewritten;
            *escape_char = None;
        }
        ControlFlow::Continue(())
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
