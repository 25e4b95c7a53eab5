//! Flowdapt's REST dialect: its clients cannot tell this server from theirs, except where theirs is worse.
//!
//! Paths have no prefix and answers carry versioned media types. Every refusal, also one that another part of the server
//! speaks, leaves in the dialect's form: `door` sees to that. Handlers choose a version first, then read, then do; nothing
//! here decides about order or touches a process. Each difference from the original stands in `docs/compat/flowdapt.md`.
//!
//! Reading order: `door`, `version`, `answer`; `read` and `body` (what clients send); `wire` (what they get); `resources`,
//! `runs`, `plugins`, `status`; `metrics` over `sampler`.

mod answer;
mod body;
mod door;
mod metrics;
mod plugins;
mod proc;
mod read;
mod resources;
mod runs;
mod sampler;
mod status;
mod version;
mod wire;

pub(crate) use door::door;
pub(crate) use sampler::{Sampler, follow};
pub(crate) use status::ping;

use pegboard_model::{ConfigSpec, TriggerSpec, WorkflowSpec};

use crate::access::{Access, Routes, get, post};

/// The dialect's paths.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .route("/drain", post(status::drain).delete(status::undrain).needs(Access::Admin))
        .route("/workflows/", get(resources::list::<WorkflowSpec>).post(resources::create::<WorkflowSpec>))
        .route(
            "/workflows/{id}",
            get(resources::show::<WorkflowSpec>).put(resources::update::<WorkflowSpec>).delete(resources::delete::<WorkflowSpec>),
        )
        .route("/workflows/{id}/run", get(runs::list).post(runs::start))
        // A run whose name is `run` cannot be: these two belong to the workflow of that name.
        .route("/workflows/run/run", get(runs::list_of_run).post(runs::start_run))
        .route("/workflows/run/{id}", get(runs::show).delete(runs::delete))
        .route("/configs/", get(resources::list::<ConfigSpec>).post(resources::create::<ConfigSpec>))
        .route(
            "/configs/{id}",
            get(resources::show::<ConfigSpec>).put(resources::update::<ConfigSpec>).delete(resources::delete::<ConfigSpec>),
        )
        .route("/triggers/", get(resources::list::<TriggerSpec>).post(resources::create::<TriggerSpec>))
        .route(
            "/triggers/{id}",
            get(resources::show::<TriggerSpec>).put(resources::update::<TriggerSpec>).delete(resources::delete::<TriggerSpec>),
        )
        .route("/plugin/", get(plugins::list))
        .route("/plugin/{name}", get(plugins::show))
        .route("/plugin/{name}/files", get(plugins::files))
        .route("/plugin/{name}/files/{*file}", get(plugins::file))
        .of_the_server()
}
