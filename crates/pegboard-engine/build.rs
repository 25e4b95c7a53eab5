//! Builds again when a file of the embedded Python host appears, changes or goes. A debug build reads the files when it runs.

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() {
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo::rerun-if-changed={}", if release { "../../python/src" } else { "build.rs" });
}
