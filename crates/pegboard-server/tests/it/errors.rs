//! `docs/errors.md` has every code that the sources can give, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::root;

/// Everything between back quotes in the first column of the tables of codes.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let codes = rows.flat_map(|row| row.split(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned));
    codes.collect()
}

fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && path.file_name().is_none_or(|name| name != "tests.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            found.push_str(text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text));
        }
    }
}

fn all_sources() -> String {
    let mut text = String::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut text);
    }
    text
}

/// Literals that stand where an error's constructor takes its code.
fn given(text: &str) -> BTreeSet<String> {
    const CONSTRUCTORS: &[&str] = &["::invalid(", "::not_found(", "::conflict(", "::unavailable(", "::internal(", "ErrorKind::"];
    let mut codes = BTreeSet::new();
    for constructor in CONSTRUCTORS {
        for (position, _) in text.match_indices(constructor) {
            let mut rest = &text[position + constructor.len()..];
            if *constructor == "ErrorKind::" {
                // The kind's name, then a comma: else it is a pattern or a comparison.
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
                let Some(after) = rest.strip_prefix(',') else { continue };
                rest = after;
            }
            let Some(literal) = rest.trim_start().strip_prefix('"') else { continue };
            let code = literal.split('"').next().unwrap_or_default();
            let kebab = !code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if kebab {
                codes.insert(code.to_owned());
            }
        }
    }
    codes
}

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let text = all_sources();
    let (given, documented) = (given(&text), documented());
    assert!(given.len() > 50, "the sources were not read: {given:?}");
    let missing: Vec<_> = given.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    let gone: Vec<_> = documented.iter().filter(|code| !text.contains(&format!("\"{code}\""))).collect();
    assert!(gone.is_empty(), "docs/errors.md names codes that nobody gives: {gone:?}");
}

/// Keys of the settings' reference.
fn settings() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// What stands between back quotes and looks like a setting, or is called one.
fn named_settings(text: &str) -> BTreeSet<String> {
    const SECTIONS: [&str; 6] = ["server.", "store.", "engine.", "flow.", "hub.", "log."];
    let mut named = BTreeSet::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split('`').collect();
        for (position, part) in parts.iter().enumerate().skip(1).step_by(2) {
            let is_key = part.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.') && !part.ends_with(['.', '_']);
            let is_called = parts[position - 1].ends_with("the setting ") && !part.is_empty() && !part.contains(' ');
            if is_called || (is_key && SECTIONS.iter().any(|section| part.starts_with(section))) {
                named.insert((*part).to_owned());
            }
        }
    }
    named
}

#[test]
fn every_setting_that_a_message_names_exists() {
    // The key file of the data directory.
    const NO_SETTINGS: [&str; 1] = ["hub.key"];
    let (named, there) = (named_settings(&all_sources()), settings());
    assert!(there.len() > 30 && named.contains("engine.cpu_time"), "{there:?} {named:?}");
    let absent: Vec<_> = named.difference(&there).filter(|name| !NO_SETTINGS.contains(&name.as_str())).collect();
    assert!(absent.is_empty(), "sources name settings that do not exist: {absent:?}");
    assert!(named_settings("raise the setting `cpu_seconds`, or `engine.cpu_seconds`").len() == 2);
}
