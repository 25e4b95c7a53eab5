//! Frames of a video between those that somebody drew: shapes move in a straight line from one key frame to the next.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Objects of one answer that are filled in; beyond that, only key frames stay.
const MOST: usize = 200_000;

/// Adds an object for each frame between two key frames of the same object, unless it says `interpolationStopped` or changes its
/// form. Only for assets whose metadata has `frameTotal`.
pub(super) fn fill_in(tools: &mut Vec<Json>, metadata: &Json) {
    let Some(frames) = metadata["frameTotal"].as_u64() else { return };
    let mut keys: BTreeMap<&str, BTreeMap<u64, &Json>> = BTreeMap::new();
    for tool in tools.iter() {
        if let (Some(object), Some(page)) = (tool["objectId"].as_str(), tool["page"].as_u64()) {
            keys.entry(object).or_default().insert(page, tool);
        }
    }
    let mut between = Vec::new();
    for frames_of_object in keys.values() {
        for ((from, first), (to, second)) in frames_of_object.iter().zip(frames_of_object.iter().skip(1)) {
            if first["interpolationStopped"] == true || *to >= frames {
                continue;
            }
            for page in from + 1..*to {
                if between.len() == MOST {
                    break;
                }
                // Frame numbers are far below what a float holds exactly.
                let share = (page - from) as f64 / (to - from) as f64;
                if let Some(shape) = crate::labelling::answer::SHAPES.iter().find(|shape| !first[**shape].is_null()) {
                    let Some(moved) = blend(&first[*shape], &second[*shape], share) else { break };
                    let mut tool = (*first).clone();
                    tool[*shape] = moved;
                    tool["page"] = page.into();
                    between.push(tool);
                }
            }
        }
    }
    tools.extend(between);
}

/// Every number on its way from one value to the other; none when the two have different forms.
fn blend(from: &Json, to: &Json, share: f64) -> Option<Json> {
    match (from, to) {
        (Json::Number(from), Json::Number(to)) => {
            let (from, to) = (from.as_f64()?, to.as_f64()?);
            let value = from + (to - from) * share;
            // What is drawn is measured in pixels: a thousandth is enough.
            Some(((value * 1000.0).round() / 1000.0).into())
        }
        (Json::Array(from), Json::Array(to)) if from.len() == to.len() => {
            from.iter().zip(to).map(|(from, to)| blend(from, to, share)).collect::<Option<Vec<_>>>().map(Json::Array)
        }
        (Json::Object(from), Json::Object(to)) if from.len() == to.len() => from
            .iter()
            .map(|(key, from)| Some((key.clone(), blend(from, to.get(key)?, share)?)))
            .collect::<Option<_>>()
            .map(Json::Object),
        _ => (from == to).then(|| from.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn frames_in_between_are_filled_in() {
        let key = |object: &str, page: u64, x: f64| json!({ "objectId": object, "page": page, "bounding-box": { "x": x, "y": 0, "width": 5, "height": 5 } });
        let mut tools = vec![key("a", 0, 0.0), key("a", 4, 8.0), key("b", 1, 1.0)];
        fill_in(&mut tools, &json!({ "frameTotal": 10 }));
        let found: Vec<_> =
            tools[3..].iter().map(|tool| (tool["page"].as_u64().unwrap(), tool["bounding-box"]["x"].as_f64().unwrap())).collect();
        assert_eq!(found, [(1, 2.0), (2, 4.0), (3, 6.0)]);

        let mut still = vec![key("a", 0, 0.0), key("a", 4, 8.0)];
        fill_in(&mut still, &json!({ "width": 1 }));
        assert_eq!(still.len(), 2, "not a video");
        still[0]["interpolationStopped"] = true.into();
        fill_in(&mut still, &json!({ "frameTotal": 10 }));
        assert_eq!(still.len(), 2, "told to stop");

        let mut changed = vec![
            json!({ "objectId": "a", "page": 0, "polygon": [[0, 0], [1, 1]] }),
            json!({ "objectId": "a", "page": 4, "polygon": [[0, 0], [1, 1], [2, 2]] }),
        ];
        fill_in(&mut changed, &json!({ "frameTotal": 10 }));
        assert_eq!(changed.len(), 2, "another number of corners");
    }
}
