//! What callbacks may do beyond giving values: patches, cookies, other properties, patterns, work in the background.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Dashboard, IMPORTS, panel};
use crate::support::until;

const UPDATE: &str = "/ui/dash/_dash-update-component";

/// A panel whose ids are patterns in part, so that all answers of it pass the marks.
fn panel_with_callbacks(place: &Path) -> String {
    let place = place.display();
    format!(
        "{IMPORTS}from dash import Patch, ctx
import os, subprocess, time


class Busy(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [('busy', 'children')]
        rows = [dcc.Input(id={{'type': 'row', 'n': n}}) for n in (1, 2)]
        bars = [html.Progress(id={{'type': 'bar', 'n': 1}}), html.Button(id='start'), html.Button(id='stop')]
        return html.Div([html.Div(id='busy'), dcc.Graph(id='graph'), dcc.Store(id='kept'), *rows, html.Div(id='rows'), *bars, html.Div(id='done')])

    def update_properties(self, data_object, **kwargs):
        return [data_object.name]

    def register_internal_callbacks(self):
        @callback(Output('graph', 'figure'), Input('kept', 'data'))
        def patched(data):
            figure = Patch()
            figure['layout']['title']['text'] = data
            figure['data'].append({{'y': [1, 2]}})
            return figure

        @callback(Output('kept', 'storage_type'), Input('kept', 'clear_data'))
        def cookies(clear):
            ctx.response.set_cookie('first', 'yes', max_age=60, httponly=True)
            ctx.response.set_cookie('second', 'too')
            return ctx.cookies.get('wb_theme')

        @callback(Output('kept', 'modified_timestamp'), Input('kept', 'id'))
        def elsewhere(_):
            set_props('busy', {{'children': 'set', 'title': 'from elsewhere'}})
            set_props({{'type': 'row', 'n': 2}}, {{'value': 'two'}})
            return no_update

        @callback(Output('rows', 'children'), Input({{'type': 'row', 'n': ALL}}, 'value'), State({{'type': 'row', 'n': ALL}}, 'id'))
        def every(values, ids):
            return [html.P(f'{{this[\"n\"]}}={{value}}', id={{'type': 'line', 'n': this['n']}}) for value, this in zip(values, ids)]

        @callback(Output('done', 'children'), Input('start', 'n_clicks'), background=True, interval=100, prevent_initial_call=True,
                  progress=[Output({{'type': 'bar', 'n': 1}}, 'value')], progress_default=[0], cancel=[Input('stop', 'n_clicks')],
                  running=[(Output('start', 'disabled'), True, False)])
        def slowly(say, clicks):
            say(50)
            set_props('busy', {{'title': f'working on {{clicks}}'}})
            if clicks > 1:
                sleeping = subprocess.Popen(['sleep', '1000'])
                with open('{place}', 'w') as file:
                    file.write(f'{{os.getpid()}} {{sleeping.pid}}')
                time.sleep(1000)
            return f'done {{clicks}}'
"
    )
}

fn dashboard() -> (Dashboard, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let text = panel_with_callbacks(&folder.path().join("processes"));
    let dashboard = Dashboard::with(&[("components/busy.py", text), ("components/good.py", panel("Good", "good", "good"))]);
    (dashboard, folder)
}

/// What a browser posts for a callback with one output and one input.
fn body(output: &str, input: &str, value: &Json) -> Json {
    let pair = |name: &str| -> (String, String) {
        let (id, property) = name.rsplit_once('.').unwrap();
        (id.to_owned(), property.to_owned())
    };
    let ((id, property), (input_id, input_property)) = (pair(output), pair(input));
    json!({
        "output": output,
        "outputs": { "id": id, "property": property },
        "inputs": [{ "id": input_id, "property": input_property, "value": value }],
        "changedPropIds": [input],
    })
}

impl Dashboard {
    #[track_caller]
    fn answer(&self, output: &str, input: &str, value: &Json) -> Json {
        let (status, answer) = self.post(UPDATE, &body(output, input, value));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// A background callback: the first question, or with a query the ones that follow.
    #[track_caller]
    fn slowly(&self, clicks: u64, query: &str) -> (u16, Json) {
        self.post(&format!("{UPDATE}{query}"), &body("done.children", "start.n_clicks", &json!(clicks)))
    }

    #[track_caller]
    fn begin(&self, clicks: u64) -> (String, Json) {
        let (status, begun) = self.slowly(clicks, "");
        assert_eq!(status, 200, "{begun}");
        let (key, job) = (begun["cacheKey"].as_str().unwrap(), begun["job"].as_str().unwrap());
        (format!("?cacheKey={key}&job={job}"), begun.clone())
    }
}

/// What a job wrote about itself: its process, and one that it has started.
fn processes(folder: &tempfile::TempDir) -> [u32; 2] {
    until("the job", || {
        let text = std::fs::read_to_string(folder.path().join("processes")).ok()?;
        let numbers: Vec<u32> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        numbers.try_into().ok()
    })
}

/// Gone, or waiting for somebody to hear of its end.
fn is_dead(process: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

#[test]
fn patches_cookies_other_properties_and_patterns_reach_the_browser() {
    let (dashboard, _folder) = dashboard();

    let patch = &dashboard.answer("graph.figure", "kept.data", &json!("a title"))["response"]["graph"]["figure"];
    assert!(patch["__dash_patch_update"].is_string(), "{patch}");
    let operations = &patch["operations"];
    assert_eq!(operations[0]["operation"], "Assign");
    assert_eq!(
        (&operations[0]["location"], &operations[0]["params"]["value"]),
        (&json!(["layout", "title", "text"]), &json!("a title"))
    );
    assert_eq!((&operations[1]["operation"], &operations[1]["location"]), (&json!("Append"), &json!(["data"])));

    let text = body("kept.storage_type", "kept.clear_data", &json!(true)).to_string();
    let (status, head, answer) = dashboard.world.http(&format!(
        "POST {UPDATE} HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: {}\nCookie: wb_theme=light\n\n{text}",
        text.len()
    ));
    assert_eq!(status, 200, "{answer}");
    // The head comes in lower case.
    let set: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    assert_eq!(set.len(), 2, "{head}");
    assert!(set[0].starts_with("first=yes;") && set[0].contains("httponly") && set[0].contains("max-age=60"), "{head}");
    assert!(set[1].starts_with("second=too;"), "{head}");
    let answer: Json = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["response"]["kept"]["storage_type"], "light", "the callback sees the browser's cookies");

    let answer = dashboard.answer("kept.modified_timestamp", "kept.id", &json!("kept"));
    assert_eq!(answer["sideUpdate"]["busy"], json!({ "children": "set", "title": "from elsewhere" }));
    assert!(answer["response"].get("kept").is_none(), "{answer}");
    let others = answer["sideUpdate"].as_object().unwrap();
    let (row, value) = others.iter().find(|(id, _)| id.starts_with('{')).unwrap();
    assert_eq!(value, &json!({ "value": "two" }));
    // As the browser has it: with the mark that keeps the ids of files apart.
    let row: Json = serde_json::from_str(row).unwrap();
    assert!(row["_pegboard"].is_string() && row["n"] == 2, "{row}");

    let rows: Vec<Json> = [(1, "a"), (2, "b")]
        .into_iter()
        .map(|(n, value)| json!({ "id": { "_pegboard": row["_pegboard"], "n": n, "type": "row" }, "property": "value", "value": value }))
        .collect();
    let ids: Vec<Json> = rows.iter().map(|row| json!({ "id": row["id"], "property": "id", "value": row["id"] })).collect();
    let posted = json!({
        "output": "rows.children", "outputs": { "id": "rows", "property": "children" },
        "inputs": [rows], "state": [ids], "changedPropIds": [],
    });
    let (status, answer) = dashboard.post(UPDATE, &posted);
    assert_eq!(status, 200, "{answer}");
    let lines = answer["response"]["rows"]["children"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(lines.iter().map(|line| line["props"]["children"].as_str().unwrap()).collect::<Vec<_>>(), ["1=a", "2=b"]);
    assert_eq!(lines[0]["props"]["id"]["_pegboard"], row["_pegboard"]);
}

#[test]
fn a_background_callback_tells_how_it_goes_and_its_result_once() {
    let (dashboard, _folder) = dashboard();
    let specification = dashboard.dependencies().into_iter().find(|spec| spec["output"] == "done.children").unwrap();
    assert_eq!(specification["background"], json!({ "interval": 100 }));
    assert_eq!(specification["running"]["running"], json!({ "start.disabled": true }));

    let (query, begun) = dashboard.begin(1);
    assert_eq!(begun["cancel"], json!([{ "id": "stop", "property": "n_clicks" }]));
    let default = begun["progressDefault"].as_object().unwrap();
    assert!(default.keys().all(|key| key.contains("_pegboard")), "{begun}");
    let (mut progress, mut title) = (Json::Null, Json::Null);
    let done = until("the result", || {
        let (status, answer) = dashboard.slowly(1, &query);
        assert_eq!(status, 200, "{answer}");
        if let Some(said) = answer["progress"].as_object().and_then(|said| said.iter().next()) {
            assert!(said.0.contains("_pegboard"), "{answer}");
            progress = said.1.clone();
        }
        if let Some(said) = answer["sideUpdate"]["busy"].get("title") {
            title = said.clone();
        }
        (answer["response"].get("done").is_some()).then_some(answer)
    });
    assert_eq!(done["response"]["done"]["children"], "done 1");
    assert_eq!((progress, title), (json!(50), json!("working on 1")));
    let (_, again) = dashboard.slowly(1, &query);
    assert!(again["response"].get("done").is_none(), "{again}");
}

#[test]
fn a_cancelled_background_callback_ends_and_none_outlives_its_worker() {
    let (mut dashboard, folder) = dashboard();
    let (query, _) = dashboard.begin(2);
    let job = processes(&folder);
    assert!(!job.map(is_dead).contains(&true), "both are at work");
    // Meanwhile the panel does everything else.
    assert_eq!(dashboard.shown("busy", "alpha"), "alpha");
    let (status, running) = dashboard.slowly(2, &query);
    assert!(status == 200 && running["response"].get("done").is_none(), "{running}");

    // As Dash's renderer does it: the callback of the cancelling input is given the job.
    let stop = body("stop.id", "stop.n_clicks", &json!(1));
    let number = query.rsplit_once('=').unwrap().1;
    let (status, answer) = dashboard.post(&format!("{UPDATE}?cancelJob={number}"), &stop);
    assert!(status == 200 || status == 204, "{answer}");
    assert!(job.map(is_dead).iter().all(|dead| *dead), "it ends before the browser hears that it was cancelled");
    let (status, answer) = dashboard.slowly(2, &query);
    assert!((status == 200 || status == 204) && answer["response"].get("done").is_none(), "{answer}");

    // Begun anew, the one before ends.
    std::fs::remove_file(folder.path().join("processes")).unwrap();
    let (query, _) = dashboard.begin(3);
    let former = processes(&folder);
    std::fs::remove_file(folder.path().join("processes")).unwrap();
    let number = query.rsplit_once('=').unwrap().1;
    assert_eq!(dashboard.slowly(4, &format!("?oldJob={number}")).0, 200);
    assert!(former.map(is_dead).iter().all(|dead| *dead));
    let last = processes(&folder);

    // A save ends the worker, and with it the job.
    let text = std::fs::read_to_string(dashboard.path("components/busy.py")).unwrap();
    dashboard.save("components/busy.py", &format!("{text}\n# Another one.\n"));
    until("the job's end", || last.iter().all(|process| is_dead(*process)).then_some(()));
    dashboard.settle();

    std::fs::remove_file(folder.path().join("processes")).unwrap();
    dashboard.begin(5);
    let last = processes(&folder);
    dashboard.world.kill();
    std::thread::sleep(Duration::from_millis(50));
    until("the job's end with its server", || last.iter().all(|process| is_dead(*process)).then_some(()));
}
