//! Trigger rules (Flowdapt specification, section 5): what may be stored, when they fire, and what they do then.

mod condition;
mod cron;

use pegboard_model::{Error, TriggerSpec, TriggerType};
use serde_json::Value as Json;

use crate::nearest::nearest;

/// Actions that Pegboard itself does.
const BUILT_IN: [&str; 2] = ["run_workflow", "print_event"];

/// What a rule must be like to be stored. Whether the workflow that it starts exists is not looked at: it may come later.
///
/// # Errors
/// `invalid-trigger`, with the dialect's own sentence where it has one.
pub fn check(spec: &TriggerSpec) -> Result<(), Error> {
    match spec.trigger_type {
        TriggerType::Condition => match &spec.rule {
            Json::Object(rule) if !rule.is_empty() => condition::check(&spec.rule)
                .map_err(|reason| invalid(reason).hint("a condition reads like `{\"eq\": [{\"var\": \"data.state\"}, \"failed\"]}`")),
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
    Err(invalid(format!("Unknown action `{target}` or problems with action code.")).hint(hint))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid-trigger", message)
}
