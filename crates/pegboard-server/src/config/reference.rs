//! The reference page of settings, made from the table. A test compares it with `docs/settings.md`.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::key::{NONE, SETTINGS, Setting};

/// Markdown of all settings. `pegboard config --reference` prints it.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut section = "";
    for setting in SETTINGS {
        let of = setting.key.split('.').next().unwrap_or_default();
        if of != section {
            section = of;
            let _ = write!(page, "\n## {section}\n\n| Key | Kind | Default | Meaning |\n|---|---|---|---|\n");
        }
        let default = if setting.default.is_empty() { "empty" } else { setting.default };
        let _ = writeln!(page, "| `{}` | {} | `{default}` | {} |", setting.key, setting.kind.name(), setting.help);
    }
    page
}

/// The same for programs: one object per setting.
#[must_use]
pub fn described() -> Vec<Json> {
    let one = |setting: &Setting| {
        json!({
            "key": setting.key,
            "kind": setting.kind.name(),
            "default": if setting.default == NONE { Json::Null } else { Json::from(setting.default) },
            "variable": setting.variable(),
            "help": setting.help,
        })
    };
    SETTINGS.iter().map(one).collect()
}

const INTRODUCTION: &str = "\
# Settings

Made by `pegboard config --reference`; a test keeps it true.

A value comes from the first of these places that has one:

1. a flag (`--listen`, `--data`, `--url`, or `--set section.key=value` for any setting);
2. a variable: `PEGBOARD__SECTION__KEY`, so `engine.memory` is `PEGBOARD__ENGINE__MEMORY`; `PEGBOARD_URL` is short for `PEGBOARD__SERVER__URL`;
3. one file: the one named by `--config`, else `pegboard.toml` in the working directory, else `pegboard.toml` in the data directory;
4. Flowdapt's own configuration: variables `FLOWDAPT__…`, then `flowdapt.yaml` where there is no file of ours; `docs/compat/flowdapt.md`
   says what its keys become;
5. the default.

`pegboard config` prints every value and where it came from. A key or variable that does not exist is an error.

Sizes are `512MiB`, `2GiB`, `1.5GB` or plain bytes; durations `500ms`, `30s`, `5m`, `1h 30m`. `none` takes an optional setting away.
In the file a list is an array; elsewhere its items are separated by commas.

```toml
[server]
listen = \"127.0.0.1:8480\"

[engine]
memory = \"4GiB\"
call_deadline = \"30m\"
```
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_page_is_true() {
        let page = include_str!("../../../../docs/settings.md");
        assert!(page == super::reference(), "docs/settings.md is old: pegboard config --reference > docs/settings.md");
    }
}
