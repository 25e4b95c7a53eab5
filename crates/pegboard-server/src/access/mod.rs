//! The door: who comes in, and what each may do.
//!
//! A route can only be added together with who may ask for it ([`Routes`]); the `gate` lies around all of them, finds out who asks and
//! compares. What a handler learns of it is an [`Identity`]; handlers of what belongs to an organization take [`Here`], which looks
//! only at what is the caller's. While sign-in is not needed (see `server.sign_in`), everybody on this machine is the first admin.
//!
//! Invariants: a route that is not in the table is refused; a token, a key, a link and a password are kept as hashes only and
//! compared in constant time; a cookie alone changes nothing, it needs a token that only our own pages know.
//!
//! Reading order: `rule`, `routes`, `gate`, `credentials`, `identity`, `here`; `accounts` over `password`, `throttle`, `token`;
//! `openid` over `id_token`; `audit`; `streams`.

mod accounts;
mod audit;
mod client;
mod cookie;
mod credentials;
mod gate;
mod here;
mod id_token;
mod identity;
mod local;
mod openid;
mod origin;
mod password;
mod routes;
mod rule;
mod streams;
mod throttle;
mod token;

pub(crate) use accounts::{Accounts, Issued, Refusal};
pub(crate) use audit::Audit;
pub(crate) use client::Client;
pub(crate) use cookie::{clear_cookie, session_cookie};
pub(crate) use credentials::Credentials;
pub(crate) use gate::{Found, Gate, gate, inner_gate};
pub(crate) use here::Here;
pub(crate) use identity::{How, Identity};
pub use local::{LOCAL_KEY_FILE, LocalKeys, local_key};
pub(crate) use openid::{Openid, Returned, begin as begin_openid, finish as finish_openid};
pub use routes::Route;
pub(crate) use routes::{Routes, delete, get, post, put};
pub use rule::{Access, Realm};
