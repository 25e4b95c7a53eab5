//! Panels that use too much, and data that is too much for a page.

use std::fmt::Write as _;

use serde_json::json;

use super::{Dashboard, panel};
use crate::support::until;

/// A panel that does something when `beta` is selected.
fn on_beta(class: &str, id: &str, code: &str) -> String {
    let update = format!("        if data_object.name == 'beta':\n            {code}\n        return [f'");
    panel(class, id, "fine").replace("        return [f'", &update)
}

#[test]
fn a_panel_that_leaks_meets_its_limit_and_begins_anew() {
    let dashboard = Dashboard::with_settings(
        &[
            ("components/a_good.py", panel("Good", "good", "good")),
            (
                "components/b_leaks.py",
                on_beta(
                    "Leaks",
                    "leaks",
                    "self.kept = [*getattr(self, 'kept', []), b'x' * (150 << 20)]; import time; time.sleep(0.5)",
                ),
            ),
        ],
        &[("PEGBOARD__ENGINE__MEMORY", "600MiB")],
    );
    let notice = until("the limit", || {
        let (status, answer) = dashboard.select("leaks", "beta");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(dashboard.shown("good", "beta"), "good beta held-out");
        answer["response"]
            .to_string()
            .contains("-notice")
            .then(|| Dashboard::notice(&answer))
            .filter(|notice| notice.contains("600 MiB"))
    });
    assert!(notice.contains("its limit is 600 MiB"), "{notice}");
    assert_eq!(dashboard.shown("leaks", "alpha"), "fine alpha held-out");
    assert!(dashboard.plugin("b_leaks.py")["restarts"].as_u64().unwrap() >= 1);
}

#[test]
fn a_panel_that_holds_the_interpreter_keeps_nobody_waiting() {
    let dashboard = Dashboard::with(&[
        ("components/a_good.py", panel("Good", "good", "good")),
        // A call through `PyDLL` keeps the interpreter lock: no other thread of that process runs for a minute.
        ("components/b_holds.py", on_beta("Holds", "holds", "import ctypes; ctypes.PyDLL(None).sleep(60)")),
    ]);
    let dashboard = &dashboard;
    std::thread::scope(|scope| {
        let held = scope.spawn(|| dashboard.select("holds", "beta"));
        let mut answered = 0;
        while !held.is_finished() {
            assert_eq!(dashboard.shown("good", "alpha"), "good alpha held-out");
            answered += 1;
        }
        let (status, answer) = held.join().unwrap();
        assert!(status == 200 && Dashboard::notice(&answer).contains("3s"), "{answer}");
        assert!(answered > 5, "the other panel answered {answered} times meanwhile");
    });
    assert_eq!(dashboard.shown("holds", "alpha"), "fine alpha held-out");
}

#[test]
fn fifty_megabytes_arrive() {
    let dashboard = Dashboard::with(&[
        ("components/a_good.py", panel("Good", "good", "good")),
        ("components/b_much.py", on_beta("Much", "much", "return ['m' * 50_000_000]")),
    ]);
    assert_eq!(dashboard.shown("much", "beta").len(), 50_000_000);
    assert_eq!(dashboard.shown("much", "alpha"), "fine alpha held-out");
    assert_eq!(dashboard.shown("good", "beta"), "good beta held-out");
}

#[test]
fn of_a_million_rows_a_page_gets_a_sample() {
    let dashboard = Dashboard::with(&[(
        "components/a_rows.py",
        panel("Rows", "rows", "rows")
            .replace("PluginPage.MODEL", "PluginPage.DATA_SOURCE")
            .replace("PluginInputType.MODEL", "PluginInputType.DATA_SOURCE")
            .replace("{data_object.name}", "{data_object.name} {data_object.num_rows()} {len(data_object.sample())}"),
    )]);
    let mut table = String::from("id,height,kind\n");
    for row in 0..1_000_000_u32 {
        let _ = writeln!(table, "{row},{}.5,{}", row % 977, ["a", "b", "c"][row as usize % 3]);
    }
    let file = dashboard.world.file("big.csv", &table);
    dashboard.world.run(&["catalog", "add", "data-source", "big", &file]).well();
    let page = dashboard.page("/ui/dash/data_sources", "").to_string();
    assert!(page.contains("big") && page.len() < 1_000_000, "{} bytes", page.len());
    let select = |output: &str, outputs: &serde_json::Value| {
        let body = json!({
            "output": output, "outputs": outputs,
            "inputs": [{ "id": "data_sources_table", "property": "selectedRows", "value": [{ "name": "big" }] }],
            "changedPropIds": ["data_sources_table.selectedRows"],
        });
        dashboard.post("/ui/dash/_dash-update-component", &body)
    };
    let (status, answer) = select(&dashboard.output_of("rows"), &json!([{ "id": "rows", "property": "children" }]));
    assert_eq!(status, 200, "{answer}");
    let shown = answer["response"]["rows"]["children"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let mut words = shown.split(' ').skip(2).map(|word| word.parse::<u64>().unwrap_or_default());
    let (rows, sample) = (words.next().unwrap(), words.next().unwrap());
    assert!(rows == 1_000_000 && (1..=1_000).contains(&sample), "{shown}");
}
