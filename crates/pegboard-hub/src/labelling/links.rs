//! Our own files: where they lie, and URLs that need no key.
//!
//! A file's permanent URL is `BASE/files/PROJECT/KIND/UNIQUE/NAME`. A link is that URL with one query parameter, `upload` or
//! `sig`, which holds when it ends and a signature of verb, path and end. Invariant: a path is made here and nowhere else, of parts
//! that are neither empty nor dots; so no name that a client gives leaves its folder.

use std::fmt::Write as _;
use std::time::Duration;

use pegboard_model::{Asset, Error, HubId, OWN_FILE, Timestamp, Project};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::{Labelling, now};

/// How long a link to read is good: about as long as the original's.
pub const READ_LIFETIME: Duration = Duration::from_secs(33 * 3600);
/// How long a link to write is good.
pub const WRITE_LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// What the path of every file begins with.
pub const PREFIX: &str = "/files/";
/// Longest name in bytes.
const LONGEST_NAME: usize = 200;
/// Characters of a name that stand in a URL as they are.
const PLAIN: &[u8] = b"-_.~!$&'()*+,;=@";

/// What a file is for: a folder of its project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// What is labelled.
    Asset,
    /// Pictures of what was painted.
    Brush,
    /// Volumes of what was painted.
    MedicalBrush,
    /// Results of export plugins.
    Export,
    /// For those who label.
    Instruction,
    /// Models for segmentation.
    SegmentationModel,
    /// Exports that the server wrote; deleted after a while.
    Written,
}

impl FileKind {
    const ALL: [Self; 7] =
        [Self::Asset, Self::Brush, Self::MedicalBrush, Self::Export, Self::Instruction, Self::SegmentationModel, Self::Written];

    /// As clients and paths name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "assets",
            Self::Brush => "brushes",
            Self::MedicalBrush => "medicalBrushes",
            Self::Export => "exports",
            Self::Instruction => "instructions",
            Self::SegmentationModel => "segmentationModels",
            Self::Written => "written",
        }
    }

    /// The kind that clients name so; `written` is not theirs to ask for.
    #[must_use]
    pub fn asked(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind != Self::Written && kind.as_str() == word)
    }
}

/// A place for a file: `PROJECT/KIND/UNIQUE/NAME`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePlace(String);

impl FilePlace {
    /// A new place; the name is the last part of what the client calls it.
    ///
    /// # Errors
    /// `file-name`.
    pub fn new(owner: HubId, kind: FileKind, name: &str) -> Result<Self, Error> {
        let name = file_name(name)?;
        Ok(Self(format!("{owner}/{}/{}/{name}", kind.as_str(), Uuid::new_v4().simple())))
    }

    /// A new place for a file that we write ourselves; its name begins with the time, so that old ones are found.
    pub(super) fn written(owner: HubId, name: &str, at: Timestamp) -> Result<Self, Error> {
        let (name, random) = (file_name(name)?, Uuid::new_v4().simple().to_string());
        Ok(Self(format!("{owner}/{}/{:016x}{}/{name}", FileKind::Written.as_str(), at.0.max(0), &random[..16])))
    }

    /// The place as it stands behind [`PREFIX`] in a URL's path, escaped or not; none when it is not one that was made here.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let decoded = decode(path)?;
        let parts: Vec<&str> = decoded.split('/').collect();
        let [owner, kind, unique, name] = parts[..] else { return None };
        let known = owner.parse::<HubId>().is_ok_and(|id| id.to_string() == owner)
            && FileKind::ALL.iter().any(|known| known.as_str() == kind)
            && unique.len() == 32
            && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
            && file_name(name).is_ok_and(|same| same == name);
        known.then(|| Self(decoded.clone()))
    }

    /// As it is stored in records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Key of the object.
    #[must_use]
    pub fn key(&self) -> String {
        format!("files/{}", self.0)
    }

    /// The project, or the organization, that it belongs to.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// What the client called it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    fn path(&self) -> String {
        let mut path = String::with_capacity(self.0.len() + PREFIX.len());
        path.push_str(PREFIX);
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'/' || PLAIN.contains(&byte) {
                path.push(char::from(byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
        path
    }
}

/// What a link allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkVerb {
    /// GET.
    Read,
    /// PUT.
    Write,
}

impl LinkVerb {
    /// The link's query parameter.
    #[must_use]
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Read => "sig",
            Self::Write => "upload",
        }
    }
}

impl Labelling {
    /// A link to the place, good for its lifetime. `base` is `http://host:port`, without a slash at the end.
    #[must_use]
    pub fn link(&self, base: &str, place: &FilePlace, verb: LinkVerb) -> String {
        let lifetime = match verb {
            LinkVerb::Read => READ_LIFETIME,
            LinkVerb::Write => WRITE_LIFETIME,
        };
        let end = now().0 / 1_000_000 + lifetime.as_secs().cast_signed();
        let signature = self.sign(place, verb, end);
        format!("{base}{}?{}={end}.{signature}", place.path(), verb.parameter())
    }

    /// Whether a link's query value allows this; false also when it is over.
    #[must_use]
    pub fn allows(&self, place: &FilePlace, verb: LinkVerb, value: &str) -> bool {
        let Some((end, signature)) = value.split_once('.') else { return false };
        let Ok(end) = end.parse::<i64>() else { return false };
        let expected = self.sign(place, verb, end);
        let same: bool = expected.as_bytes().ct_eq(signature.as_bytes()).into();
        same && end > now().0 / 1_000_000
    }

