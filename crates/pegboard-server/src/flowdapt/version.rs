//! Which version of which kind an answer has (specification, section 7.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::answer::Refused;

const HEADER: &str = "x-api-version";
const VENDOR: &str = "application/vnd.flowdapt.ai.";

/// What an endpoint is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Workflow,
    WorkflowRun,
    Config,
    TriggerRule,
    Plugin,
    PluginFiles,
    System,
    Metrics,
}

/// A version of the wire format. The two differ in nothing that is answered: the later one's flag `spec.new` is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    V1Alpha1,
    V1Alpha2,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::WorkflowRun => "workflow_run",
            Self::Config => "config",
            Self::TriggerRule => "trigger_rule",
            Self::Plugin => "plugin",
            Self::PluginFiles => "plugin.files",
            Self::System => "system",
            Self::Metrics => "metrics",
        }
    }

    /// `application/vnd.flowdapt.ai.<kind>.<version>+json`.
    pub(super) fn media_type(self, version: &str) -> String {
        format!("{VENDOR}{}.{version}+json", self.as_str())
    }

    fn supported(self, version: &str) -> Option<Version> {
        match (self, version) {
            (_, "v1alpha1") => Some(Version::V1Alpha1),
            // Early clients create configs with it.
            (Self::Config, "v1alpha2") => Some(Version::V1Alpha2),
            _ => None,
        }
    }
}

impl Version {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V1Alpha1 => "v1alpha1",
            Self::V1Alpha2 => "v1alpha2",
        }
    }
}

/// The version to answer with: from the header, else the first supported one of `Accept`, else the current one.
pub(super) fn negotiate(kind: Kind, headers: &HeaderMap) -> Result<Version, Refused> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut requested = Vec::new();
    match text(HEADER).filter(|value| !value.is_empty()) {
        Some(value) => {
            let version = value.strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix('.')).and_then(leading_version);
            requested.push(version.ok_or_else(|| Refused::bad("Invalid API version header"))?.to_owned());
        }
        None => {
            let accept = text(ACCEPT.as_str()).unwrap_or_default();
            requested.extend(accept.split(',').filter_map(|range| accepted(kind, range)).map(str::to_owned));
        }
    }
    if requested.is_empty() {
        return Ok(Version::V1Alpha1);
    }
    requested.iter().find_map(|version| kind.supported(version)).ok_or_else(|| {
        let quoted: Vec<_> = requested.iter().map(|version| format!("'{version}'")).collect();
        Refused::bad(format!("Unsupported API Versions requested {{{}}}", quoted.join(", ")))
    })
}

/// The version in one media range, when it is of this kind.
fn accepted(kind: Kind, range: &str) -> Option<&str> {
    let media_type = range.split(';').next().unwrap_or_default().trim();
    let rest = media_type.strip_prefix(VENDOR)?.strip_prefix(kind.as_str())?.strip_prefix('.')?.strip_suffix("+json")?;
    leading_version(rest).filter(|version| version.len() == rest.len())
}

/// `v`, digits, and perhaps `alpha`, `beta` or `.` with digits, at the beginning of `text`.
fn leading_version(text: &str) -> Option<&str> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    text.starts_with('v').then_some(())?;
    let major = 1 + digits(1);
    if major == 1 {
        return None;
    }
    for word in ["alpha", "beta", "."] {
        if text[major..].starts_with(word) {
            let from = major + word.len();
            return Some(if digits(from) > 0 { &text[..from + digits(from)] } else { &text[..major] });
        }
    }
    Some(&text[..major])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_in_their_order() {
        let vendor = |rest: &str| format!("application/vnd.flowdapt.ai.{rest}+json");
        for (kind, header, accept, expected) in [
            (Kind::Workflow, None, None, Some("v1alpha1")),
            (Kind::Workflow, Some("workflow.v1alpha1"), None, Some("v1alpha1")),
            (Kind::Workflow, Some("workflow.v1alpha1; more"), None, Some("v1alpha1")),
            (Kind::Workflow, Some("workflow.v1alpha2"), None, None),
            (Kind::Workflow, Some("v1alpha1"), None, None),
            (Kind::Workflow, Some("workflow_run.v1alpha1"), None, None),
            (Kind::WorkflowRun, Some("workflow_run.v1alpha1"), None, Some("v1alpha1")),
            (Kind::Workflow, Some(""), Some("*/*".to_owned()), Some("v1alpha1")),
            (Kind::Workflow, Some(""), Some(vendor("workflow.v9")), None),
            (Kind::Workflow, None, Some(vendor("config.v9")), Some("v1alpha1")),
            (
                Kind::Workflow,
                None,
                Some(format!("{}, {};q=0.1", vendor("workflow.v2"), vendor("workflow.v1alpha1"))),
                Some("v1alpha1"),
            ),
            (Kind::Config, None, Some(vendor("config.v1alpha2")), Some("v1alpha2")),
            (Kind::Plugin, None, Some(vendor("plugin.files.v9")), Some("v1alpha1")),
            (Kind::PluginFiles, Some("plugin.files.v1alpha1"), None, Some("v1alpha1")),
        ] {
            let mut headers = HeaderMap::new();
            header.map(|value| headers.insert(HEADER, value.parse().unwrap()));
            accept.as_ref().map(|value| headers.insert(ACCEPT, value.parse().unwrap()));
            let found = negotiate(kind, &headers).ok().map(Version::as_str);
            assert_eq!(found, expected, "{kind:?} {header:?} {accept:?}");
        }
    }

    #[test]
    fn versions_are_read_from_the_beginning() {
        for (text, version) in [
            ("v1", Some("v1")),
            ("v1alpha1", Some("v1alpha1")),
            ("v2beta10x", Some("v2beta10")),
            ("v1.2", Some("v1.2")),
            ("v1alpha", Some("v1")),
            ("v", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(leading_version(text), version, "{text}");
        }
    }
}
