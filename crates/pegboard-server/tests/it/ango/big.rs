//! An export is never held whole: the server's memory stays far below the text that it writes.

use std::fs;

use serde_json::{Value as Json, json};

use super::ask::Hub;

const TASKS: usize = 1200;
/// Points of each answer: some 40 kB of text.
const POINTS: usize = 2000;

/// Of a process, in bytes.
fn memory(process: u32, line: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    found.unwrap() << 10
}

#[test]
fn an_export_is_written_in_flat_memory() {
    let hub = Hub::new();
    hub.classes();
    let ring: Vec<[f64; 2]> = (0..POINTS).map(|at| [at as f64 + 0.125, (at * 7 % 1000) as f64]).collect();
    let item = |at: usize| json!({ "data": format!("https://example.org/{at}.png"), "externalId": format!("{at}.png"), "objects": [{ "title": "Road", "polygon": ring }] });
    for first in (0..TASKS).step_by(200) {
        let items: Vec<Json> = (first..first + 200).map(item).collect();
        hub.post(&format!("/v2/project/{}/cloud", hub.project), &json!({ "assets": items })).data();
    }
    let process = hub.world.server.as_ref().unwrap().id();
    // From here on the peak is counted anew.
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    let before = memory(process, "VmRSS:");
    let written = hub.post_export();
    let peak = memory(process, "VmHWM:");
    let text = written["text"].as_u64().unwrap() as usize;
    assert_eq!(written["records"], TASKS);
    assert!(text > 32 << 20, "{text} bytes are too few to tell");
    assert!(peak.saturating_sub(before) < text / 2, "from {before} to {peak} bytes for {text} bytes of text");
}
