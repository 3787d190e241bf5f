//! Numbers with what they count, as a sentence has them.

use std::fmt::Display;

/// `1 queue`, `2 queues`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let ending = either(&count, "", "s");
    format!("{count} {one}{ending}")
}

/// `one` where there is one, else `many`.
#[must_use]
pub fn either<'a, N: PartialEq + From<u8>>(count: &N, one: &'a str, many: &'a str) -> &'a str {
    if *count == N::from(1) { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_as_one() {
        assert_eq!(
            [0_u64, 1, 2].map(|count| counted(count, "index file")),
            ["0 index files", "1 index file", "2 index files"]
        );
        assert_eq!([0_usize, 1, 2].map(|count| either(&count, "goes", "go")), ["go", "goes", "go"]);
    }
}
