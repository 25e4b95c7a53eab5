//! What a trigger rule must be like to be stored.

use pegboard_model::{Error, PluginName, TriggerSpec, TriggerType};
use serde_json::Value as Json;

use super::{condition, cron};
use crate::flow::Flow;
use crate::nearest::nearest;

/// Actions that Pegboard itself does.
const BUILT_IN: [&str; 2] = ["run_workflow", "print_event"];
/// Loose modules belong to no plugin, and come and go.
const USER_MODULES: &str = "user_modules.";

/// What a rule must be like to be stored. Whether the workflow that it starts exists is not looked at: it may come later.
///
/// # Errors
/// `invalid-trigger`, with the dialect's own sentence where it has one.
pub fn check(spec: &TriggerSpec) -> Result<(), Error> {
    match spec.trigger_type {
        TriggerType::Condition => match &spec.rule {
            Json::Object(rule) if !rule.is_empty() => condition::check(&spec.rule).map_err(|reason| {
                invalid(reason).hint("a condition reads like `{\"eq\": [{\"var\": \"data.state\"}, \"failed\"]}`")
            }),
            _ => Err(invalid("Condition rule must be a dictionary and is required")
                .hint("for cron expressions set `spec.type` to `schedule`")),
        },
        TriggerType::Schedule => {
            let expressions: Option<Vec<&str>> = spec.rule.as_array().and_then(|list| list.iter().map(Json::as_str).collect());
            let expressions = expressions.filter(|list| !list.is_empty());
            let expressions = expressions.ok_or_else(|| {
                invalid("Schedule rule must be a list of strings and is required").hint("write it as `[\"0 3 * * *\"]`")
            })?;
            let refused = |reason: String| invalid(reason).hint("five fields: minute, hour, day, month, weekday, in UTC");
            expressions.into_iter().try_for_each(|text| cron::Schedule::parse(text).map(drop).map_err(refused))
        }
    }?;
    check_action(&spec.action.target)
}

impl Flow {
    /// The same as [`check`], and: a dotted action must belong to a plugin that is there.
    ///
    /// # Errors
    /// `invalid-trigger`.
    pub fn check_trigger(&self, spec: &TriggerSpec) -> Result<(), Error> {
        check(spec)?;
        let target = spec.action.target.trim();
        let is_known = BUILT_IN.contains(&target)
            || target.starts_with(USER_MODULES)
            || self.shared.runner.owner(target) != PluginName::base();
        if is_known {
            return Ok(());
        }
        Err(unknown_action(target).hint("no installed plugin has this module; `pegboard plugins` lists what is installed"))
    }
}

fn check_action(target: &str) -> Result<(), Error> {
    let target = target.trim();
    if target.is_empty() {
        return Err(invalid("Target action must be specified").hint("usually it is `run_workflow`"));
    }
    let is_path = target.contains('.') && target.split('.').all(|part| !part.is_empty());
    if is_path || BUILT_IN.contains(&target) {
        return Ok(());
    }
    let hint = match nearest(target, BUILT_IN) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "actions are `run_workflow`, `print_event` and dotted paths of async functions in plugins".to_owned(),
    };
    Err(unknown_action(target).hint(hint))
}

fn unknown_action(target: &str) -> Error {
    invalid(format!("Unknown action `{target}` or problems with action code."))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid-trigger", message)
}
