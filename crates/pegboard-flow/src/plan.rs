//! In which order stages may run, or why they cannot (specification, sections 9.1 and 9.6).
//!
//! Linear in stages and dependencies, without recursion: ten thousand stages in a chain are as well as in a fan.

use std::collections::HashSet;

use pegboard_model::{Failure, FailureKind, StageType, WorkflowSpec};

use crate::document::Warnings;
use crate::graph::{Dependency, Graph, Node, Replaced};
use crate::nearest::nearest;

/// Problems told one by one; what is beyond is counted.
const TOLD: usize = 20;
/// Unknown names for which the nearest valid one is looked up: each look goes over all stages.
const ADVISED: usize = 5;

/// A graph that can run to its end.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// In definition order.
    pub(crate) nodes: Vec<Node>,
    /// Who waits for each, in definition order, once per listing.
    pub(crate) consumers: Vec<Vec<usize>>,
    /// The stage whose value is the run's: the last one of the last group.
    pub(crate) result: usize,
    /// What somebody who reads the run's log should know about the definition.
    pub(crate) notes: Warnings,
}

/// Orders the stages.
///
/// # Errors
/// What the run fails with, before anything has started.
pub(crate) fn plan(graph: Graph) -> Result<Plan, Failure> {
    if let Some(first) = graph.unusable.first() {
        return Err(Failure { class: "ValidationError".to_owned(), ..Failure::noticed(FailureKind::Target, first.clone()) });
    }
    let mut notes = replacements(&graph);
    notes.extend(graph.ignored.iter().take(TOLD).cloned());
    let consumers = consumers(&graph.nodes);
    let (groups, stuck) = groups(&graph.nodes, &consumers, true);
    if !stuck.is_empty() {
        return Err(problematic(&graph.nodes, &consumers, &stuck));
    }
    let result = groups.last().and_then(|group| group.last()).copied();
    match result {
        Some(result) => Ok(Plan { nodes: graph.nodes, consumers, result, notes }),
        None => {
            Err(Failure::noticed(FailureKind::Target, "the workflow has no stages")
                .hint("apply it again with at least one stage"))
        }
    }
}

/// Everything that can be said of a workflow without running it.
pub(crate) fn check(spec: &WorkflowSpec) -> Warnings {
    let graph = Graph::of(spec);
    let mut warnings = graph.unusable.clone();
    warnings.extend(replacements(&graph));
    for node in graph.nodes.iter().filter(|node| node.dependencies.contains(&Dependency::Itself)).take(TOLD) {
        warnings.push(format!("stage `{}` depends on itself and will fail", node.name));
    }
    for node in graph.nodes.iter().filter(|node| has_nothing_to_map(node)).take(TOLD) {
        warnings.push(format!("stage `{}` has nothing to run over: give it a dependency or `options.map_on`", node.name));
    }
    warnings.extend(unknown_names(&graph.nodes));
    let consumers = consumers(&graph.nodes);
    warnings.extend(cycle(&graph.nodes, &consumers).map(|cycle| format!("stages depend on each other in a circle: {cycle}")));
    warnings
}

fn replacements(graph: &Graph) -> Warnings {
    let sentence = |replaced: &Replaced| {
        let Replaced { name, position, later } = replaced;
        format!("stage {} is never run: stage {} has the same name, `{name}`", position + 1, later + 1)
    };
    graph.replaced.iter().take(TOLD).map(sentence).collect()
}

/// A parameterized stage without an iterable.
pub(crate) fn has_nothing_to_map(node: &Node) -> bool {
    node.stage_type == StageType::Parameterized && node.map_on.is_none() && node.dependencies.is_empty()
}

fn consumers(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut consumers = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for dependency in &node.dependencies {
            if let Dependency::On(producer) = dependency {
                consumers[*producer].push(index);
            }
        }
    }
    consumers
}

