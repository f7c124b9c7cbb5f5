//! The name that somebody who mistyped probably meant.

/// The candidate closest to `name`, quoted as SQL needs it, if it is close enough to be a likely mistake.
pub(crate) fn nearest_name(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    /// Below this, a suggestion misleads more than it helps.
    const SIMILARITY_MIN: f64 = 0.6;
    let folded = name.to_lowercase();
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| quote_if_needed(candidate))
}

fn quote_if_needed(name: String) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.'));
    if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let names = || ["lineitem", "orders", "Sales 2024"].map(str::to_owned).into_iter();
        assert_eq!(nearest_name("linitem", names()).as_deref(), Some("lineitem"));
        assert_eq!(nearest_name("sales 2024", names()).as_deref(), Some("\"Sales 2024\""));
        assert_eq!(nearest_name("zebra", names()), None);
    }
}
