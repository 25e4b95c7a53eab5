//! Every recorded request is sent again, in its order, and every answer compared: status, media type and version, the body
//! with the order of its keys. What is meant to differ stands in `differences`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::compare::Bindings;
use super::differences::{DIFFERENCES, Difference, Instead};
use super::exchange::{Answer, Ask};
use super::golden::{Exchange, scenario};
use crate::support::{World, root};

/// Scenarios that REST shows; in the last ones things happen by themselves.
const SCENARIOS: [&str; 18] =
    ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18"];
/// How long something that happens by itself may take: a run that nobody waits for, a trigger.
const SOON: Duration = Duration::from_secs(15);

/// A world with the probe plugin in it.
pub(super) fn world() -> World {
    let world = World::new();
    let folder = world.data().join("user_modules");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("um.py"), "def hi(n=1):\n    return {'um': n}\n").unwrap();
    world.install("probe");
    world
}

#[test]
fn recorded_exchanges_are_answered_alike() {
    let world = world();
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    let mut exchanges = 0;
    let mut results = 0;
    for number in SCENARIOS {
        let mut bindings = Bindings::default();
        let mut refused = false;
        for step in scenario(number).steps {
            let difference = DIFFERENCES.iter().find(|difference| difference.is_of(number, &step.label));
            used.extend(difference.map(|difference| (difference.scenario, difference.label)));
            for exchange in &step.exchanges {
                exchanges += 1;
                if std::mem::take(&mut refused) && exchange.request.method == "DELETE" {
                    // What was accepted when it was recorded was refused a step ago, so there is nothing to remove.
                    let path = bindings.fill(&exchange.request.path);
                    assert_eq!(Ask::new("DELETE", &path).send(&world.url).status, 404);
                    continue;
                }
                let instead = difference.map(|found| &found.instead);
                refused = matches!(instead, Some(Instead::Refused(..))) && exchange.response.status == 200;
                results += usize::from(recorded_result(exchange).is_some());
                if let Err(problem) = replay(&world.url, exchange, instead, &mut bindings) {
                    problems.push(format!(
                        "{number} {}: {} {}: {problem}",
                        step.label, exchange.request.method, exchange.request.path
                    ));
                }
            }
        }
        clean(&world.url);
    }
    let unused: Vec<_> = DIFFERENCES.iter().map(|one| (one.scenario, one.label)).filter(|key| !used.contains(key)).collect();
    assert!(unused.is_empty(), "differences that no recording has: {unused:?}");
    assert!(exchanges > 400, "only {exchanges} exchanges were read");
    assert!(results > 60, "only {results} results of runs were compared");
    assert!(problems.is_empty(), "{} of {exchanges} exchanges differ:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_difference_is_explained() {
    let page = std::fs::read_to_string(root().join("docs/compat/flowdapt.md")).unwrap();
    for Difference { scenario, label, .. } in DIFFERENCES {
        let row = format!("| {scenario} | {label} |");
        assert!(page.contains(&row), "docs/compat/flowdapt.md lacks a row `{row}`");
    }
    let rows = page.lines().filter(|line| line.starts_with("| 0") || line.starts_with("| 1")).count();
    assert_eq!(rows, DIFFERENCES.len(), "docs/compat/flowdapt.md explains differences that there are not");
}

fn replay(url: &str, exchange: &Exchange, instead: Option<&Instead>, bindings: &mut Bindings) -> Result<(), String> {
    let request = &exchange.request;
    let mut ask = Ask::new(&request.method, &bindings.fill(&request.path));
    ask.headers = request.headers.clone().into_iter().collect();
    ask.body = match (&request.body, &request.body_text) {
        (Some(body), _) => Some(bindings.fill(&body.to_string()).into_bytes()),
        (None, text) => text.clone().map(String::into_bytes),
    };
    let begun = Instant::now();
    loop {
        let answer = ask.send(url);
        let mut bound = bindings.clone();
        match compare(&answer, exchange, instead, &mut bound) {
            Ok(()) => {
                compares_results(&answer, exchange, instead, bindings)?;
                *bindings = bound;
                if matches!(instead, Some(Instead::Accepted)) && request.method == "POST" {
                    // It was refused when it was recorded: the next step does not expect it.
                    let name = answer.json()["metadata"]["name"].as_str().map(str::to_owned).unwrap_or_default();
                    Ask::new("DELETE", &format!("{}{name}", ask.path)).send(url);
                }
                return Ok(());
            }
            // Reading again changes nothing, and something may be under way.
            Err(_) if instead.is_none() && request.method == "GET" && answer.status == 200 && begun.elapsed() < SOON => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// What the recorded run resulted in, when the exchange tells and the recording does not leave it open.
fn recorded_result(exchange: &Exchange) -> Option<&Json> {
    let result = exchange.response.body.as_ref()?.get("result")?;
    (exchange.response.body.as_ref()?.get("finished_at")?.is_string() && *result != json!("<ANY>")).then_some(result)
}

/// Guards the comparison itself: with any other result in the recording it must fail.
fn compares_results(answer: &Answer, exchange: &Exchange, instead: Option<&Instead>, bindings: &Bindings) -> Result<(), String> {
    let Some(result) = recorded_result(exchange) else { return Ok(()) };
    let others = match result {
        // A failure: its class, and its message unless that is left open.
        Json::Array(parts) if parts.len() == 2 && parts[1].is_string() => {
            let mut others = vec![json!(["OtherError", parts[1]])];
            others.extend((parts[1] != json!("<ANY>")).then(|| json!([parts[0], "another message"])));
            others
        }
        other => vec![json!([other])],
    };
    for other in others {
        let mut changed = exchange.clone();
        if let Some(place) = changed.response.body.as_mut().and_then(|body| body.get_mut("result")) {
            *place = other.clone();
        }
        if compare(answer, &changed, instead, &mut bindings.clone()).is_ok() {
            return Err(format!("`{other}` in place of the recorded result would not have been noticed"));
        }
    }
    Ok(())
}

fn compare(answer: &Answer, exchange: &Exchange, instead: Option<&Instead>, bindings: &mut Bindings) -> Result<(), String> {
    let recorded = &exchange.response;
    match instead {
        Some(Instead::Refused(status, words)) => {
            let body = answer.json();
            let fits = answer.status == *status
                && body["status_code"] == *status
                && body["detail"].as_str().is_some_and(|detail| detail.contains(words));
            return if fits { Ok(()) } else { Err(format!("expected {status} and `{words}`, found {} {body}", answer.status)) };
        }
        Some(Instead::Elsewhere(status)) => {
            let fits = answer.status == *status && answer.json()["error"]["code"].is_string();
            return if fits { Ok(()) } else { Err(format!("expected {status}, found {} {}", answer.status, answer.text())) };
        }
        Some(Instead::Accepted) => {
            return if answer.status < 300 {
                Ok(())
            } else {
                Err(format!("expected 200, found {} {}", answer.status, answer.text()))
            };
        }
        Some(Instead::Fields(_)) | None => {}
    }
    if answer.status != recorded.status {
        return Err(format!("recorded {}, found {} {}", recorded.status, answer.status, answer.text()));
    }
    for (name, value) in &recorded.headers {
        if answer.header(name) != Some(value) {
            return Err(format!("header {name}: recorded `{value}`, found {:?}", answer.header(name)));
        }
    }
    match (&recorded.body, &recorded.body_text) {
        (_, Some(text)) => {
            if !bindings.text(text, &answer.text()) {
                return Err(format!("recorded `{text}`, found `{}`", answer.text()));
            }
        }
        (Some(body), None) if is_metrics(recorded.headers.get("content-type")) => return series(body, &answer.json()),
        (Some(body), None) => {
            let mut expected = body.clone();
            if let Some(Instead::Fields(fields)) = instead {
                for (pointer, value) in *fields {
                    if let Some(place) = expected.pointer_mut(pointer) {
                        *place = serde_json::from_str(value).expect("a difference is JSON");
                    }
                }
            }
            bindings.json("", &expected, &answer.json())?;
        }
        (None, None) => {}
    }
    Ok(())
}

fn is_metrics(media_type: Option<&String>) -> bool {
    media_type.is_some_and(|media_type| media_type.contains("metrics"))
}

/// Which series there are is no part of the contract, but what a point looks like is.
fn series(recorded: &Json, found: &Json) -> Result<(), String> {
    let shape = |point: &Json| point.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let recorded: BTreeMap<_, _> = recorded.as_object().into_iter().flatten().collect();
    for (name, points) in found.as_object().ok_or("not an object")? {
        let points = points.as_array().ok_or("not a list")?;
        let Some(Json::Array(expected)) = recorded.get(name) else { continue };
        if expected.is_empty() != points.is_empty() {
            return Err(format!("{name}: recorded {} points, found {}", expected.len(), points.len()));
        }
        for point in points {
            if shape(point) != expected.first().and_then(shape) {
                return Err(format!("{name}: recorded a point like {:?}, found {point}", expected.first()));
            }
            if !point["start_time_unix_nano"].is_i64() || !point["time_unix_nano"].is_i64() {
                return Err(format!("{name}: a time is no integer in {point}"));
            }
        }
    }
    let read_by_clients = ["process.runtime.cpython.cpu_time", "process.runtime.cpython.memory", "api_request_latency"];
    let lacking =
        read_by_clients.into_iter().find(|name| recorded.contains_key(&(*name).to_owned()) && found.get(name).is_none());
    lacking.map_or(Ok(()), |name| Err(format!("{name} is missing")))
}

/// Removes every resource, as each scenario begins without any.
pub(super) fn clean(url: &str) {
    for collection in ["/workflows/", "/configs/", "/triggers/"] {
        let all = Ask::new("GET", collection).send(url).json();
        for resource in all.as_array().into_iter().flatten() {
            let uid = resource["metadata"]["uid"].as_str().unwrap();
            assert_eq!(Ask::new("DELETE", &format!("{collection}{uid}")).send(url).status, 200);
        }
        assert_eq!(Ask::new("GET", collection).send(url).json(), json!([]));
    }
}
