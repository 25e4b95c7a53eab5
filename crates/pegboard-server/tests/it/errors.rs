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
