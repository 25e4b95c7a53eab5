//! What we answer otherwise than the recorded server. `docs/compat/flowdapt.md` says why, row by row.

/// One step of a scenario that is answered otherwise.
pub(super) struct Difference {
    pub(super) scenario: &'static str,
    /// The step's label, or its beginning.
    pub(super) label: &'static str,
    pub(super) instead: Instead,
}

/// What is answered instead.
pub(super) enum Instead {
    /// A refusal with this status and these words.
    Refused(u16, &'static str),
    /// A refusal with this status in the form of our own API.
    Elsewhere(u16),
    /// It is accepted; a resource that it made is removed again.
    Accepted,
    /// The body has these values (JSON) at these places.
    Fields(&'static [(&'static str, &'static str)]),
}

impl Difference {
    pub(super) fn is_of(&self, scenario: &str, label: &str) -> bool {
        self.scenario == scenario && label.starts_with(self.label)
    }
}

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[
    difference("01", "status", Instead::Fields(&[("/database", "\"pegboard.store.SQLite\"")])),
    difference("01", "flowctl status", Instead::Fields(&[("/database", "\"pegboard.store.SQLite\"")])),
    difference("02", "GET workflow: neither header nor Accept", Instead::Accepted),
    difference("02", "config create with schema version v1alpha2", Instead::Accepted),
    difference("02", "config list with schema version v1alpha2", Instead::Accepted),
    difference("03", "flowctl patch workflow hello", Instead::Fields(&[("/metadata/annotations", "\"<ANY>\"")])),
    difference("03", "flowctl delete workflow hello2", Instead::Fields(&[("/metadata/annotations", "\"<ANY>\"")])),
    difference("07", "flowctl get plugins", Instead::Fields(&[("/0/metadata/url", "\"https://example.com/probe\"")])),
    difference(
        "07",
        "flowctl get plugin flowdapt-probe-plugin",
        Instead::Fields(&[("/metadata/url", "\"https://example.com/probe\"")]),
    ),
    difference("07", "flowctl inspect plugin", Instead::Fields(&[("/metadata/url", "\"https://example.com/probe\"")])),
    difference("07", "download by sub path", Instead::Accepted),
    difference("08", "bad max_length", Instead::Refused(400, "query.max_length")),
    difference("08", "bad start_time", Instead::Refused(400, "query.start_time")),
    difference("09", "status", Instead::Fields(&[("/database", "\"pegboard.store.SQLite\"")])),
    difference("10", "plugin list", Instead::Fields(&[("/0/metadata/url", "\"https://example.com/probe\"")])),
    difference("10", "plugin get", Instead::Fields(&[("/metadata/url", "\"https://example.com/probe\"")])),
    difference("11", "bad JSON", Instead::Refused(400, "not JSON")),
    difference("11", "array", Instead::Refused(400, "valid dictionary")),
    difference("11", "accepted: wrong kind", Instead::Fields(&[("/kind", "\"workflow\"")])),
    difference("11", "cleanup", Instead::Fields(&[("/kind", "\"workflow\"")])),
    difference("11", "run body is a list", Instead::Refused(400, "valid dictionary")),
    difference("11", "run body is a string", Instead::Refused(400, "valid dictionary")),
    difference("11", "run body bad JSON", Instead::Refused(400, "not JSON")),
    difference("11", "bad wait", Instead::Refused(400, "query.wait")),
    difference("11", "bad limit", Instead::Refused(400, "query.limit")),
    difference("13", "accepted: unknown operator", Instead::Refused(400, "xor")),
    difference("14", "unknown path", Instead::Refused(404, "Not Found")),
    difference("14", "there is no /api prefix", Instead::Elsewhere(404)),
    difference("14", "wrong method", Instead::Refused(405, "Method Not Allowed")),
    difference("14", "HEAD is not served", Instead::Accepted),
];

const fn difference(scenario: &'static str, label: &'static str, instead: Instead) -> Difference {
    Difference { scenario, label, instead }
}
