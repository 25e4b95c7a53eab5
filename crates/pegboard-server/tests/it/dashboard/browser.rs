//! The dashboard as people see it.

use serde_json::json;

use super::devtools::{Browser, program};
use super::{Dashboard, IMPORTS, panel};

const CLICKS: &str = "class Clicks(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [('clicks', 'children')]
        return html.Div([html.Button('press', id='press'), html.Span(id='clicks'), html.Span(id='pressed')])

    def update_properties(self, data_object, **kwargs):
        return [f'ready for {data_object.name}']

    def set_theme(self, theme):
        return [f'themed {theme}']

    def register_internal_callbacks(self):
        @callback(Output('pressed', 'children'), Input('press', 'n_clicks'), prevent_initial_call=True)
        def pressed(clicks):
            return f'pressed {clicks} times'
";

#[test]
fn a_browser_shows_selects_presses_themes_and_follows_saves() {
    let Some(program) = program() else { return };
    let dashboard = Dashboard::with(&[
        ("components/a.py", panel("Follows", "follows", "old")),
        ("components/b.py", format!("{IMPORTS}{CLICKS}")),
        (
            "components/c.py",
            panel("Crashes", "crashes", "fine")
                .replace("        return [f'", "        raise KeyError('bad_key')\n        return [f'"),
        ),
    ]);
    let mut browser = Browser::start(&program);
    let url = format!("{}/ui/dash/models?name=alpha", dashboard.world.url);
    browser.open(&url);
    // The row that the address names, its details, and each panel's own update.
    browser.sees("Model: alpha");
    browser.sees("old alpha None");
    browser.sees("ready for alpha");
    browser.sees("KeyError: 'bad_key'");
    assert_eq!(browser.value("document.querySelectorAll('.pegboard-notice').length"), json!(1));
    browser.value("document.querySelector('#press').click()");
    browser.sees("pressed 1 times");

    // Another row: the address remembers it.
    browser.value("window.__same = 1; [...document.querySelectorAll('#models_table .ag-row')].find((row) => row.innerText.includes('beta')).querySelector('.ag-cell').click()");
    browser.sees("Model: beta");
    browser.sees("old beta None");
    assert_eq!(browser.value("location.search"), json!("?name=beta"));

    // A save: the panel is new, the page, its row and what was pressed are not.
    dashboard.save("components/a.py", &panel("Follows", "follows", "new"));
    browser.sees("new beta None");
    assert_eq!(browser.value("window.__same"), json!(1));
    assert!(browser.value("document.body.innerText").as_str().unwrap().contains("pressed 1 times"));
    dashboard.save("components/a.py", "class Follows(:\n");
    browser.sees("The last change does not load");
    browser.sees("new beta None");
    dashboard.save("components/a.py", &panel("Follows", "follows", "mended"));
    browser.sees("mended beta None");
    browser.until("!document.body.innerText.includes('The last change does not load')");

    // A theme: figures and the frame of the page, without loading it again.
    browser.value("document.querySelector('#settings-menu-dropdown').click()");
    browser.value("document.querySelector('#pegboard-theme-light').click()");
    browser.sees("themed light");
    assert_eq!(browser.value("document.documentElement.getAttribute('data-bs-theme')"), json!("light"));
    assert_eq!(browser.value("window.__same"), json!(1));

    // Other callbacks: the page is loaded again, and shows the same row.
    dashboard.save("components/d.py", &panel("Comes", "comes", "late"));
    browser.sees("late beta None");
    browser.sees("Model: beta");

    // From page to page without a load, and the main page's rows lead to theirs.
    browser.value("[...document.querySelectorAll('.pegboard-link')].find((link) => link.innerText === 'Status').click()");
    browser.sees("d.py");
    browser.value("[...document.querySelectorAll('.pegboard-link')].find((link) => link.innerText === 'Main').click()");
    browser.until("document.querySelectorAll('#main_models .ag-row').length === 2");
    // The grid draws its rows a moment before it hears clicks.
    browser.until("[...document.querySelectorAll('#main_models .ag-row')].filter((row) => row.innerText.includes('alpha')).forEach((row) => row.querySelector('.ag-cell').click()), document.body.innerText.includes('Model: alpha')");
    assert_eq!(browser.errors, Vec::<String>::new());
}
