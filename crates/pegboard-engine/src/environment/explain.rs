//! What a tool's failure means, in our words: its own words become the detail.

use std::path::Path;

use pegboard_model::{Error, ErrorKind};

use super::files::disk_full;
use super::tool::Answer;

/// Most bytes of a tool's words that an error carries; the end is what matters.
const DETAIL_LIMIT: usize = 8 << 10;

const DISK_FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
const UNREACHED: [&str; 18] = [
    "error sending request for url",
    "client error (Connect)",
    "dns error",
    "tunnel error",
    "operation timed out",
    "Could not connect",
    "Could not resolve host",
    "Failed to connect to",
    "Couldn't connect to server",
    "NewConnectionError",
    "Failed to establish a new connection",
    "ConnectTimeoutError",
    "Temporary failure in name resolution",
    "Cannot connect to proxy",
    "Unable to connect to proxy",
    "Tunnel connection failed",
    "Failed to resolve '",
    "Network is unreachable",
];
/// pip's word for each attempt that failed, whatever the reason; it goes on, and in the end has found nothing.
const BROKEN_CONNECTION: &str = "after connection broken by";
const UNAUTHORIZED: [&str; 4] = ["401 Unauthorized", "403 Forbidden", "HTTP error 401", "HTTP error 403"];
const NOT_CACHED: [&str; 3] = ["the network was disabled", "Network connectivity is disabled", "was not found in the cache"];
const BUILD: [&str; 9] = [
    "Failed to build",
    "The build backend returned an error",
    "Failed to parse metadata from built wheel",
    "Invalid `pyproject.toml`",
    "does not appear to be a Python project",
    "subprocess-exited-with-error",
    "metadata-generation-failed",
    "Failed building wheel",
    "build-system.requires",
];
const UNREADABLE: [&str; 6] = [
    "Couldn't parse requirement",
    "wheel filename",
    "Invalid requirement",
    "is not a valid wheel filename",
    "Failed to parse:",
    "Failed to read `",
];
const ABSENT: [&str; 5] = [
    "was not found in the package registry",
    "there is no version of",
    "No matching distribution found for",
    "Distribution not found at",
    "HTTP status client error (404",
];
const IMPOSSIBLE: [&str; 3] = ["No solution found", "ResolutionImpossible", "conflicting dependencies"];

/// Why resolving or installing `shown` failed. `offline`: the tool was told not to use the network.
pub(super) fn failure(answer: &Answer, shown: &str, python_version: &str, offline: bool) -> Error {
    // pip explains itself on both streams.
    let words = if answer.stderr.contains("error: ") || answer.stdout.len() < 16 {
        answer.stderr.clone()
    } else {
        format!("{}\n{}", super::requirement::mask_credentials(&answer.stdout), answer.stderr)
    };
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let error = if has(&DISK_FULL) {
        disk_full(format!("the disk is full, so `{shown}` could not be installed"))
    } else if has(&UNREACHED) || (has(&[BROKEN_CONNECTION]) && has(&ABSENT)) {
        let reached = unreached(&words).map(|url| format!(" at `{url}`")).unwrap_or_default();
        Error::unavailable(
            "no-network",
            format!("`{shown}` needs packages that are not on this machine, and the package index{reached} cannot be reached"),
        )
        .hint("check the network, the proxy (`HTTPS_PROXY`) and the index URL, then try again: nothing was changed")
    } else if offline && (has(&NOT_CACHED) || has(&ABSENT)) {
        Error::unavailable(
            "no-network",
            format!("`{shown}` needs packages that are not on this machine, and the network is switched off"),
        )
        .hint("switch the network on for one installation, then try again: nothing was changed; what it fetches is kept for later ones")
    } else if has(&UNAUTHORIZED) {
        Error::invalid(
            "not-authorized",
            format!("`{shown}` needs something that its server does not give out without the right credentials"),
        )
        .hint("put user and password, or a token, into the URL of the index or of the package: they are used once and not kept")
    } else if has(&BUILD) {
        Error::new(ErrorKind::PluginFailed, "build-failed", format!("`{shown}` could not be built"))
            .hint("the package's `pyproject.toml` or its build code is at fault; the detail has the build's last words")
    } else if let Some(wanted) = wanted_python(&words) {
        Error::invalid(
            "python-too-old",
            format!("`{shown}` needs {wanted}, and environments are made with Python {python_version}"),
        )
        .hint("name a Python that fits with the setting `engine.python`")
    } else if has(&UNREADABLE) {
        Error::invalid("bad-requirement", format!("`{shown}` is not a requirement that can be understood"))
            .hint("give a name such as `my-plugin>=1.2`, a folder, a wheel, or a `git+https://…` URL")
    } else if has(&ABSENT) {
        let name = missing(&words).unwrap_or(shown);
        let message = if name == shown {
            format!("`{name}` was not found")
        } else {
            format!("`{name}`, which `{shown}` needs, was not found")
        };
        Error::not_found("requirement-not-found", message)
            .hint("check the spelling and the version, and name the package index that has it")
    } else if has(&IMPOSSIBLE) {
        Error::invalid("resolution-impossible", format!("no set of versions satisfies everything that `{shown}` asks for"))
            .hint("loosen the pins that the detail names")
    } else {
        Error::unavailable("install-failed", format!("`{shown}` could not be installed"))
            .hint("the detail has the installer's own words")
    };
    error.detail(tail(&words))
}

