//! What would change in a text, line by line.

use std::time::Duration;

use similar::TextDiff;

/// After this time a coarser answer will do.
const PATIENCE: Duration = Duration::from_millis(200);

/// A unified diff with three lines around each change; empty when the texts are the same.
pub(super) fn unified(before: &str, after: &str) -> String {
    TextDiff::configure().timeout(PATIENCE).diff_lines(before, after).unified_diff().context_radius(3).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let before: String = (0..20).map(|number| format!("line {number}\n")).collect();
        let diff = unified(&before, &before.replace("line 9\n", "line nine\n"));
        assert_eq!(diff.lines().filter(|line| line.starts_with('-')).collect::<Vec<_>>(), ["-line 9"]);
        assert_eq!(diff.lines().filter(|line| line.starts_with('+')).collect::<Vec<_>>(), ["+line nine"]);
        assert_eq!(diff.lines().count(), 9, "{diff}");
        assert_eq!(unified(&before, &before), "");
    }
}
