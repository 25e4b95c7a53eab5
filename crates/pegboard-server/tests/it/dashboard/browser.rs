//! The dashboard as people see it.

use std::path::PathBuf;

use serde_json::json;

use super::devtools::{self, Browser};
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

/// A browser, where the machine has one; where `PEGBOARD_TEST_BROWSER` names it, it must be there.
pub(crate) fn browser() -> Option<Browser> {
    let named = std::env::var_os("PEGBOARD_TEST_BROWSER").filter(|name| !name.is_empty()).map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "PEGBOARD_TEST_BROWSER names `{}`, which is no program", named.display());
    }
    named.or_else(devtools::program).map(|program| Browser::start(&program))
}

#[test]
fn a_browser_shows_selects_presses_themes_and_follows_saves() {
    let Some(browser) = browser() else { return };
    let dashboard = Dashboard::with(&[
        ("components/a.py", panel("Follows", "follows", "old")),
        ("components/b.py", format!("{IMPORTS}{CLICKS}")),
        (
            "components/c.py",
            panel("Crashes", "crashes", "fine")
                .replace("        return [f'", "        raise KeyError('bad_key')\n        return [f'"),
        ),
    ]);
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
    // The grid draws its rows a moment before it hears clicks.
    browser.value("window.__same = 1");
    browser.until("[...document.querySelectorAll('#models_table .ag-row')].filter((row) => row.innerText.includes('beta')).forEach((row) => row.querySelector('.ag-cell').click()), document.body.innerText.includes('Model: beta')");
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

    // It is there again on a page that is loaded anew.
    browser.open(&format!("{}/ui/dash/models?name=beta", dashboard.world.url));
    browser.sees("mended beta None");
    assert_eq!(browser.value("document.documentElement.getAttribute('data-bs-theme')"), json!("light"));

    // Other callbacks: the page is loaded again, and shows the same row.
    dashboard.save("components/d.py", &panel("Comes", "comes", "late"));
    browser.sees("late beta None");
    browser.sees("Model: beta");

    // From page to page without a load, and the main page's rows lead to theirs.
    browser.value("[...document.querySelectorAll('.pegboard-link')].find((link) => link.innerText === 'Status').click()");
    browser.sees("d.py");
    browser.value("[...document.querySelectorAll('.pegboard-link')].find((link) => link.innerText === 'Main').click()");
    browser.until("document.querySelectorAll('#main_models .ag-row').length === 2");
    browser.until("[...document.querySelectorAll('#main_models .ag-row')].filter((row) => row.innerText.includes('alpha')).forEach((row) => row.querySelector('.ag-cell').click()), document.body.innerText.includes('Model: alpha')");
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// A panel that is made by this code.
fn made(class: &str, create: &str, update: &str) -> String {
    format!(
        "{IMPORTS}import os
import time


class {class}(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [(component_id, 'children')]
        {create}

    def update_properties(self, data_object, **kwargs):
        {update}
"
    )
}

#[test]
fn bad_panels_on_a_page_leave_two_good_ones_and_the_console_alone() {
    let Some(browser) = browser() else { return };
    let plain = "return html.Div('waiting', id=component_id)";
    // Where the panel itself is seen, and what is seen in it.
    let bad = [
        ("Raises", made("Raises", "raise ValueError('no component today')", "return ['x']"), "no component today"),
        ("Odd", made("Odd", "return {'type': 'Div', 'props': {}}", "return ['x']"), "component"),
        (
            "Elsewhere",
            made("Elsewhere", "self.properties = [('nowhere', 'figure')]; return html.Div(id=component_id)", "return ['x']"),
            "nowhere",
        ),
        ("Wrong", made("Wrong", plain, "raise KeyError('bad_key')"), "bad_key"),
        ("Hangs", made("Hangs", plain, "time.sleep(60)"), "3s"),
        ("Exits", made("Exits", plain, "os._exit(7)"), "7"),
        ("Many", made("Many", plain, "return ['one', 'two']"), "expected 1"),
        ("Unsayable", made("Unsayable", plain, "return [object()]"), "object"),
        ("Nothing", made("Nothing", plain, "return None"), "Nothing"),
        ("Unplaced", made("Unplaced", plain, "return [{'type': 'NoSuchThing', 'namespace': 'nobody', 'props': {}}]"), "`nobody`"),
    ];
    let mut files = vec![
        ("components/a_good.py".to_owned(), panel("GoodOne", "good_one", "one")),
        ("components/z_good.py".to_owned(), panel("GoodTwo", "good_two", "two")),
        ("components/c_syntax.py".to_owned(), "class Broken(:\n".to_owned()),
        ("components/c_package.py".to_owned(), "import a_package_that_nobody_has\n".to_owned()),
        ("components/c_exits.py".to_owned(), "import os\nos._exit(3)\n".to_owned()),
        // The same class and the same component again.
        ("components/twin.py".to_owned(), panel("GoodOne", "good_one_too", "twin")),
    ];
    files.extend(bad.iter().map(|(class, text, _)| (format!("components/m_{}.py", class.to_lowercase()), text.clone())));
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let dashboard = Dashboard::with(&files);

    browser.open(&format!("{}/ui/dash/models?name=alpha", dashboard.world.url));
    browser.sees("one alpha None");
    browser.sees("two alpha None");
    browser.sees("twin alpha None");
    for (class, _, words) in &bad {
        let own = "[...document.querySelectorAll('.pegboard-panel')].find((panel) => panel.querySelector('.pegboard-panel-title')?.innerText";
        browser.until(&format!("{own} === {})?.innerText.includes({}) ?? false", json!(class), json!(words)));
    }
    for words in ["c_syntax.py does not load", "a_package_that_nobody_has", "c_exits.py does not load"] {
        browser.sees(words);
    }
    // Another row: the good ones follow at once, whoever hangs.
    let row = "window.__same = 1; [...document.querySelectorAll('#models_table .ag-row')].find((row) => row.innerText.includes('beta')).querySelector('.ag-cell').click()";
    browser.value(row);
    browser.sees("one beta None");
    browser.sees("two beta None");

    // One of them is mended while the page is open: its panel is new, the row stays.
    dashboard.save("components/m_wrong.py", &made("Wrong", plain, "return [f'mended {data_object.name}']"));
    browser.sees("mended beta");
    assert_eq!(browser.value("window.__same"), json!(1));
    assert_eq!(browser.value("location.search"), json!("?name=beta"));

    // The status page names every file, with what is wrong with it.
    browser.open(&format!("{}/ui/dash/status", dashboard.world.url));
    for (_, _, words) in bad.iter().take(3) {
        browser.until(&format!("document.querySelector('#pegboard-status').textContent.includes({})", json!(words)));
    }
    browser.sees("c_package.py");
    assert_eq!(browser.errors(), Vec::<String>::new());
}
