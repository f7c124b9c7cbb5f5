//! SQL LIKE for the filters of metadata commands: `%` is any text, `_` any character, `\` takes the next one literally.
//!
//! Clients send whole SQL statements as patterns, so there are no illegal ones and matching takes no more than the product
//! of both lengths.

/// Whether `text` matches `pattern`, upper and lower case apart.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern = parse(pattern);
    let (mut at, mut next) = (0, 0);
    // Where to go back to: behind the last `%`, with that `%` taking one character more.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(next) {
            Some(Part::AnyText) => {
                next += 1;
                back = Some((at, next));
            }
            Some(part) if part.matches(text[at]) => {
                at += 1;
                next += 1;
            }
            _ => match back {
                Some((start, after)) => {
                    at = start + 1;
                    next = after;
                    back = Some((at, after));
                }
                None => return false,
            },
        }
    }
    pattern[next..].iter().all(|part| matches!(part, Part::AnyText))
}

enum Part {
    AnyText,
    AnyCharacter,
    Character(char),
}

impl Part {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::AnyText => false,
            Self::AnyCharacter => true,
            Self::Character(own) => *own == character,
        }
    }
}

fn parse(pattern: &str) -> Vec<Part> {
    let mut characters = pattern.chars();
    let mut parts = Vec::new();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => Part::AnyText,
            '_' => Part::AnyCharacter,
            // At the end of a pattern it stands for itself.
            '\\' => Part::Character(characters.next().unwrap_or('\\')),
            other => Part::Character(other),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("lineitem", "lineitem", true),
            ("lineitem", "LINEITEM", false),
            ("lineitem", "line%", true),
            ("lineitem", "%item", true),
            ("lineitem", "%ne%t%m", true),
            ("lineitem", "line", false),
            ("lineitem", "_ineitem", true),
            ("lineitem", "_lineitem", false),
            ("a_b", "a\\_b", true),
            ("axb", "a\\_b", false),
            ("a\\", "a\\", true),
            ("50%", "50\\%", true),
            ("größe", "gr__e", true),
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("a", "select * from t where x like '%a%'", false),
        ] {
            assert_eq!(like(text, pattern), expected, "{text:?} like {pattern:?}");
        }
        assert!(!like(&"a".repeat(2_000), &format!("{}b", "%a".repeat(1_000))));
    }
}
