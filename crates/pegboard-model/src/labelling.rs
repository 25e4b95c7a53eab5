//! The nouns of labelling: who may do it, projects with their classes and stages, assets, tasks, answers, issues, storages.
//!
//! Parts of a category schema and of an answer stay JSON: clients add keys of their own, and what is sent comes back whole.

pub mod access;
pub mod asset;
pub mod issue;
pub mod project;
pub mod stage;
pub mod storage;
pub mod task;
