//! Every remote plugin.

#![forbid(unsafe_code)]
