//! Signing in by another server.
