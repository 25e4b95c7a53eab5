//! The rules of the house, checked by a machine: arrows between crates, which room uses which third-party crate, file
//! sizes, `unsafe`, processes, and that every path a document names exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may depend on whom. Everything else is an error.
const ARROWS: &[(&str, &[&str])] = &[
    ("pegboard-model", &[]),
    ("pegboard-protocol", &[]),
    ("pegboard-store", &["pegboard-model"]),
    ("pegboard-engine", &["pegboard-model", "pegboard-protocol"]),
    ("pegboard-flow", &["pegboard-model", "pegboard-store"]),
    ("pegboard-hub", &["pegboard-model", "pegboard-store"]),
    ("pegboard-server", &["pegboard-model", "pegboard-store", "pegboard-engine", "pegboard-flow", "pegboard-hub"]),
];

/// Third-party crates that belong to certain rooms. A crate that is not listed may be used anywhere.
const ROOMS: &[(&str, &[&str])] = &[
    ("tokio", &["pegboard-store", "pegboard-engine", "pegboard-flow", "pegboard-hub", "pegboard-server"]),
    ("rusqlite", &["pegboard-store"]),
    ("tokio-postgres", &["pegboard-store"]),
    ("object_store", &["pegboard-store"]),
    ("rustix", &["pegboard-engine"]),
    ("libc", &["pegboard-engine"]),
    ("serde-saphyr", &["pegboard-flow"]),
    ("axum", &["pegboard-hub", "pegboard-server"]),
    ("tower-http", &["pegboard-server"]),
    ("clap", &["pegboard-server"]),
    ("indicatif", &["pegboard-server"]),
    ("comfy-table", &["pegboard-server"]),
    ("minijinja", &["pegboard-server"]),
    ("reqwest", &["pegboard-store", "pegboard-hub", "pegboard-server"]),
    ("anyhow", &["pegboard-server"]),
];

/// Files that look at the variables which a child process inherits: where to find programs, and what its user set already.
const INHERITED: &[&str] = &[
    "crates/pegboard-engine/src/environment/python.rs",
    "crates/pegboard-engine/src/spawn.rs",
    "crates/pegboard-engine/src/zygote.rs",
];

/// Longest file in lines, tests apart.
const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders below the root").to_owned()
}

/// Files below `folder` with one of these endings, build products left out.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    const LEFT_OUT: &[&str] = &["target", ".git", "__pycache__", "node_modules", ".venv", "pegboard-data"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !LEFT_OUT.contains(&name.as_str()) && !name.ends_with(".egg-info") {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Direct dependencies by crate, development ones apart.
fn dependencies() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    files(&root().join("crates"), &["Cargo.toml"])
        .iter()
        .map(|path| {
            let manifest: toml::Table = read(path).parse().unwrap();
            let names = |table: &str| {
                manifest.get(table).and_then(|t| t.as_table()).map(|t| t.keys().cloned().collect()).unwrap_or_default()
            };
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            (name, (names("dependencies"), names("dev-dependencies")))
        })
        .collect()
}

/// The part of a Rust file before its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn arrows_between_crates_go_one_way() {
    let found = dependencies();
    assert_eq!(found.len(), ARROWS.len(), "a crate is missing from ARROWS, or gone");
    let mut problems = Vec::new();
    for (name, (normal, _)) in &found {
        let allowed = ARROWS.iter().find(|(crate_name, _)| crate_name == name).map_or(&[][..], |(_, allowed)| allowed);
        for dependency in normal.iter().filter(|d| d.starts_with("pegboard-")) {
            if !allowed.contains(&dependency.as_str()) {
                problems.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    report(problems);
}

#[test]
fn third_party_crates_stay_in_their_rooms() {
    let mut problems = Vec::new();
    for (name, (normal, _)) in &dependencies() {
        for (dependency, rooms) in ROOMS {
            if normal.iter().any(|d| d == dependency) && !rooms.contains(&name.as_str()) {
                problems.push(format!("{name} must not use {dependency}: it belongs to {}", rooms.join(", ")));
            }
        }
    }
    report(problems);
}

#[test]
fn the_command_line_is_the_binarys_alone() {
    let library = files(&root().join("crates/pegboard-server/src"), &[".rs"]);
    let problems = library
        .iter()
        .filter(|path| !relative(path).contains("/bin/"))
        .filter(|path| ["clap::", "indicatif::", "comfy_table::", "anyhow::"].iter().any(|word| read(path).contains(word)))
        .map(|path| format!("{}: words for the operator belong to src/bin", relative(path)))
        .collect();
    report(problems);
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), &[".rs"]).into_iter().chain(files(&root().join("python/src"), &[".py"])) {
        let text = read(&path);
        let (name, lines) = (relative(&path), without_tests(&text).lines().count());
        let most = if name.ends_with("/src/lib.rs") { 80 } else { LONGEST_FILE };
        if !name.contains("/tests/") && lines > most {
            problems.push(format!("{name}: {lines} lines, at most {most}"));
        }
    }
    report(problems);
}