/// Groups, by repeatedly taking, in definition order, all stages whose dependencies are done; and what can never become ready. `strict`: an unknown name is never done; else it is not counted.
fn groups(nodes: &[Node], consumers: &[Vec<usize>], strict: bool) -> (Vec<Vec<usize>>, Vec<usize>) {
    let counted = |dependency: &&Dependency| match dependency {
        Dependency::On(_) => true,
        Dependency::Unknown(_) => strict,
        Dependency::Itself => false,
    };
    let mut waiting: Vec<usize> = nodes.iter().map(|node| node.dependencies.iter().filter(counted).count()).collect();
    let mut group: Vec<usize> = (0..nodes.len()).filter(|index| waiting[*index] == 0).collect();
    let mut groups = Vec::new();
    while !group.is_empty() {
        let mut next = Vec::new();
        for producer in &group {
            for consumer in &consumers[*producer] {
                waiting[*consumer] -= 1;
                if waiting[*consumer] == 0 {
                    next.push(*consumer);
                }
            }
        }
        next.sort_unstable();
        groups.push(std::mem::replace(&mut group, next));
    }
    let stuck = (0..nodes.len()).filter(|index| waiting[*index] > 0).collect();
    (groups, stuck)
}

fn problematic(nodes: &[Node], consumers: &[Vec<usize>], stuck: &[usize]) -> Failure {
    let mut names: Vec<String> = stuck.iter().take(TOLD).map(|index| format!("'{}'", nodes[*index].name)).collect();
    if stuck.len() > TOLD {
        names.push(format!("… {} more", stuck.len() - TOLD));
    }
    // Class and sentence are the dialect's own, spelling included: plugins' tests compare them.
    let message = format!("Problematic stage dependency. Check your workflow defintion at stage: {{{}}}", names.join(", "));
    let mut reasons = unknown_names(nodes);
    reasons.extend(cycle(nodes, consumers).map(|cycle| format!("stages depend on each other in a circle: {cycle}")));
    Failure { class: "AssertionError".to_owned(), ..Failure::noticed(FailureKind::Target, message) }.hint(reasons.join("; "))
}

fn unknown_names(nodes: &[Node]) -> Vec<String> {
    let unknown = nodes.iter().flat_map(|node| {
        node.dependencies.iter().filter_map(move |dependency| match dependency {
            Dependency::Unknown(name) => Some((node, name)),
            _ => None,
        })
    });
    let mut sentences = Vec::new();
    let mut beyond = 0;
    for (node, name) in unknown {
        if sentences.len() == TOLD {
            beyond += 1;
            continue;
        }
        let others = nodes.iter().map(|other| other.name.as_str()).filter(|other| *other != node.name);
        let near = if sentences.len() < ADVISED { nearest(name, others) } else { None };
        let advice = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        sentences.push(format!("stage `{}` depends on `{name}`, which does not exist{advice}", node.name));
    }
    if beyond > 0 {
        sentences.push(format!("{beyond} more dependencies do not exist"));
    }
    sentences
}

