//! What pages draw: where things stand in a picture is computed here, from answers of the API alone; templates draw them as SVG.

mod graph;
mod spark;
mod table;
mod timeline;

use std::time::SystemTime;

use minijinja::Environment;
use minijinja::value::{Value, ViaDeserialize};
use pegboard_model::Timestamp;

/// `graph(nodes)`, `timeline(run)`, `spark(runs)`, `table(result)`.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function("graph", |nodes: ViaDeserialize<Vec<graph::Node>>| Value::from_serialize(graph::drawn(&nodes)));
    environment.add_function("lineage", |lineage: ViaDeserialize<graph::Lineage>| {
        Value::from_serialize(graph::placed(lineage.artifacts.len(), &lineage.steps))
    });
    environment.add_function("timeline", |run: ViaDeserialize<timeline::Run>| {
        Value::from_serialize(timeline::drawn(&run, Timestamp::from(SystemTime::now())))
    });
    environment.add_function("spark", |runs: ViaDeserialize<Vec<spark::Run>>| Value::from_serialize(spark::drawn(&runs)));
    environment.add_function("table", |result: ViaDeserialize<serde_json::Value>| Value::from_serialize(table::drawn(&result)));
}
