//! Series of numbers (specification, section 8.4). Both times of a point are integers, and name the interval that it is about.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use pegboard_model::Error;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::answer::{Refused, answer};
use super::read::Parameters;
use super::sampler::{BOUNDS, Histogram, Sample, Sampler};
use super::version::{Kind, negotiate};
use crate::app::App;

/// Which points.
struct Wanted {
    name: Option<String>,
    from: Option<i64>,
    until: Option<i64>,
    most: usize,
}

pub(super) async fn metrics(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::Metrics, &headers)?;
    let parameters = Parameters::of(&uri)?;
    let most = match parameters.integer("max_length")? {
        None => usize::MAX,
        Some(most) => {
            usize::try_from(most).map_err(|_| Refused::bad("query.max_length: Input should be greater than or equal to 0"))?
        }
    };
    let wanted = Wanted {
        name: parameters.text("name").filter(|name| !name.is_empty()).map(str::to_owned),
        from: parameters.time("start_time")?,
        until: parameters.time("end_time")?,
        most,
    };
    // Six hours of everything are some megabytes of JSON: not on a thread that serves others.
    let rendered = tokio::task::spawn_blocking(move || {
        if app.flowdapt.latest().is_none() {
            app.flowdapt.sample(&app.settings.server.data);
        }
        answer(Kind::Metrics, version, &series(&app.flowdapt, &wanted))
    });
    rendered.await.map_err(|_| Error::internal("flowdapt-refused", "rendering the metrics was given up"))?
}

fn series(sampler: &Sampler, wanted: &Wanted) -> Map<String, Json> {
    let mut series: Map<String, Json> = Map::new();
    if let Some(name) = &wanted.name {
        series.insert(name.clone(), Json::Array(Vec::new()));
    }
    sampler.each(|sample| {
        // Older samples end earlier still, but one that is too new may be followed by one that is not.
        let inside = wanted.from.is_none_or(|from| from <= sample.begin) && wanted.until.is_none_or(|until| sample.end <= until);
        let mut more = false;
        for (name, point) in points(sample) {
            if wanted.name.as_deref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            let list = series.entry(name).or_insert_with(|| Json::Array(Vec::new()));
            let Json::Array(list) = list else { continue };
            if inside && list.len() < wanted.most {
                list.push(point);
            }
            more |= list.len() < wanted.most;
        }
        more
    });
    series
}

/// The points of one sample, by series.
fn points(sample: &Sample) -> Vec<(&'static str, Json)> {
    let reading = &sample.reading;
    let total = reading.memory_total.max(1) as f64;
    let used = reading.memory_total.saturating_sub(reading.memory_available);
    let value = |name, attributes: Json, value: Json| (name, point(sample, attributes, &json!({ "value": value })));
    let histogram = |name, of: &Histogram| (name, point(sample, json!({}), &histogram(of)));
    vec![
        value("api_request_count", json!({}), json!(sample.counts.requests.count)),
        histogram("api_request_latency", &sample.counts.requests),
        value("workflows_executed", json!({}), json!(sample.counts.runs.count)),
        value("workflows_failed", json!({}), json!(sample.counts.runs_failed)),
        histogram("workflow_execution_time", &sample.counts.runs),
        value("system.cpu.utilization", json!({ "state": "user" }), json!(sample.machine_user)),
        value("system.cpu.utilization", json!({ "state": "system" }), json!(sample.machine_system)),
        value("system.memory.usage", json!({ "state": "used" }), json!(used)),
        value("system.memory.usage", json!({ "state": "cached" }), json!(reading.memory_cached)),
        value("system.memory.utilization", json!({ "state": "used" }), json!(used as f64 / total)),
        value("system.memory.utilization", json!({ "state": "cached" }), json!(reading.memory_cached as f64 / total)),
        value("system.disk.operations", json!({ "direction": "read" }), json!(reading.disk_reads)),
        value("system.disk.operations", json!({ "direction": "write" }), json!(reading.disk_writes)),
        value("system.network.io", json!({ "direction": "transmit" }), json!(reading.network_sent)),
        value("system.network.io", json!({ "direction": "receive" }), json!(reading.network_received)),
        value("process.runtime.cpython.memory", json!({ "type": "rss" }), json!(reading.rss)),
        value("process.runtime.cpython.memory", json!({ "type": "vms" }), json!(reading.vms)),
        value("process.runtime.cpython.cpu_time", json!({ "type": "user" }), json!(reading.user)),
        value("process.runtime.cpython.cpu_time", json!({ "type": "system" }), json!(reading.system)),
        value("process.runtime.cpython.thread_count", json!({}), json!(reading.threads)),
        value("process.runtime.cpython.cpu.utilization", json!({}), json!(sample.cpu_percent / 100.0)),
        value("process.open_file_descriptor.count", json!({}), json!(reading.descriptors)),
    ]
}

fn point(sample: &Sample, attributes: Json, what: &impl Serialize) -> Json {
    let mut point = json!({
        "attributes": attributes,
        "start_time_unix_nano": sample.begin,
        "time_unix_nano": sample.end,
    });
    if let (Some(point), Ok(Json::Object(what))) = (point.as_object_mut(), serde_json::to_value(what)) {
        point.extend(what);
    }
    point
}

fn histogram(of: &Histogram) -> Json {
    json!({
        "count": of.count,
        "bucket_counts": of.buckets,
        "explicit_bounds": BOUNDS,
        "sum": of.sum,
        "min": of.min,
        "max": of.max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_chosen_by_name_time_and_number() {
        let sampler = Sampler::default();
        for _ in 0..3 {
            sampler.sample(std::path::Path::new("."));
        }
        let wanted = |name: Option<&str>, most| Wanted { name: name.map(str::to_owned), from: None, until: None, most };
        let memory = "process.runtime.cpython.memory";
        for (wanted, count) in [
            (wanted(Some(memory), usize::MAX), 6),
            (wanted(Some(memory), 2), 2),
            (wanted(Some(memory), 0), 0),
            (wanted(Some("nope"), 5), 0),
            (Wanted { until: Some(0), ..wanted(Some(memory), 5) }, 0),
            (Wanted { from: Some(i64::MAX), ..wanted(Some(memory), 5) }, 0),
        ] {
            let found = series(&sampler, &wanted);
            assert_eq!(found.len(), 1);
            let list = found[wanted.name.as_deref().unwrap()].as_array().unwrap();
            assert_eq!(list.len(), count, "{found:?}");
        }
        let all = series(&sampler, &wanted(None, 1));
        assert!(all.values().all(|list| list.as_array().unwrap().len() == 1), "{all:?}");
        let latency = &all["api_request_latency"][0];
        assert_eq!(latency["bucket_counts"].as_array().unwrap().len(), latency["explicit_bounds"].as_array().unwrap().len() + 1);
        for list in all.values() {
            assert!(list[0]["start_time_unix_nano"].is_i64() && list[0]["time_unix_nano"].is_i64());
        }
    }
}