/// One cycle, as `a → b → a`, when there is one.
fn cycle(nodes: &[Node], consumers: &[Vec<usize>]) -> Option<String> {
    let (_, stuck) = groups(nodes, consumers, false);
    let members: HashSet<usize> = stuck.iter().copied().collect();
    // Each of them waits for another of them, so a walk along these never ends and meets itself.
    let mut walk = Vec::new();
    let mut seen = HashSet::new();
    let mut at = *stuck.first()?;
    while seen.insert(at) {
        walk.push(at);
        at = nodes[at].dependencies.iter().find_map(|dependency| match dependency {
            Dependency::On(producer) if members.contains(producer) => Some(*producer),
            _ => None,
        })?;
    }
    let begin = walk.iter().position(|index| *index == at)?;
    let mut circle: Vec<usize> = walk.split_off(begin);
    // The walk went against the flow of values; a reader follows it with the flow, from the first in the definition.
    circle.reverse();
    let first = circle.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(position, _)| position);
    circle.rotate_left(first);
    let mut names: Vec<String> = circle.iter().take(TOLD).map(|index| format!("`{}`", nodes[*index].name)).collect();
    if circle.len() > TOLD {
        names.push(format!("… {} more …", circle.len() - TOLD));
    }
    names.push(format!("`{}`", nodes[circle[0]].name));
    Some(names.join(" → "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value as Json, json};

    use super::*;

    fn spec(stages: &[Json]) -> WorkflowSpec {
        serde_json::from_value(json!({ "stages": stages })).unwrap()
    }

    fn stage(name: &str, depends_on: &[&str]) -> Json {
        json!({ "name": name, "target": "t", "depends_on": depends_on })
    }

    fn refused(stages: &[Json]) -> Failure {
        plan(Graph::of(&spec(stages))).unwrap_err()
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let cases: [(&[Json], &str, &str); 5] = [
            (&[stage("a", &["b"]), stage("b", &["a"])], "{'a', 'b'}", "stages depend on each other in a circle: `a` → `b` → `a`"),
            (
                &[stage("a", &["c"]), stage("b", &["a"]), stage("c", &["b"]), stage("d", &["c"]), stage("e", &[])],
                "{'a', 'b', 'c', 'd'}",
                "stages depend on each other in a circle: `a` → `b` → `c` → `a`",
            ),
            (
                &[stage("load", &[]), stage("train", &["laod"])],
                "{'train'}",
                "stage `train` depends on `laod`, which does not exist; did you mean `load`?",
            ),
            (&[stage("a", &["zebra"]), stage("b", &["a"])], "{'a', 'b'}", "stage `a` depends on `zebra`, which does not exist"),
            (
                &[stage("a", &["b", "nobody"]), stage("b", &["a"])],
                "{'a', 'b'}",
                "stage `a` depends on `nobody`, which does not exist; stages depend on each other in a circle: `a` → `b` → `a`",
            ),
        ];
        for (stages, names, hint) in cases {
            let failure = refused(stages);
            assert_eq!(failure.class, "AssertionError");
            assert_eq!(failure.message, format!("Problematic stage dependency. Check your workflow defintion at stage: {names}"));
            assert_eq!(failure.hint.as_deref(), Some(hint));
        }
    }

    #[test]
    fn options_are_laid_over_their_stage() {
        let stages = [
            json!({ "name": "a", "target": "t", "options": { "name": "renamed", "target": " other.target ", "depends_on": ["b"] } }),
            stage("b", &[]),
            stage("c", &["renamed"]),
        ];
        let plan = plan(Graph::of(&spec(&stages))).unwrap();
        assert_eq!((plan.nodes[0].name.as_str(), plan.nodes[0].target.as_str()), ("renamed", "other.target"));
        assert_eq!(plan.consumers, vec![vec![2], vec![0], vec![]]);
        assert_eq!(plan.result, 2);
        let unusable =
            json!({ "name": "a", "target": "t", "type": "parameterized", "options": { "allow_partial_failure": "maybe" } });
        let failure = refused(&[unusable]);
        assert_eq!(failure.class, "ValidationError");
        assert_eq!(failure.message, "option `allow_partial_failure` of stage `a` is `\"maybe\"`, not a boolean");
    }

    #[test]
    fn a_circle_of_thousands_is_told_in_one_line() {
        let names: Vec<String> = (0..5000).map(|index| format!("s{index}")).collect();
        let stages: Vec<Json> = (0..5000).map(|index| stage(&names[index], &[&names[(index + 4999) % 5000]])).collect();
        let failure = refused(&stages);
        assert!(failure.message.ends_with("'s19', … 4980 more}"), "{}", failure.message);
        let hint = failure.hint.unwrap();
        assert!(hint.ends_with("`s19` → … 4980 more … → `s0`"), "{hint}");
    }

    #[test]
    fn ten_thousand_stages_are_planned_in_no_time() {
        let names: Vec<String> = (0..10_000).map(|index| format!("s{index}")).collect();
        let all: Vec<&str> = names[..9_999].iter().map(String::as_str).collect();
        let chain: Vec<Json> =
            (0..10_000usize).map(|index| stage(&names[index], &all[index.saturating_sub(1)..index.min(9_999)])).collect();
        let mut fan: Vec<Json> = all.iter().map(|name| stage(name, &[])).collect();
        fan.push(stage(&names[9_999], &all));
        let unknown: Vec<Json> = names.iter().map(|name| stage(name, &["nobody"])).collect();
        for (shape, stages, good) in [("chain", chain, true), ("fan", fan, true), ("unknown", unknown, false)] {
            let spec = spec(&stages);
            let begin = Instant::now();
            let planned = plan(Graph::of(&spec));
            let warnings = check(&spec);
            let elapsed = begin.elapsed();
            assert_eq!((planned.is_ok(), warnings.is_empty()), (good, good), "{shape}");
            assert!(elapsed < Duration::from_secs(5), "{shape}: {elapsed:?}");
        }
    }
}
