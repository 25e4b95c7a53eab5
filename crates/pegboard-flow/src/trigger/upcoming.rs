//! When a schedule is due, for people who look at it.

use pegboard_model::{Timestamp, TriggerSpec, TriggerType};
use serde_json::Value as Json;

use super::cron::Schedule;

/// The next instants after `after` at which a schedule is due, at most `most`; none for a condition, for expressions that cannot be
/// read, and when there is no such instant any more.
#[must_use]
pub fn upcoming(spec: &TriggerSpec, after: Timestamp, most: usize) -> Vec<Timestamp> {
    if spec.trigger_type != TriggerType::Schedule {
        return Vec::new();
    }
    let texts = spec.rule.as_array().into_iter().flatten().filter_map(Json::as_str);
    let schedules: Vec<Schedule> = texts.filter_map(|text| Schedule::parse(text).ok()).collect();
    let next = |after: &Timestamp| schedules.iter().filter_map(|schedule| schedule.after(*after)).min();
    std::iter::successors(next(&after), next).take(most).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn several_expressions_are_one_timetable() {
        let spec = |kind: &str, rule: Json| -> TriggerSpec {
            serde_json::from_value(json!({ "type": kind, "rule": rule, "action": { "target": "run_workflow" } })).unwrap()
        };
        let after = "2026-01-01T00:00:00Z".parse().unwrap();
        let shown = |spec: &TriggerSpec| -> Vec<String> {
            upcoming(spec, after, 3).iter().map(|time| time.to_string()[..16].to_owned()).collect()
        };
        let both = spec("schedule", json!(["0 3 * * *", "*/40 * * * *"]));
        assert_eq!(shown(&both), ["2026-01-01T00:40", "2026-01-01T01:00", "2026-01-01T01:40"]);
        assert_eq!(shown(&spec("schedule", json!(["0 0 31 2 *"]))), [""; 0]);
        assert_eq!(shown(&spec("schedule", json!(["nonsense"]))), [""; 0]);
        assert_eq!(shown(&spec("condition", json!({ "eq": [1, 1] }))), [""; 0]);
    }
}
