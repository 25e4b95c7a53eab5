//! Bad plugins beside good ones: each fails in its own place, with words that help.

use serde_json::{Value as Json, json};

use super::{Dashboard, IMPORTS, panel};
use crate::support::until;

/// A panel whose update does something.
fn update(class: &str, id: &str, code: &str) -> String {
    panel(class, id, "fine").replace("        return [f'", &format!("        {code}\n        return [f'"))
}

/// A panel that is made in some way.
fn made(class: &str, code: &str) -> String {
    format!(
        "{IMPORTS}class {class}(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        {code}

    def update_properties(self, data_object, **kwargs):
        return ['x' for _ in self.properties]
"
    )
}

#[test]
fn what_does_not_load_is_told_and_nothing_else_suffers() {
    let dashboard = Dashboard::with(&[
        ("components/a_good.py", panel("GoodOne", "good_one", "one")),
        ("components/b_syntax.py", "class Broken(:\n".to_owned()),
        ("components/c_missing.py", "import a_package_that_nobody_has\n".to_owned()),
        ("components/d_exits.py", "import os\nos._exit(3)\n".to_owned()),
        ("components/e_leaves.py", "import sys\nsys.exit(1)\n".to_owned()),
        ("components/f_raises.py", made("Raises", "raise ValueError('no component today')")),
        ("components/g_dict.py", made("NotAComponent", "return {'type': 'Div'}")),
        ("components/h_unknown.py", made("UnknownId", "self.properties = [('elsewhere', 'figure')]; return html.Div(id=component_id)")),
        ("components/i_method.py", format!("{IMPORTS}class NoUpdate(PluginInterface):\n    auto_load_page = PluginPage.MODEL\n    plugin_input_type = PluginInputType.MODEL\n\n    def create_component(self, component_id):\n        return html.Div(id=component_id)\n")),
        ("components/j_attribute.py", format!("{IMPORTS}class NoPage(PluginInterface):\n    plugin_input_type = PluginInputType.MODEL\n")),
        ("components/k_twin.py", panel("GoodOne", "other_one", "twin")),
        ("components/z_good.py", panel("GoodTwo", "good_two", "two")),
        ("pages/p_raises.py", "class Raises:\n    def page_setup(self, app):\n        raise RuntimeError('no page')\n".to_owned()),
        ("pages/q_first.py", "import dash\nfrom dash import html\n\n\nclass First:\n    def page_setup(self, app):\n        dash.register_page('first', path='/same', name='First', layout=html.Div('the first'))\n".to_owned()),
        ("pages/r_second.py", "import dash\nfrom dash import html\n\n\nclass Second:\n    def page_setup(self, app):\n        dash.register_page('second', path='/same', name='Second', layout=html.Div('the second'))\n".to_owned()),
    ]);
    assert_eq!(dashboard.shown("good_one", "alpha"), "one alpha held-out");
    assert_eq!(dashboard.shown("good_two", "beta"), "two beta held-out");
    assert_eq!(dashboard.shown("other_one", "beta"), "twin beta held-out");
    for (file, words) in [
        ("b_syntax.py", &["SyntaxError", "\"line\":1"][..]),
        ("c_missing.py", &["a_package_that_nobody_has", "packages/"]),
        ("d_exits.py", &["3"]),
        ("e_leaves.py", &["SystemExit"]),
        ("f_raises.py", &["no component today"]),
        ("g_dict.py", &["component"]),
        ("h_unknown.py", &["elsewhere"]),
        ("i_method.py", &["Method 'update_properties' is not implemented by NoUpdate"]),
        ("j_attribute.py", &["Subclasses must define a 'auto_load_page' of type PluginPage"]),
        ("p_raises.py", &["no page"]),
    ] {
        let plugin = dashboard.plugin(file);
        let text = plugin.to_string();
        for word in words {
            assert!(text.contains(word), "{file}: `{word}` in {text}");
        }
        assert_eq!(plugin["state"], "broken", "{file}: {text}");
    }
    // Of two pages with one path the first wins, and the other is told.
    assert!(dashboard.page("/ui/dash/same", "").to_string().contains("the first"));
    assert!(dashboard.plugin("r_second.py")["messages"].to_string().contains("`/same`"));
    // The page of the models is whole, and says what is wrong.
    let page = dashboard.page("/ui/dash/models", "").to_string();
    assert!(page.contains("good_one") && page.contains("b_syntax.py does not load"), "{page}");
    assert!(dashboard.page("/ui/dash/status", "").to_string().contains("a_package_that_nobody_has"));
}

