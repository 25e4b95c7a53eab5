//! Trigger rules (Flowdapt specification, section 5).

use pegboard_model::{Error, TriggerAction, TriggerSpec, TriggerType};
use serde_json::Value as Json;

use super::Warnings;
use super::fields::{Fields, invalid};
use crate::nearest::nearest;
use crate::node::Node;
use crate::trigger;

const SPEC_KEYS: [&str; 3] = ["type", "rule", "action"];
const ACTION_KEYS: [&str; 2] = ["target", "parameters"];
const TYPES: [&str; 2] = ["condition", "schedule"];

pub(super) fn spec(node: Node, warnings: &mut Warnings) -> Result<TriggerSpec, Error> {
    let mut spec = Fields::of(node, "spec", &SPEC_KEYS, warnings)?;
    let trigger_type = match spec.text("type")? {
        None => TriggerType::Condition,
        Some((_, text)) if text == "condition" => TriggerType::Condition,
        Some((_, text)) if text == "schedule" => TriggerType::Schedule,
        Some((place, text)) => {
            let hint = match nearest(&text, TYPES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "types are `condition` and `schedule`".to_owned(),
            };
            return Err(invalid(place, format!("`spec.type` is `{text}`, not `condition` or `schedule`")).hint(hint));
        }
    };
    let rule = spec.required("rule")?;
    let rule_place = rule.place;
    let mut action = Fields::of(spec.required("action")?, "spec.action", &ACTION_KEYS, warnings)?;
    let (action_place, target) = action.required_text("target")?;
    let action = TriggerAction { target, parameters: action.object("parameters")? };
    let spec = TriggerSpec { trigger_type, rule: Json::from(rule), action };
    trigger::check(&spec).map_err(|error| {
        let place = if error.message.contains("ction") && !error.message.contains("rule") { action_place } else { rule_place };
        Error { hint: error.hint, ..invalid(place, error.message) }
    })?;
    Ok(spec)
}