#[test]
fn every_rust_file_says_what_it_is() {
    let problems = files(&root().join("crates"), &[".rs"])
        .iter()
        .filter(|path| !read(path).starts_with("//!"))
        .map(|path| format!("{}: begins without a `//!` comment", relative(path)))
        .collect();
    report(problems);
}

#[test]
fn unsafe_code_lives_in_two_places() {
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), &[".rs"]) {
        let (name, text) = (relative(&path), read(&path));
        let allowed = ["process.rs", "spawn/process.rs"].iter().any(|file| name == format!("crates/pegboard-engine/src/{file}"));
        if !allowed
            && ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word))
            && !name.ends_with("tidy.rs")
        {
            problems.push(format!("{name}: `unsafe` belongs to the engine's `process` and `spawn/process`"));
        }
    }
    report(problems);
}

#[test]
fn one_file_starts_processes() {
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), &[".rs"]) {
        let (name, text) = (relative(&path), read(&path));
        let library = name.contains("/src/") && name != "crates/pegboard-engine/src/spawn.rs";
        if library && without_tests(&text).contains("Command::new(") && !name.contains("/src/bin/") {
            problems.push(format!("{name}: only `pegboard-engine/src/spawn.rs` starts processes"));
        }
    }
    report(problems);
}

#[test]
fn the_environment_is_read_in_one_place() {
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), &[".rs"]) {
        let (name, text) = (relative(&path), read(&path));
        let allowed = name.starts_with("crates/pegboard-server/src/config/")
            || INHERITED.contains(&name.as_str())
            || name.ends_with("/build.rs")
            || name.contains("/tests/")
            || name.contains("/examples/");
        if !allowed
            && ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("].iter().any(|word| without_tests(&text).contains(word))
        {
            problems.push(format!("{name}: settings come from `pegboard-server/src/config`"));
        }
    }
    report(problems);
}

#[test]
fn documents_name_only_paths_that_exist() {
    const FOLDERS: &[&str] = &["crates/", "python/", "docs/", "fixtures/", "examples/", "benches/", ".ci/", "changelog.d/"];
    let mut problems = Vec::new();
    for document in files(&root(), &[".md"]) {
        let mut fenced = false;
        for (number, line) in read(&document).lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            let separator = if fenced { ' ' } else { '`' };
            for word in line.split(separator).map(|word| word.trim_matches(|c: char| "(),;:".contains(c))) {
                let path = word.split(['#', ':']).next().unwrap_or(word).trim_start_matches("./");
                let is_path =
                    FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains(['*', '<', '{', '…', ' ', '$']);
                if is_path && !root().join(path).exists() {
                    problems.push(format!("{}:{}: `{path}` does not exist", relative(&document), number + 1));
                }
            }
        }
    }
    report(problems);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for document in files(&root(), &[".md"]) {
        for (number, line) in read(&document).lines().enumerate() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#']).next().unwrap_or_default();
                let local =
                    !target.is_empty() && !target.contains("://") && !target.starts_with('/') && !target.starts_with("mailto:");
                if local && !document.parent().unwrap().join(target).exists() {
                    problems.push(format!("{}:{}: link to `{target}` leads nowhere", relative(&document), number + 1));
                }
            }
        }
    }
    report(problems);
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> Vec<String> {
        files(&root().join("crates/pegboard-store/src").join(folder), &[".sql"])
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert!(!sqlite.is_empty(), "no migrations found");
    assert_eq!(sqlite, postgres);
}

#[test]
fn the_project_names_no_machine() {
    let places = ["/ro", "/wo", "/ho"].map(|start| match start {
        "/ro" => format!("{start}ot/"),
        "/wo" => format!("{start}rk/main"),
        _ => format!("{start}me/"),
    });
    let problems = files(&root(), &[".rs", ".py", ".md", ".toml", ".yaml", ".yml", ".json", ".html", ".js", ".css", "run"])
        .iter()
        .filter(|path| !relative(path).ends_with("tidy.rs"))
        .flat_map(|path| {
            let text = read(path);
            places
                .iter()
                .filter(|place| text.contains(place.as_str()))
                .map(|place| format!("{}: names `{place}`", relative(path)))
                .collect::<Vec<_>>()
        })
        .collect();
    report(problems);
}
