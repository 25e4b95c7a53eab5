//! The Python side's own tests, run by `cargo test` so that one command runs everything: ruff, mypy and pytest over `python/`,
//! pytest over the examples with the compatibility packages installed as plugin environments have them, and over what
//! `benches/` does with its figures.
//!
//! The tools go into a virtual environment below the target directory, made once and whenever the list of tools changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders below the root").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test drives the tools as a developer would")]
fn run(program: &Path, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("PYTHONPATH")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}; these tests need Python 3.10 or newer", program.display()));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {} failed in {}:\n{text}", program.display(), arguments.join(" "), folder.display());
    text
}

/// Development tools that `python/pyproject.toml` lists in its group `dev`.
fn tools() -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("python/pyproject.toml")).unwrap().parse().unwrap();
    manifest["dependency-groups"]["dev"].as_array().unwrap().iter().map(|tool| tool.as_str().unwrap().to_owned()).collect()
}

/// Folder of the environment's programs; made on first use.
fn environment() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let folder = root().join("target/python-tests");
        let programs = folder.join("bin");
        let (marker, tools) = (folder.join("made-of"), tools());
        if fs::read_to_string(&marker).ok().as_deref() != Some(tools.join("\n").as_str()) {
            let _ = fs::remove_dir_all(&folder);
            let folder_text = folder.to_string_lossy().into_owned();
            run(Path::new("python3"), &["-m", "venv", &folder_text], &root());
            let mut arguments = vec!["-m", "pip", "install", "--quiet"];
            arguments.extend(tools.iter().map(String::as_str));
            run(&programs.join("python"), &arguments, &root());
            fs::write(&marker, tools.join("\n")).unwrap();
        }
        programs
    })
}

#[test]
fn sources_are_linted_and_typed() {
    let folder = root().join("python");
    run(&environment().join("ruff"), &["check", "."], &folder);
    run(&environment().join("ruff"), &["format", "--check", "."], &folder);
    run(&environment().join("mypy"), &["src"], &folder);
}

#[test]
fn pytest_passes() {
    let report = run(&environment().join("python"), &["-m", "pytest", "-q", "-p", "no:cacheprovider"], &root().join("python"));
    assert!(report.contains(" passed"), "{report}");
}

#[test]
fn the_benchmarks_are_linted_and_their_own_tests_pass() {
    let folder = root().join("benches");
    run(&environment().join("ruff"), &["check", "."], &folder);
    run(&environment().join("ruff"), &["format", "--check", "."], &folder);
    let report = run(&environment().join("python"), &["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], &folder);
    assert!(report.contains(" passed"), "{report}");
}

#[test]
fn the_examples_pass_their_own_tests_on_the_compatibility_packages() {
    let python = environment().join("python");
    let wheels = root().join("target/python-tests/wheels");
    fs::create_dir_all(&wheels).unwrap();
    let (source, wheels_text) = (root().join("python/src"), wheels.to_string_lossy().into_owned());
    let script = source.join("pegboard/_wheel.py");
    let answer = run(&python, &["-I", &script.to_string_lossy(), &source.to_string_lossy(), &wheels_text], &root());
    assert!(answer.contains("flowdapt"), "{answer}");
    let files: Vec<String> =
        fs::read_dir(&wheels).unwrap().map(|entry| entry.unwrap().path().to_string_lossy().into_owned()).collect();
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps"];
    arguments.extend(files.iter().map(String::as_str));
    run(&python, &arguments, &root());
    let example = root().join("examples/digits-and-wine");
    run(&python, &["-m", "pip", "install", "--quiet", &example.to_string_lossy()], &root());
    let report =
        run(&python, &["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:dash", "tests"], &example);
    assert!(report.contains(" passed"), "{report}");
    let panels = root().join("examples/dashboard");
    let configuration = root().join("python/pyproject.toml").to_string_lossy().into_owned();
    run(&environment().join("ruff"), &["check", "--config", &configuration, "."], &panels);
    run(&environment().join("ruff"), &["format", "--check", "--config", &configuration, "."], &panels);
    let report =
        run(&python, &["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:dash", "tests"], &panels);
    assert!(report.contains(" passed"), "{report}");
}