    /// What a record keeps of a URL: our own files by their place, everything else as it is. `base` is where the caller reached us.
    #[must_use]
    pub fn recognise(&self, base: &str, project: &Project, url: &str) -> String {
        match self.own(base, url) {
            Some(place) if [project.id, project.organization].iter().any(|owner| place.owner() == owner.to_string()) => {
                format!("{OWN_FILE}{}", place.as_str())
            }
            _ => url.to_owned(),
        }
    }

    /// The place that a URL of ours names.
    #[must_use]
    pub fn own(&self, base: &str, url: &str) -> Option<FilePlace> {
        let rest = url.strip_prefix(base).or_else(|| same_server(base, url))?;
        let path = rest.strip_prefix(PREFIX)?;
        FilePlace::from_path(path.split(['?', '#']).next().unwrap_or_default())
    }

    /// What a client gets for stored data: a link to a file of ours, everything else as it is.
    #[must_use]
    pub fn shown(&self, base: &str, data: &str) -> String {
        match data.strip_prefix(OWN_FILE).and_then(FilePlace::from_path) {
            Some(place) => self.link(base, &place, LinkVerb::Read),
            None => data.to_owned(),
        }
    }

    /// Where an asset's data can be fetched, or the text itself.
    #[must_use]
    pub fn data_url(&self, base: &str, asset: &Asset) -> String {
        self.shown(base, &asset.data)
    }

    fn sign(&self, place: &FilePlace, verb: LinkVerb, end: i64) -> String {
        self.keyring().signature("link", &format!("{}\n{}\n{end}", verb.parameter(), place.as_str()))
    }
}

/// `http://localhost:1/x` is on the same server as `http://127.0.0.1:1`: the rest of it.
fn same_server<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    let (scheme, after) = url.split_once("://")?;
    let (base_scheme, base_authority) = base.split_once("://")?;
    let authority = after.split('/').next()?;
    let host = |authority: &str| -> Option<String> {
        let (name, port) = authority.rsplit_once(':')?;
        let loopback = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        Some(format!("{}:{port}", if loopback { "loopback" } else { name }))
    };
    (scheme == base_scheme && host(authority)? == host(base_authority)?).then(|| &after[authority.len()..])
}

/// The last part of a name that a client gave. Parts that climb, and what no file system should see, are refused.
fn file_name(name: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Error::invalid("file-name", format!("`{}` cannot be the name of a file: {why}", name.escape_default()))
            .hint("use a plain name, such as `a.png`")
    };
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Err(wrong("it holds a backslash or a control character"));
    }
    if name.split('/').any(|part| part == "." || part == "..") {
        return Err(wrong("it leaves its folder"));
    }
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.is_empty() || last.len() > LONGEST_NAME {
        return Err(wrong("it is empty, or longer than 200 bytes"));
    }
    Ok(last.to_owned())
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_climb_are_refused() {
        for (name, expected) in [
            ("a.png", Some("a.png")),
            ("64e5b8f1a2c3d4e5f6012345/exports/P 1.zip", Some("P 1.zip")),
            ("größe?.png", Some("größe?.png")),
            ("...", Some("...")),
            ("", None),
            ("..", None),
            ("../x", None),
            ("a/../x", None),
            ("a/..", None),
            ("a\\b", None),
            ("a\0", None),
            ("a/", None),
        ] {
            assert_eq!(file_name(name).ok().as_deref(), expected, "{name:?}");
        }
        assert!(file_name(&"x".repeat(201)).is_err());
    }

    #[test]
    fn paths_come_back_from_urls() {
        let owner = HubId::random();
        let place = FilePlace::new(owner, FileKind::Asset, "größe 100%?#.png").unwrap();
        let path = place.path();
        assert!(!path.contains(['?', '#', ' ']), "{path}");
        assert_eq!(FilePlace::from_path(path.strip_prefix(PREFIX).unwrap()), Some(place.clone()));
        assert_eq!(FilePlace::from_path(place.as_str()).as_ref().map(FilePlace::owner), None, "a bare `%` is not an escape");
        let unique = "0".repeat(32);
        for bad in [
            String::new(),
            "x".to_owned(),
            format!("{owner}/assets/{unique}/.."),
            format!("{owner}/assets/{unique}/%2E%2E"),
            format!("{owner}/assets/{unique}/a%2Fb"),
            format!("{owner}/assets/../{unique}"),
            format!("{owner}/cellar/{unique}/a"),
            format!("x/assets/{unique}/a"),
            format!("{owner}/assets/{unique}/%ff"),
            format!("{owner}/assets/{unique}/%f"),
        ] {
            assert_eq!(FilePlace::from_path(&bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_has_many_names() {
        for (base, url, rest) in [
            ("http://127.0.0.1:1", "http://localhost:1/files/x", Some("/files/x")),
            ("http://127.0.0.1:1", "http://localhost:2/files/x", None),
            ("http://127.0.0.1:1", "https://localhost:1/files/x", None),
            ("http://hub:1", "http://evil:1/files/x", None),
        ] {
            assert_eq!(same_server(base, url), rest, "{url}");
        }
    }
}
