//! What the user asked for, understood before any tool sees it.

use std::path::{Path, PathBuf};

use pegboard_model::{Error, PluginName};
use url::Url;

use super::InstallRequest;

/// A request, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Requirement {
    pub(super) kind: Kind,
    /// What the user wrote, without credentials, paths made absolute.
    shown: String,
}

/// Where the code comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A source folder on this machine. `suffix` holds its extras, `[a,b]` or empty.
    Folder { path: PathBuf, suffix: String, editable: bool },
    /// A wheel or a source archive on this machine.
    File { path: PathBuf, suffix: String },
    /// A repository or an archive somewhere else, perhaps with a name before it.
    Url { text: String },
    /// A name in a package index, perhaps with extras, versions and a marker.
    Index { name: PluginName, text: String },
    /// Several of the above, as lines of a requirements file.
    List { lines: Vec<String> },
}

impl Requirement {
    /// Understands paths, wheels, URLs and index requirements; refuses what is none of them.
    pub(super) fn parse(request: &InstallRequest) -> Result<Self, Error> {
        let text = request.requirement.trim();
        let refuse = |why: &str| {
            Error::invalid("bad-requirement", format!("`{}` is not a requirement: {why}", mask_credentials(&printable(text))))
                .hint("give a name such as `my-plugin>=1.2`, a folder, a wheel, or a `git+https://…` URL")
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(refuse("it holds control characters"));
        }
        if text.starts_with('-') {
            return Err(refuse("it begins with `-`"));
        }
        if let Some(url) = &request.index_url {
            check_index_url(url)?;
        }
        let (before, location) = match text.split_once('@') {
            // `name @ location`: what stands before is a name, perhaps with extras.
            Some((name, location)) if name.trim_end().chars().all(is_name_character) => (name.trim(), location.trim()),
            _ => ("", text),
        };
        let kind = if let Some(path) = local_path(location) {
            let (path, mut suffix) = split_extras(path);
            if suffix.is_empty()
                && let Some(start) = before.find('[')
            {
                before[start..].clone_into(&mut suffix);
            }
            local(&path, suffix, request.editable)?
        } else if location.contains("://") {
            Kind::Url { text: text.to_owned() }
        } else {
            let end = text.find(|c: char| !is_name_character(c) || c == '[').unwrap_or(text.len());
            let name = text[..end].trim().parse().map_err(|_| refuse("it begins with no name"))?;
            Kind::Index { name, text: text.to_owned() }
        };
        if request.editable && !matches!(kind, Kind::Folder { .. }) {
            return Err(refuse("only a source folder can be installed in place"));
        }
        let shown = match &kind {
            Kind::Folder { path, suffix, .. } | Kind::File { path, suffix } => format!("{}{suffix}", path.display()),
            Kind::Url { text } | Kind::Index { text, .. } => mask_credentials(text),
            // Made by `list` only.
            Kind::List { lines } => lines.join(", "),
        };
        Ok(Self { kind, shown })
    }

    /// The lines of a requirements file; none when there is nothing in it but comments.
    pub(super) fn list(text: &str) -> Result<Option<Self>, Error> {
        let mut lines = Vec::new();
        for line in text.lines() {
            // As pip reads it: a comment begins a line or follows a blank.
            let code = line.split_once(" #").map_or(line, |(code, _)| code).trim();
            if code.is_empty() || code.starts_with('#') {
                continue;
            }
            if mask_credentials(code) != code {
                let message = format!("`{}` holds credentials, which would be kept with the script", mask_credentials(code));
                return Err(Error::invalid("bad-requirement", message)
                    .hint("let the server's own configuration of git or of the package index hold them"));
            }
            let request =
                InstallRequest { requirement: code.to_owned(), editable: false, index_url: None, original_flowdapt: false };
            lines.push(Self::parse(&request)?.line());
        }
        let shown = match lines.as_slice() {
            [] => return Ok(None),
            [only] => only.clone(),
            [first, ..] => format!("{first} and {} more", lines.len() - 1),
        };
        Ok(Some(Self { kind: Kind::List { lines }, shown }))
    }