/// Why an empty environment could not be made.
pub(super) fn creation(answer: &Answer, directory: &Path) -> Error {
    let words = format!("{}{}", answer.stdout, answer.stderr);
    let error = if DISK_FULL.iter().any(|phrase| words.contains(phrase)) {
        disk_full(format!("the disk is full, so the environment `{}` could not be made", directory.display()))
    } else {
        Error::unavailable("environment-failed", format!("the environment `{}` could not be made", directory.display()))
            .hint("`pegboard doctor` shows whether the Python in use can make environments")
    };
    error.detail(tail(&words))
}

/// The last lines that fit.
fn tail(words: &str) -> String {
    let words = words.trim();
    if words.len() <= DETAIL_LIMIT {
        return words.to_owned();
    }
    let mut start = words.len() - DETAIL_LIMIT;
    while !words.is_char_boundary(start) {
        start += 1;
    }
    let start = words[start..].find('\n').map_or(start, |line| start + line + 1);
    format!("…\n{}", &words[start..])
}

fn token_after<'a>(words: &'a str, phrase: &str) -> Option<&'a str> {
    let rest = &words[words.find(phrase)? + phrase.len()..];
    rest.split_whitespace().next().map(|token| token.trim_matches(|c: char| matches!(c, '`' | ',' | '.' | '(' | ')')))
}

fn unreached(words: &str) -> Option<String> {
    let url = token_after(words, "Failed to fetch: ")?;
    let (scheme, rest) = url.split_once("://")?;
    Some(format!("{scheme}://{}", rest.split('/').next().unwrap_or(rest)))
}

fn missing(words: &str) -> Option<&str> {
    const REGISTRY: &str = " was not found in the package registry";
    if let Some(end) = words.find(REGISTRY) {
        return words[..end].split_whitespace().last();
    }
    token_after(words, "there is no version of ").or_else(|| token_after(words, "No matching distribution found for "))
}

