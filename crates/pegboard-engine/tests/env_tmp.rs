#[path = "it/environment.rs"]
mod environment;
