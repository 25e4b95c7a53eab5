//! `pegboard config`.

use pegboard_server::Settings;
use serde_json::json;

use crate::failure::CommandFailure;
use crate::output::Output;

pub(crate) fn print(settings: &Settings, output: &Output) -> Result<(), CommandFailure> {
    for warning in &settings.warnings {
        output.note(&format!("warning: {warning}"));
    }
    if output.json {
        output.data(&json!({ "settings": settings.listing }));
        return Ok(());
    }
    let row = |setting: &pegboard_server::config::SettingValue| {
        vec![setting.key.to_owned(), setting.text.clone(), setting.origin.clone()]
    };
    output.table(&["KEY", "VALUE", "ORIGIN"], settings.listing.iter().map(row).collect());
    Ok(())
}