    /// For people, records and logs.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the plugin's own code needs no network, so that the newest is on this machine by definition.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Folder { .. } | Kind::File { .. })
    }

    /// One line of a requirements file; may hold credentials.
    pub(super) fn line(&self) -> String {
        match &self.kind {
            Kind::Folder { path, suffix, editable } => {
                format!("{}{}{suffix}", if *editable { "-e " } else { "" }, file_url(path))
            }
            Kind::File { path, suffix } => format!("{}{suffix}", file_url(path)),
            Kind::Url { text } | Kind::Index { text, .. } => text.clone(),
            Kind::List { lines } => lines.join("\n"),
        }
    }

    /// The location as a URL, for comparison with what an installation recorded.
    pub(super) fn location(&self) -> Option<String> {
        match &self.kind {
            Kind::Folder { path, .. } | Kind::File { path, .. } => Some(file_url(path)),
            Kind::Url { .. } | Kind::Index { .. } | Kind::List { .. } => None,
        }
    }
}

/// Characters that may stand before `@`: of a name and of its extras.
fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']' | ',' | ' ')
}

fn printable(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// The path in a text that means one: with a separator, a file URL, `.`, or the ending of an archive.
fn local_path(text: &str) -> Option<String> {
    if text.starts_with("file:") {
        let (location, fragment) = text.split_once('#').map_or((text, ""), |(location, _)| (location, ""));
        let path = Url::parse(location).ok()?.to_file_path().ok()?;
        return path.to_str().map(|path| format!("{path}{fragment}"));
    }
    if text.contains("://") || text.starts_with("git+") {
        return None;
    }
    let bare = text.split('[').next().unwrap_or(text);
    let is_archive = [".whl", ".tar.gz", ".zip"].iter().any(|ending| bare.ends_with(ending));
    (bare.contains('/') || bare == "." || bare == ".." || is_archive).then(|| text.to_owned())
}

fn split_extras(path: String) -> (PathBuf, String) {
    match path.rfind('[') {
        Some(start) if path.ends_with(']') && !Path::new(&path).exists() => {
            (PathBuf::from(&path[..start]), path[start..].to_owned())
        }
        _ => (PathBuf::from(path), String::new()),
    }
}

fn local(path: &Path, suffix: String, editable: bool) -> Result<Kind, Error> {
    let path = path.canonicalize().map_err(|error| {
        Error::not_found("path-not-found", format!("`{}` cannot be opened: {error}", path.display()))
            .hint("give the path of a folder with a `pyproject.toml`, or of a wheel, as the server's machine sees it")
    })?;
    if path.is_dir() {
        if !path.join("pyproject.toml").is_file() && !path.join("setup.py").is_file() {
            return Err(Error::invalid(
                "bad-requirement",
                format!("`{}` has neither `pyproject.toml` nor `setup.py`", path.display()),
            )
            .hint("give the folder that holds the package's `pyproject.toml`"));
        }
        return Ok(Kind::Folder { path, suffix, editable });
    }
    Ok(Kind::File { path, suffix })
}

fn check_index_url(text: &str) -> Result<(), Error> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => Ok(()),
        _ => Err(Error::invalid(
            "bad-index-url",
            format!("`{}` is not the URL of a package index", mask_credentials(&printable(text))),
        )
        .hint("a package index has a URL such as `https://packages.example.org/simple`")),
    }
}

/// A path as a `file://` URL, which no tool takes for an option or splits at a blank.
pub(super) fn file_url(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}

