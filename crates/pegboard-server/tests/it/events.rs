//! The log of events: told, taken up again, and what triggers make of it.

use serde_json::Value as Json;

use crate::support::{World, until};

fn listed(world: &World, more: &[&str]) -> Vec<Json> {
    let mut words = vec!["events", "--json"];
    words.extend(more);
    world.run(&words).well().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_are_told_in_order_and_go_on_behind_a_number_also_after_a_kill() {
    let mut world = World::new();
    world.workflow("w", "    - {name: a, target: platform.system}\n");
    assert!(listed(&world, &[]).is_empty());
    world.run(&["run", "w", "--wait"]).well();
    let first = listed(&world, &[]);
    let words: Vec<&str> = first.iter().map(|event| event["type"].as_str().unwrap().rsplit('.').next().unwrap()).collect();
    assert_eq!(words, ["workflow_started", "workflow_finished"]);
    assert_eq!(first[1]["data"]["state"], "finished");
    let last = first[1]["sequence"].as_u64().unwrap();
    assert!(listed(&world, &["--after", &last.to_string()]).is_empty());
    world.kill();
    world.start();
    assert_eq!(listed(&world, &[]), first);
    world.run(&["run", "w", "--wait"]).well();
    let next = listed(&world, &["--after", &last.to_string()]);
    assert_eq!(next.len(), 2);
    assert!(next.iter().all(|event| event["sequence"].as_u64().unwrap() > last));
    let text = world.run(&["events"]).well().stdout;
    assert_eq!(text.lines().count(), 4);
    assert!(text.contains("workflow.workflow_finished") && text.contains("finished"), "{text}");
}

#[test]
fn a_follower_hears_what_comes() {
    let world = World::new();
    world.workflow("w", "    - {name: a, target: platform.system}\n");
    let mut follower = world.command(&["events", "--follow", "--json"]).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(follower.stdout.take().unwrap()));
    world.run(&["run", "w", "--wait"]).well();
    let heard: Vec<Json> = lines.take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(heard[1]["data"]["workflow"], "w");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_trigger_that_triggers_itself_is_stopped_and_said() {
    let world = World::new();
    world.workflow("w", "    - {name: a, target: platform.system}\n");
    let rule = "kind: trigger_rule\nmetadata: {name: loop}\nspec:\n  rule: {eq: [{var: data.state}, finished]}\n  action: {target: run_workflow, parameters: {workflow: w}}\n";
    world.run(&["apply", &world.file("loop.yaml", rule)]).well();
    world.run(&["run", "w", "--wait"]).well();
    let problem =
        until("the trigger to be stopped", || world.get("/api/v1/triggers/loop")["problem"].as_str().map(str::to_owned));
    assert!(problem.contains("triggers itself"), "{problem}");
    let table = world.run(&["triggers"]).well().stdout;
    assert!(table.contains("held back until"), "{table}");
    let fired = world.get("/api/v1/triggers/loop")["fired"].as_u64().unwrap();
    assert!(fired > 0 && world.get("/api/v1/runs?workflow=w&limit=500")["runs"].as_array().unwrap().len() as u64 <= fired + 1);
}
