//! The exchanges of a browser, replayed.

use serde_json::{Value as Json, json};

use super::{Dashboard, IMPORTS, panel};

/// Pattern-matching ids, a callback without output, one that a clientside function answers. Two files have the same text.
fn patterns(class: &str, id: &str) -> String {
    format!(
        "{IMPORTS}from dash import clientside_callback


class {class}(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [('{id}', 'children')]
        items = [html.Button(str(n), id={{'type': 'item', 'n': n}}) for n in (1, 2)]
        marks = [html.Span(id={{'type': 'mark', 'n': n}}) for n in (1, 2)]
        return html.Div([html.Div(id='{id}'), *items, *marks, html.Div(id='{id}-side'), dcc.Store(id='{id}-all')])

    def update_properties(self, data_object, **kwargs):
        return [html.P('made later', id={{'type': 'late', 'n': 1}})]

    def register_internal_callbacks(self):
        @callback(Output({{'type': 'mark', 'n': MATCH}}, 'children'), Input({{'type': 'item', 'n': MATCH}}, 'n_clicks'), State({{'type': 'item', 'n': MATCH}}, 'id'))
        def mark(clicks, this):
            return f'{class} {{this}} {{clicks}}'

        @callback(Output('{id}-all', 'data'), Input({{'type': 'item', 'n': ALL}}, 'n_clicks'))
        def count(clicks):
            return clicks

        @callback(Input('url', 'pathname'))
        def heard(path):
            set_props('{id}-side', {{'children': f'{class} at {{path}}'}})

        clientside_callback('function(x) {{ return x; }}', Output('{id}-side', 'title'), Input('{id}-all', 'data'))
"
    )
}

const PAGES: &str = "import dash
from dash import Input, Output, dcc, html


class Asset:
    def page_setup(self, app):
        dash.register_page('asset', path_template='/asset/<name>', name='Asset', layout=self.layout)
        dash.register_page('plain', path='/plain', name='Plain', title='A plain page', layout=html.Div([html.H1('Plain', id='plain-head'), dcc.Input(id='plain-in')]))

        @app.callback(Output('plain-head', 'children'), Input('plain-in', 'value'), prevent_initial_call=True)
        def head(value):
            return f'You wrote {value}' if value else 1 / 0

    def layout(self, name=None, **query):
        return html.Div(f'{name} with {sorted(query.items())}')
";

fn dashboard() -> Dashboard {
    Dashboard::with(&[
        ("components/good.py", panel("Good", "good", "good")),
        ("components/one.py", patterns("One", "one")),
        ("components/two.py", patterns("Two", "two")),
        ("pages/pages.py", PAGES.to_owned()),
        ("assets/site/extra.js", "window.extra = 1;".to_owned()),
        ("assets/site/extra.css", ".extra { color: red; }".to_owned()),
    ])
}

#[test]
fn a_browser_gets_what_dash_would_give() {
    let dashboard = dashboard();
    let get = |path: &str, more: &str| {
        dashboard.world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nCookie: wb_theme=light\n{more}\n"))
    };
    // Index: the parts in their order.
    let (status, _, index) = get("/ui/dash/models", "");
    assert_eq!(status, 200);
    let order = [
        "data-bs-theme=\"light\"",
        "extra.css?m=",
        "id=\"react-entry-point\"",
        "id=\"_dash-config\"",
        "/deps/polyfill@",
        "/dash_ag_grid.v",
        "extra.js?m=",
        "/dash_renderer.v",
        "/dash_core_components.v",
        "new DashRenderer()",
    ];
    let places: Vec<usize> =
        order.iter().map(|part| index.find(part).unwrap_or_else(|| panic!("no {part} in {index}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(index.contains("_dashprivate_clientside_funcs") && index.contains("suppress_callback_exceptions"));

    // Suites: the fingerprint is for ever, without one the browser asks again and gets 304.
    let (_, rest) = index.split_once("src=\"/ui/dash/_dash-component-suites/").unwrap();
    let suite = format!("/ui/dash/_dash-component-suites/{}", rest.split('"').next().unwrap());
    let (status, head, _) = get(&suite, "");
    assert_eq!(status, 200, "{suite}");
    assert!(head.contains("max-age=31536000"), "{head}");
    let (status, head, _) = get("/ui/dash/_dash-component-suites/dash/dcc/async-graph.js", "");
    assert!(status == 200 && head.contains("no-cache"), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert_eq!(get("/ui/dash/_dash-component-suites/dash/dcc/async-graph.js", &format!("If-None-Match: {tag}\n")).0, 304);
    // Compressed for those who take it, the first time and from the copy; a length says so without decoding.
    let length = |head: &str| -> u64 {
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim().parse().unwrap()
    };
    let plain = length(&get("/ui/dash/themes/bootstrap.css", "").1);
    for _ in 0..2 {
        let (status, head) = packed(&dashboard, "/ui/dash/themes/bootstrap.css", "");
        assert!(status == 200 && head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
        assert!(length(&head) * 4 < plain, "{head}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
        assert_eq!(packed(&dashboard, "/ui/dash/themes/bootstrap.css", &format!("If-None-Match: {tag}\r\n")).0, 304);
    }
    assert_eq!(get("/ui/dash/_dash-component-suites/plotly/package_data/plotly.min.js", "").0, 200);
    for missing in ["dash/../../etc/passwd", "nothing/x.js", "dash/__init__.py"] {
        assert_eq!(get(&format!("/ui/dash/_dash-component-suites/{missing}"), "").0, 404, "{missing}");
    }
    assert_eq!(get("/ui/dash/assets/plugins/site/extra.js", "").2, "window.extra = 1;");
    assert_eq!(get("/ui/dash/assets/plugins/../components/good.py", "").0, 404);
    assert!(get("/ui/dash/_favicon.ico", "").1.contains("image/svg"));
    assert_eq!(dashboard.world.get("/ui/dash/_reload-hash")["hard"], false);
    for sheet in ["bootstrap.css", "darkly.css", "dashboard.css", "dashboard.js"] {
        assert_eq!(get(&format!("/ui/dash/themes/{sheet}"), "").0, 200, "{sheet}");
    }
    // Links that are written for the root.
    for path in ["/models?name=a", "/plain", "/asset/wine", "/assets/plugins/site/extra.js"] {
        let (status, head, _) = get(path, "");
        assert!(status == 307 && head.contains(&format!("location: /ui/dash{path}")), "{path}: {head}");
    }

    // Layout: what plugins listen to is there, and the theme of the cookie.
    let (_, _, layout) = get("/ui/dash/_dash-layout", "");
    for id in
        ["url", "_pages_location", "_pages_content", "_pages_store", "_pages_dummy", "plugin-pages-info", "workbench-theme-store"]
    {
        assert!(layout.contains(&format!("\"id\":\"{id}\"")), "{id}");
    }
    assert!(layout.contains(r#"{"data":"light","#) || layout.contains(r#""data":"light""#), "{layout}");

    // Every output has one writer.
    let outputs: Vec<String> = dashboard.dependencies().iter().map(|spec| spec["output"].as_str().unwrap().to_owned()).collect();
    let mut unique = outputs.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), outputs.len());
}

#[test]
fn callbacks_reach_their_owners() {
    let dashboard = dashboard();
    assert_eq!(dashboard.shown("good", "alpha"), "good alpha held-out");

    // Two files with the same patterns: each hears its own.
    let specs = dashboard.dependencies();
    let marks: Vec<&Json> =
        specs.iter().filter(|spec| spec["output"].as_str().unwrap().ends_with(r#""type":"mark"}.children"#)).collect();
    assert_eq!(marks.len(), 2);
    let mut said = Vec::new();
    for spec in marks {
        let output = spec["output"].as_str().unwrap();
        let id: Json = serde_json::from_str(&output[..=output.rfind('}').unwrap()]).unwrap();
        let with = |kind: &str| {
            let mut id = id.clone();
            (id["type"], id["n"]) = (json!(kind), json!(2));
            id
        };
        let text = |id: &Json| {
            let mut keys: Vec<_> = id.as_object().unwrap().clone().into_iter().collect();
            keys.sort_by(|one, other| one.0.cmp(&other.0));
            Json::Object(keys.into_iter().collect()).to_string()
        };
        let body = json!({
            "output": output,
            "outputs": { "id": with("mark"), "property": "children" },
            "inputs": [{ "id": with("item"), "property": "n_clicks", "value": 5 }],
            "state": [{ "id": with("item"), "property": "id", "value": with("item") }],
            "changedPropIds": [format!("{}.n_clicks", text(&with("item")))],
            "parsedChangedPropsIds": [with("item")],
        });
        let (status, answer) = dashboard.post("/ui/dash/_dash-update-component", &body);
        assert_eq!(status, 200, "{answer}");
        said.push(answer["response"][text(&with("mark"))]["children"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
    }
    said.sort();
    assert_eq!(said, ["One {'n': 2, 'type': 'item'} 5", "Two {'n': 2, 'type': 'item'} 5"]);

    // Callbacks without an output listen to the same and are two.
    let silent: Vec<&Json> = specs.iter().filter(|spec| spec["no_output"] == true).collect();
    assert_eq!(silent.len(), 2);
    let mut heard = Vec::new();
    for spec in silent {
        let body = json!({
            "output": spec["output"],
            "outputs": [],
            "inputs": [{ "id": "url", "property": "pathname", "value": "/here" }],
            "changedPropIds": ["url.pathname"],
        });
        let (status, answer) = dashboard.post("/ui/dash/_dash-update-component", &body);
        assert_eq!(status, 200, "{answer}");
        heard.push(answer["sideUpdate"].to_string());
    }
    heard.sort();
    assert_eq!(heard, [r#"{"one-side":{"children":"One at /here"}}"#, r#"{"two-side":{"children":"Two at /here"}}"#]);

    // Components that a callback makes are marked, too.
    let (_, answer) = dashboard.select("one", "beta");
    let id = &answer["response"]["one"]["children"]["props"]["id"];
    assert_eq!((&id["type"], &id["n"], id.as_object().unwrap().len()), (&json!("late"), &json!(1), 3));

    // What is no callback.
    let (status, answer) = dashboard.post("/ui/dash/_dash-update-component", &json!({ "output": "nobody.children" }));
    assert!(status == 404 && answer["error"]["hint"].as_str().unwrap().contains("reload"), "{answer}");
    assert_eq!(dashboard.post("/ui/dash/_dash-update-component", &json!([1])).0, 400);
}

#[test]
fn pages_are_found_by_path_template_and_title() {
    let dashboard = dashboard();
    assert!(dashboard.page("/ui/dash/", "").to_string().contains("main_models"));
    let models = dashboard.page("/ui/dash/models", "").to_string();
    for part in ["models_table", "\"alpha\"", "\"beta\"", "model_details-dropdown", "\"good\"", "\"one\""] {
        assert!(models.contains(part), "{part}");
    }
    assert!(dashboard.page("/ui/dash/endpoints", "").to_string().contains("endpoints_table"));
    assert!(dashboard.page("/ui/dash/plain", "").to_string().contains("plain-head"));
    assert!(dashboard.page("/plain", "").to_string().contains("plain-head"), "without the prefix, as plugins write links");
    assert!(dashboard.page("/ui/dash/asset/a%20wine", "?x=1").to_string().contains("a wine with [('x', '1')]"));
    assert!(dashboard.page("/ui/dash/nowhere", "").to_string().contains("404 - Page not found"));
    assert!(dashboard.page("/ui/dash/status", "").to_string().contains("good.py"));
    let body = json!({
        "output": "plain-head.children", "outputs": { "id": "plain-head", "property": "children" },
        "inputs": [{ "id": "plain-in", "property": "value", "value": "hello" }], "changedPropIds": ["plain-in.value"],
    });
    let (_, answer) = dashboard.post("/ui/dash/_dash-update-component", &body);
    assert_eq!(answer["response"]["plain-head"]["children"], "You wrote hello");
    let body = json!({
        "output": "plain-head.children", "outputs": { "id": "plain-head", "property": "children" },
        "inputs": [{ "id": "plain-in", "property": "value", "value": "" }], "changedPropIds": ["plain-in.value"],
    });
    let (status, answer) = dashboard.post("/ui/dash/_dash-update-component", &body);
    assert_eq!((status, &answer["response"]), (200, &json!({})), "{answer}");
    assert!(answer["sideUpdate"]["pegboard-notices"].to_string().contains("ZeroDivisionError"), "{answer}");
}

/// Status and head of the answer to somebody who takes compressed answers, whose bodies are no text.
fn packed(dashboard: &Dashboard, path: &str, more: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(dashboard.world.url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n{more}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
}