#[test]
fn an_update_that_fails_is_one_panels_failure() {
    let dashboard = Dashboard::with(&[
        ("components/a_good.py", panel("GoodOne", "good_one", "one")),
        ("components/b_raises.py", update("Raises", "raises", "if data_object.name == 'beta': raise KeyError('bad_key')")),
        ("components/c_hangs.py", update("Hangs", "hangs", "while data_object.name == 'beta': pass")),
        ("components/d_exits.py", update("Exits", "exits", "import os; data_object.name == 'beta' and os._exit(7)")),
        ("components/e_many.py", update("Many", "many", "if data_object.name == 'beta': return [1, 2]")),
        ("components/f_object.py", update("Odd", "odd", "if data_object.name == 'beta': return [object()]")),
        ("components/g_none.py", update("Nothing", "nothing", "if data_object.name == 'beta': return None")),
        ("components/z_good.py", panel("GoodTwo", "good_two", "two")),
    ]);
    for (id, words) in
        [("raises", "bad_key"), ("hangs", "3s"), ("exits", "7"), ("many", "2"), ("odd", "object"), ("nothing", "1")]
    {
        assert!(dashboard.shown(id, "alpha").starts_with("fine alpha"), "{id}");
        let (status, answer) = dashboard.select(id, "beta");
        assert_eq!(status, 200, "{id}: {answer}");
        let notice = Dashboard::notice(&answer);
        assert!(notice.contains(words), "{id}: {notice}");
        assert_eq!(dashboard.shown("good_one", "beta"), "one beta held-out");
        // It is itself again, in a new process where that was needed.
        assert!(dashboard.shown(id, "alpha").starts_with("fine alpha"), "{id}");
    }
    assert_eq!(dashboard.shown("good_two", "beta"), "two beta held-out");
    assert!(dashboard.plugin("d_exits.py")["restarts"].as_u64().unwrap() >= 1);
}

#[test]
fn a_worker_that_is_lost_hears_the_last_update_again() {
    let text = panel("Remembers", "remembers", "fine")
        .replace("        return [f'", "        self.last = data_object.name\n        return [f'")
        + "
    def register_internal_callbacks(self):
        @callback(Output('remembers', 'title'), Input('remembers', 'n_clicks'))
        def ask(clicks):
            if clicks == 13:
                import os
                os._exit(13)
            return f'last {self.last}'
";
    let dashboard = Dashboard::with(&[("components/a.py", text), ("components/b.py", panel("Good", "good", "good"))]);
    let click = |clicks: u64| {
        let body = json!({
            "output": "remembers.title", "outputs": { "id": "remembers", "property": "title" },
            "inputs": [{ "id": "remembers", "property": "n_clicks", "value": clicks }], "changedPropIds": ["remembers.n_clicks"],
        });
        dashboard.post("/ui/dash/_dash-update-component", &body)
    };
    dashboard.shown("remembers", "alpha");
    assert_eq!(click(1).1["response"]["remembers"]["title"], "last alpha");
    let (status, answer) = click(13);
    assert!(status == 200 && answer["sideUpdate"].to_string().contains("A callback of this panel failed"), "{answer}");
    let (_, answer) = until("a new worker", || {
        let answer = click(2);
        (answer.1["response"] != json!({}) && answer.1["response"] != Json::Null).then_some(answer)
    });
    assert_eq!(answer["response"]["remembers"]["title"], "last alpha");
}
