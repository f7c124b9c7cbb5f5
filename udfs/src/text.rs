//! Functions over text.

pub mod levenshtein_ratio;
