//! The valid name that somebody probably meant.

/// The candidate nearest to `name`, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let most = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let valid = ["target", "type", "name", "depends_on", "options"];
        for (given, expected) in [
            ("depend_on", Some("depends_on")),
            ("dependson", Some("depends_on")),
            ("tagret", Some("target")),
            ("typ", Some("type")),
            ("nmae", Some("name")),
            ("retries", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, valid), expected, "{given}");
        }
    }
}