/// The same text, with whatever stands before the `@` of a URL's host replaced.
pub(super) fn mask_credentials(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>'))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rfind('@') {
            // Whoever uses SSH is known by a key: the name alone is no secret, and needed to get there again.
            Some(at) if before.ends_with("ssh://") && !authority[..at].contains(':') => masked.push_str(authority),
            Some(at) => {
                masked.push_str("****");
                masked.push_str(&authority[at..]);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(requirement: &str, editable: bool) -> InstallRequest {
        InstallRequest { requirement: requirement.to_owned(), editable, index_url: None, original_flowdapt: false }
    }

    #[test]
    fn kinds_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let project = root.join("a b");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(project.join("pyproject.toml"), "").unwrap();
        std::fs::write(root.join("x-1.0-py3-none-any.whl"), "").unwrap();
        let path = project.to_str().unwrap();
        let wheel = root.join("x-1.0-py3-none-any.whl");

        let url = file_url(&project);
        assert!(url.contains("a%20b"), "{url}");
        for (text, line) in [
            (path.to_owned(), url.clone()),
            (format!("{path}[gpu,x]"), format!("{url}[gpu,x]")),
            (url.clone(), url.clone()),
            (format!("thing @ {url}"), url.clone()),
            (format!("thing[gpu] @ {url}"), format!("{url}[gpu]")),
            (wheel.to_str().unwrap().to_owned(), file_url(&wheel)),
            ("My_Plugin[x]>=1,<2; python_version>'3'".to_owned(), "My_Plugin[x]>=1,<2; python_version>'3'".to_owned()),
            ("git+https://host/x.git@v1".to_owned(), "git+https://host/x.git@v1".to_owned()),
            ("x @ git+https://host/x.git".to_owned(), "x @ git+https://host/x.git".to_owned()),
            ("https://host/x.whl".to_owned(), "https://host/x.whl".to_owned()),
        ] {
            assert_eq!(Requirement::parse(&request(&text, false)).unwrap().line(), line, "{text}");
        }
        assert_eq!(Requirement::parse(&request(path, true)).unwrap().line(), format!("-e {url}"));
        let index = Requirement::parse(&request("My_Plugin[x]>=1", false)).unwrap();
        assert!(matches!(index.kind, Kind::Index { name, .. } if name.as_str() == "my-plugin"));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().to_str().unwrap();
        for (text, editable, code) in [
            ("", false, "bad-requirement"),
            ("-r other.txt", false, "bad-requirement"),
            ("a\nb", false, "bad-requirement"),
            ("===", false, "bad-requirement"),
            ("numpy", true, "bad-requirement"),
            (empty, false, "bad-requirement"),
            ("./no/such/folder", false, "path-not-found"),
            ("no-such-file-1.0.whl", false, "path-not-found"),
            ("file:///no/such/folder", false, "path-not-found"),
        ] {
            let error = Requirement::parse(&request(text, editable)).unwrap_err();
            assert_eq!(error.code, code, "{text}");
            assert!(error.hint.is_some());
        }
        let mut bad_index = request("numpy", false);
        bad_index.index_url = Some("not a url".to_owned());
        assert_eq!(Requirement::parse(&bad_index).unwrap_err().code, "bad-index-url");
    }

    #[test]
    fn lists_are_requirements_files() {
        let text = "# what it needs\n\n numpy>=2  # arrays\nimerit_ango==1.4.10\r\nhttps://host/x.whl#egg=x\n";
        let list = Requirement::list(text).unwrap().unwrap();
        assert_eq!(list.line(), "numpy>=2\nimerit_ango==1.4.10\nhttps://host/x.whl#egg=x");
        assert_eq!(list.shown(), "numpy>=2 and 2 more");
        assert_eq!(Requirement::list(" \n# nothing\n").unwrap(), None);
        for bad in ["-r other.txt", "numpy\n--index-url https://host/simple", "===", "git+https://me:secret@host/x.git"] {
            let error = Requirement::list(bad).unwrap_err();
            assert_eq!(error.code, "bad-requirement", "{bad}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_are_masked() {
        for (text, masked) in [
            ("https://me:secret@host/simple", "https://****@host/simple"),
            ("a https://token@h/x b http://u:p@q:1/y", "a https://****@h/x b http://****@q:1/y"),
            ("x @ git+https://u:p@h/x.git@main", "x @ git+https://****@h/x.git@main"),
            ("'https://u:p@h'", "'https://****@h'"),
            ("https://host/a@b", "https://host/a@b"),
            ("nothing@here", "nothing@here"),
            ("git+ssh://git@h/x", "git+ssh://git@h/x"),
            ("git+ssh://git:p@h/x", "git+ssh://****@h/x"),
        ] {
            assert_eq!(mask_credentials(text), masked);
        }
        let shown = Requirement::parse(&request("git+https://u:p@h/x.git", false)).unwrap();
        assert!(!shown.shown().contains("u:p") && shown.line().contains("u:p"));
    }
}
