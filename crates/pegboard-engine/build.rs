//! Builds again when a file of the embedded Python host appears, changes or goes. A debug build reads the files when it runs.

fn main() {
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo::rerun-if-changed={}", if release { "../../python/src" } else { "build.rs" });
}
