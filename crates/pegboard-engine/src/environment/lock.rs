//! A lock: every distribution of an environment with its exact version or location.

use pegboard_model::PluginName;

use super::requirement::mask_credentials;

/// What a resolver decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Lock {
    pub(super) lines: Vec<Line>,
}

/// One distribution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// As a requirements file has it; may hold credentials.
    pub(super) text: String,
    pub(super) editable: bool,
    /// Unknown for an editable one until it is installed.
    pub(super) name: Option<PluginName>,
    /// Where it comes from when not from an index.
    pub(super) location: Option<String>,
    /// Whether the user asked for it, rather than another distribution.
    pub(super) asked_for: bool,
}

impl Line {
    /// Understands one line without annotation.
    pub(super) fn parse(text: &str, asked_for: bool) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') || text.starts_with("--") {
            return None;
        }
        if let Some(location) = text.strip_prefix("-e ") {
            let location = Some(without_extras(location.trim()).to_owned());
            return Some(Self { text: text.to_owned(), editable: true, name: None, location, asked_for });
        }
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len());
        let location =
            text.split_once(" @ ").map(|(_, location)| location.split(" ; ").next().unwrap_or(location).trim().to_owned());
        // An unnamed location (`file:///…`) has no name before its colon.
        let (name, location) =
            if text[end..].starts_with(':') { (None, Some(text.to_owned())) } else { (text[..end].parse().ok(), location) };
        Some(Self { text: text.to_owned(), editable: false, name, location, asked_for })
    }
}

fn without_extras(location: &str) -> &str {
    match location.rfind('[') {
        Some(start) if location.ends_with(']') => &location[..start],
        _ => location,
    }
}

impl Lock {
    /// Whether a distribution of this name is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.name.as_ref().is_some_and(|given| given.as_str() == name))
    }

    /// What `uv pip compile --annotation-style line` prints; `source` is the name of the file with what the user asked for.
    pub(super) fn parse(text: &str, source: &str) -> Self {
        let marker = format!("-r {source}");
        let lines = text.lines().filter_map(|line| {
            let (requirement, annotation) = line.split_once(" # via").unwrap_or((line, ""));
            Line::parse(requirement, annotation.split(',').any(|reason| reason.trim() == marker))
        });
        Self { lines: lines.collect() }
    }

    /// The one that the user asked for.
    pub(super) fn asked_for(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.asked_for)
    }

    /// Puts the credentials of what was asked for back where a tool left them out: the installation needs them.
    pub(super) fn restore_credentials(&mut self, original: &str) {
        for line in self.lines.iter_mut().filter(|line| line.asked_for) {
            restore_credentials(&mut line.text, original);
        }
    }

    /// A requirements file; may hold credentials.
    pub(super) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }

    /// The same without credentials: for keeping and showing.
    pub(super) fn shown(&self) -> String {
        mask_credentials(&self.text())
    }
}

/// Puts the credentials of `original` back where a masked form of them stands in `text`.
fn restore_credentials(text: &mut String, original: &str) {
    let Some((_, after)) = original.split_once("://") else { return };
    let Some((credentials, _)) = after.split_once('/').unwrap_or((after, "")).0.rsplit_once('@') else { return };
    if mask_credentials(original) == original {
        return;
    }
    if let Some((before, after)) = text.split_once("://") {
        let authority_end = after.find('/').unwrap_or(after.len());
        let host = after[..authority_end].rsplit_once('@').map_or(&after[..authority_end], |(_, host)| host);
        *text = format!("{before}://{credentials}@{host}{}", &after[authority_end..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let lock = Lock::parse(
            "flowdapt @ file:///w/flowdapt-1-py3-none-any.whl  # via good, --override overrides.in\n\
             good-plugin @ file:///a%20b/good  # via -r plugin.in\n\
             # a comment\n\
             six==1.17.0               # via good-plugin, -r host.in\n\n",
            "plugin.in",
        );
        assert_eq!(lock.lines.len(), 3);
        let asked = lock.asked_for().unwrap();
        assert_eq!(asked.name.as_ref().unwrap().as_str(), "good-plugin");
        assert_eq!(asked.location.as_deref(), Some("file:///a%20b/good"));
        assert_eq!(lock.lines[2].text, "six==1.17.0");
        assert!(lock.text().ends_with("six==1.17.0\n"));

        let editable = Lock::parse("-e file:///x/good[gpu]    # via -r plugin.in\n", "plugin.in");
        let line = editable.asked_for().unwrap();
        assert!(line.editable && line.name.is_none());
        assert_eq!(line.location.as_deref(), Some("file:///x/good"));
        assert_eq!(line.text, "-e file:///x/good[gpu]");
    }

    #[test]
    fn what_is_kept_has_no_credentials() {
        let lock = Lock::parse("x @ git+https://me:secret@host/x.git@abc  # via -r plugin.in\n", "plugin.in");
        assert!(lock.text().contains("secret") && !lock.shown().contains("secret"));
    }

    #[test]
    fn credentials_come_back_only_where_they_were() {
        for (text, original, restored) in [
            ("x @ git+https://u:****@h/x.git@abc", "git+https://u:p@h/x.git", "x @ git+https://u:p@h/x.git@abc"),
            ("x @ git+https://h/x.git@abc", "git+https://u:p@h/x.git", "x @ git+https://u:p@h/x.git@abc"),
            ("x @ git+https://h/x.git@abc", "git+https://h/x.git", "x @ git+https://h/x.git@abc"),
            ("x==1", "x", "x==1"),
        ] {
            let mut text = text.to_owned();
            restore_credentials(&mut text, original);
            assert_eq!(text, restored);
        }
    }
}
