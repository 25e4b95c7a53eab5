//! The nouns of the catalog: artifacts that plugins make and people inspect, with their files, versions and lineage.

pub mod artifact;
pub mod file;
pub mod name;
