//! Ping, status, drain.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_model::Error;
use serde_json::{Value as Json_, json};

use super::answer::{Refused, answer};
use super::version::{Kind, negotiate};
use crate::app::App;

/// The release of Flowdapt whose interface this is.
const VERSION: &str = "0.1.52";

/// Who is here, in the words that the dialect's clients know.
pub(crate) fn ping() -> Json<Json_> {
    Json(json!({ "app": "flowdapt", "version": VERSION, "api_version": "v1" }))
}

pub(super) async fn status(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::System, &headers)?;
    if app.flowdapt.latest().is_none() {
        // Asked before the first sample.
        let early = app.clone();
        let sampled = tokio::task::spawn_blocking(move || early.flowdapt.sample(&early.settings.server.data)).await;
        sampled.map_err(|_| Error::internal("flowdapt-refused", "the first sample was given up"))?;
    }
    let sample = app.flowdapt.latest().ok_or_else(|| Error::internal("flowdapt-refused", "there is no sample"))?;
    let (machine, python) = app.flowdapt.machine();
    let reading = sample.reading;
    let statistics = app.engine.statistics();
    let engine = &app.settings.engine.options;
    let database = if app.settings.store.postgres_url.is_some() { "pegboard.store.PostgreSQL" } else { "pegboard.store.SQLite" };
    let body = json!({
        "version": VERSION,
        "name": format!("pegboard.{}", if machine.host.is_empty() { "server" } else { &machine.host }),
        "system": {
            "time": jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string(),
            "cpu_pct": tenth(sample.cpu_percent),
            "memory": reading.rss,
            "disk_pct": tenth(reading.disk_percent),
            "network_io_sent": reading.network_sent,
            "network_io_recv": reading.network_received,
            "threads": reading.threads,
            "fds": reading.descriptors,
            "pid": std::process::id(),
        },
        "os": {
            "name": if cfg!(target_os = "linux") { "Linux" } else { std::env::consts::OS },
            "version": machine.kernel_version,
            "release": machine.kernel_release,
            "machine": std::env::consts::ARCH,
        },
        "python": python.unwrap_or_default(),
        "hostname": machine.host,
        "services": {
            "ComputeService": {
                "status": "OK",
                "executor": "flowdapt.compute.executor.local.executor.LocalExecutor",
                "environment": {
                    "processes": true,
                    "cpus": engine.workers_per_plugin,
                    "cluster_memory": {
                        "path": app.settings.server.data.join("objects"),
                        "serializer": "CloudPickleSerializer",
                        "store_size": statistics.shared_bytes,
                    },
                },
            },
            "CoreService": { "status": "OK" },
            "TriggerService": { "status": "OK" },
        },
        "database": database,
    });
    answer(Kind::System, version, &body)
}

/// No new runs, from requests or triggers, until it is taken back.
pub(super) async fn drain(State(app): State<App>) -> Json<Json_> {
    app.flow.set_draining(true);
    tracing::info!("draining: no new runs");
    Json(json!({ "draining": true }))
}

pub(super) async fn undrain(State(app): State<App>) -> Json<Json_> {
    app.flow.set_draining(false);
    tracing::info!("taking runs again");
    Json(json!({ "draining": false }))
}

fn tenth(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}