fn wanted_python(words: &str) -> Option<String> {
    if let Some(wanted) = token_after(words, "does not satisfy Python") {
        return Some(format!("Python {wanted}"));
    }
    // pip: `Package 'x' requires a different Python: 3.11.7 not in '>=3.99'`.
    let rest = &words[words.find("requires a different Python: ")?..];
    Some(format!("Python {}", rest.split('\'').nth(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, offline: bool) -> Error {
        let answer = Answer { success: false, stdout: String::new(), stderr: stderr.to_owned() };
        failure(&answer, "thing", "3.11.7", offline)
    }

    #[test]
    fn words_get_their_code() {
        for (words, offline, code, part) in [
            ("error: x\n cause: No space left on device (os error 28)", false, "disk-full", "thing"),
            (
                "error: Request failed after 3 retries\n  cause: Failed to fetch: https://index.example/simple/six/\n  cause: dns error",
                false,
                "no-network",
                "https://index.example",
            ),
            (
                "error: a\n cause: Because six was not found in the cache and you require six, unsatisfiable",
                true,
                "no-network",
                "switched off",
            ),
            ("ERROR: No matching distribution found for six", true, "no-network", "switched off"),
            // pip, which wants the build backend first.
            (
                "  error: subprocess-exited-with-error\n  × installing build dependencies did not run successfully.\n \
                 WARNING: Retrying (Retry(total=0)) after connection broken by 'ReadTimeoutError(\"Read timed out.\")': /simple/uv-build/\n \
                 ERROR: No matching distribution found for uv_build<1,>=0.7",
                false,
                "no-network",
                "cannot be reached",
            ),
            (
                "  error: subprocess-exited-with-error\n WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError(\"Unable to \
                 connect to proxy\", OSError(\"Tunnel connection failed: 403 Forbidden\"))': /simple/uv-build/",
                false,
                "no-network",
                "cannot be reached",
            ),
            (
                "  error: subprocess-exited-with-error\n  ERROR: No matching distribution found for uv_build<1,>=0.7",
                true,
                "no-network",
                "switched off",
            ),
            (
                "WARNING: Retrying (Retry(total=1)) after connection broken by 'x'\n error: subprocess-exited-with-error\n SyntaxError",
                false,
                "build-failed",
                "thing",
            ),
            (
                "error: Failed to build `x`\n cause: No solution found: Because z was not found in the package registry",
                false,
                "build-failed",
                "thing",
            ),
            (
                "error: Failed to parse metadata from built wheel\n cause: Invalid `pyproject.toml`",
                false,
                "build-failed",
                "thing",
            ),
            (
                "error: No solution found\n cause: Because the current Python version (3.11.7) does not satisfy Python>=3.99 and x",
                false,
                "python-too-old",
                "Python >=3.99",
            ),
            ("ERROR: Package 'x' requires a different Python: 3.11.7 not in '>=3.99'", false, "python-too-old", "Python >=3.99"),
            ("error: Couldn't parse requirement in `plugin.in` at position 0", false, "bad-requirement", "thing"),
            (
                "error: No solution found\n cause: Because absent-one was not found in the package registry and thing==1 depends on it",
                false,
                "requirement-not-found",
                "`absent-one`, which `thing` needs",
            ),
            (
                "error: x\n cause: Because there is no version of six==99 and you require six==99",
                false,
                "requirement-not-found",
                "six==99",
            ),
            (
                "error: No solution found\n cause: Because you require six<1.0 and six>1.0",
                false,
                "resolution-impossible",
                "thing",
            ),
            (
                "error: Failed to fetch: `https://h/x`\n cause: HTTP status client error (401 Unauthorized)",
                false,
                "not-authorized",
                "credentials",
            ),
            ("error: something new", false, "install-failed", "thing"),
        ] {
            let error = check(words, offline);
            assert_eq!(error.code, code, "{words}");
            assert!(error.message.contains(part), "{error}");
            assert!(error.hint.is_some() && error.detail.is_some());
        }
    }

    #[test]
    fn a_long_story_keeps_its_end() {
        let error = check(&format!("error: {}\nthe end", "é line\n".repeat(5000)), false);
        let detail = error.detail.unwrap();
        assert!(detail.len() <= DETAIL_LIMIT + 16 && detail.ends_with("the end"), "{}", detail.len());
    }
}
