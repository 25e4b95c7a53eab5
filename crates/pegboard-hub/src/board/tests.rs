//! The board by hand: time is a number, connections are channels, effects are looked at.

mod native;
mod world;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Connector, HubId, LogLevel, PluginType, SessionCause, SessionState};
use serde_json::json;
use tokio::sync::mpsc;

use self::world::{HERE, SECRET, World, record, session};
use super::Carrier;
use crate::keyring::hash_secret;
use crate::link::{Ending, Order};
use crate::options::HubOptions;
use crate::wire::event::{Outcome, Response};

const MOMENT: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_light_follows_beats_and_connections() {
    let mut world = World::new(PluginType::BatchModel);
    assert!(!world.live());
    let script = world.connect(SECRET);
    assert!(world.live());
    world.pass(Duration::from_secs(149));
    assert!(world.live());
    world.pass(2 * SECOND);
    assert!(!world.live(), "a silent connection is no plugin");
    world.beat(script.number, SECRET);
    assert!(world.live());
    world.leave(&script, world.now, Ending::Lost);
    assert!(world.live(), "clients come back within milliseconds");
    world.pass(3 * SECOND);
    assert!(!world.live());
}

#[test]
fn a_wrong_secret_keeps_its_connection_and_gets_nothing() {
    let mut world = World::new(PluginType::BatchModel);
    let mut stranger = world.connect("wrong");
    assert!(!world.live());
    assert_eq!(world.board.presence(world.plugin, world.now).unwrap().refused, 1);
    world.user(PluginType::BatchModel);
    world.tick(60 * SECOND);
    assert!(stranger.orders.try_recv().is_err(), "neither work nor the end");
    // The secret is rotated under a connection: out at its next beat.
    let mut script = world.connect(SECRET);
    assert_eq!(script.sent().len(), 1);
    let mut changed = record(PluginType::BatchModel);
    (changed.id, changed.secret_hash) = (world.plugin, hash_secret("new"));
    world.board.put_plugin(Arc::new(changed), "new".into());
    world.beat(script.number, SECRET);
    world.pass(4 * SECOND);
    assert!(!world.live());
    world.beat(script.number, "new");
    assert!(world.live());
    // An odd beat does not unmake who was known.
    world.run(|board, now, effects| board.heartbeat(script.number, None, now, effects));
    assert!(world.live());
}

#[test]
fn many_wrong_secrets_of_one_address_are_enough() {
    let mut world = World::new(PluginType::Model);
    let mut scripts: Vec<_> = (0..=super::QUARANTINE).map(|_| world.connect("wrong")).collect();
    assert!(!world.board.admits(HERE));
    assert!(matches!(scripts.pop().unwrap().orders.try_recv(), Ok(Order::Close)));
    assert!(world.board.admits(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))));
    for script in scripts {
        world.leave(&script, world.now, Ending::Lost);
    }
    assert!(world.board.admits(HERE));
}

#[test]
fn who_does_not_say_its_name_is_closed() {
    let mut world = World::new(PluginType::Model);
    let (sender, mut orders) = mpsc::unbounded_channel();
    world.board.arrived(HERE, sender, world.now);
    world.tick(9 * SECOND);
    assert!(orders.try_recv().is_err());
    world.tick(2 * SECOND);
    assert!(matches!(orders.try_recv(), Ok(Order::Close)));
}

#[test]
fn the_first_answer_counts_and_only_the_plugins_own() {
    let mut world = World::new(PluginType::BatchModel);
    let mut script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    assert_eq!(script.sent(), [id]);
    let stranger = world.connect("wrong");
    world.answer(stranger.number, id, Outcome::Result(json!("forged")));
    world.answer(script.number, HubId::random(), Outcome::Result(json!("nobody's")));
    assert_eq!(world.stored(id).state, SessionState::Running);
    world.answer(script.number, id, Outcome::Result(json!("first")));
    world.answer(script.number, id, Outcome::Result(json!("the same in the acknowledgement")));
    world.pass(2 * SECOND);
    world.answer(script.number, id, Outcome::Result(json!("second")));
    world.answer(script.number, id, Outcome::Error);
    let ended = world.stored(id);
    assert_eq!((ended.state, &ended.result), (SessionState::Finished, &json!("first")));
    assert_eq!(world.appended, ["a late answer was ignored", "a late answer was ignored"]);
}

#[test]
fn answers_are_judged_by_the_plugins_type() {
    let objects = json!({"objects": [], "classifications": [1], "relations": []});
    for (plugin_type, outcome, expected) in [
        (PluginType::Export, Outcome::Export("http://x".into()), Some(json!("http://x"))),
        (PluginType::Export, Outcome::Result(json!("done")), None),
        (PluginType::BatchModel, Outcome::Export("http://x".into()), None),
        (PluginType::Model, Outcome::Result(objects.clone()), Some(objects.clone())),
        (
            PluginType::Model,
            Outcome::Result(json!({"data": "u", "answer": objects})),
            Some(json!({"objects": [], "classifications": [1], "relations": [], "data": "u"})),
        ),
        (
            PluginType::Model,
            Outcome::Result(json!({"externalId": "e", "objects": [2]})),
            Some(json!({"objects": [2], "classifications": [], "relations": [], "externalId": "e"})),
        ),
        (PluginType::Model, Outcome::Result(json!("done")), None),
        (PluginType::Model, Outcome::Result(json!({"objects": 1})), None),
        (
            PluginType::FileExplorer,
            Outcome::Result(json!({"folders": [], "files": []})),
            Some(json!({"folders": [], "files": []})),
        ),
        (PluginType::FileExplorer, Outcome::Result(json!({"status": "fail", "error": "no bucket"})), None),
        (PluginType::Input, Outcome::Result(json!(null)), Some(json!(null))),
    ] {
        let mut world = World::new(plugin_type);
        let script = world.connect(SECRET);
        let id = world.user(plugin_type);
        world.answer(script.number, id, outcome.clone());
        match expected {
            Some(result) => assert_eq!(world.stored(id).result, result, "{outcome:?}"),
            None => assert_eq!(world.code(id), "plugin-answer", "{outcome:?}"),
        }
    }
}

#[test]
fn an_error_is_explained_by_the_last_error_line() {
    let mut world = World::new(PluginType::BatchModel);
    let script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.say(script.number, id, LogLevel::Error, "first");
    world.say(script.number, id, LogLevel::Error, &format!("second {SECRET}? no: api-key"));
    world.answer(script.number, id, Outcome::Error);
    assert_eq!(world.code(id), "plugin-raised");
    assert_eq!(world.stored(id).failure.as_ref().unwrap().message, format!("second {SECRET}? no: ***"));
}

#[test]
fn an_acknowledgement_without_an_answer() {
    for (plugin_type, state) in [(PluginType::BatchModel, SessionState::Finished), (PluginType::Export, SessionState::Failed)] {
        let mut world = World::new(plugin_type);
        let script = world.connect(SECRET);
        let id = world.user(plugin_type);
        world.board.handled(script.number, id, world.now);
        world.say(script.number, id, LogLevel::Error, "Error calling sdk.export: 400");
        world.tick(Duration::from_millis(200));
        assert_eq!(world.stored(id).state, SessionState::Running, "what was said may be a moment behind");
        world.tick(Duration::from_millis(300));
        assert_eq!(world.stored(id).state, state);
        if state == SessionState::Failed {
            assert_eq!(world.stored(id).failure.as_ref().unwrap().message, "Error calling sdk.export: 400");
        }
    }
    // A workflow's task is acknowledged when it begins.
    let mut world = World::new(PluginType::Model);
    let script = world.connect(SECRET);
    let id = world.task();
    world.board.handled(script.number, id, world.now);
    world.tick(5 * SECOND);
    assert_eq!(world.stored(id).state, SessionState::Running);
    world.run(|board, now, effects| board.annotated(id, now, effects));
    assert_eq!(world.stored(id).state, SessionState::Finished);
}

#[test]
fn a_reconnect_takes_the_runs_along() {
    // The new connection beats before the old one closes.
    let mut world = World::new(PluginType::BatchModel);
    let old = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    let heard = world.now;
    world.pass(MOMENT);
    let mut new = world.connect(SECRET);
    world.leave(&old, heard, Ending::Lost);
    world.tick(40 * SECOND);
    assert!(new.sent().is_empty(), "the process is still at work");
    world.answer(new.number, id, Outcome::Result(json!("late")));
    assert_eq!(world.stored(id).result, json!("late"));
    // Or after it.
    let id = world.user(PluginType::BatchModel);
    assert_eq!(new.sent(), [id]);
    world.leave(&new, world.now, Ending::Lost);
    world.pass(MOMENT);
    let mut third = world.connect(SECRET);
    world.tick(SECOND);
    assert!(third.sent().is_empty());
    world.answer(third.number, id, Outcome::Result(json!(3)));
    assert_eq!((world.stored(id).result.clone(), world.stored(id).attempts), (json!(3), 1));
}

/// Releases that answer in acknowledgements lose those with their connection.
#[test]
fn an_answer_that_would_be_lost_is_asked_for_again() {
    let mut world = World::new(PluginType::BatchModel);
    let old = world.connect(SECRET);
    let first = world.user(PluginType::BatchModel);
    let response = Response { session: Some(first), outcome: Outcome::Result(json!(1)), is_cancelled: false, reason: None };
    world.run(|board, now, effects| board.response_in_ack(old.number, response, now, effects));
    assert_eq!(world.stored(first).result, json!(1));
    let id = world.user(PluginType::BatchModel);
    let heard = world.now;
    world.pass(MOMENT);
    let mut new = world.connect(SECRET);
    world.leave(&old, heard, Ending::Lost);
    world.tick(2 * SECOND);
    assert_eq!((new.sent(), world.stored(id).attempts), (vec![id], 2));
}

#[test]
fn a_new_process_gets_the_run_again_but_not_for_ever() {
    let mut world = World::new(PluginType::BatchModel);
    let first = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.leave(&first, world.now, Ending::Lost);
    world.tick(5 * SECOND);
    let mut second = world.connect(SECRET);
    assert_eq!(second.sent(), [id]);
    world.leave(&second, world.now, Ending::Lost);
    world.tick(5 * SECOND);
    world.connect(SECRET);
    assert_eq!(world.code(id), "plugin-restarted");
}

#[test]
fn a_plugin_that_stays_away_fails_its_runs() {
    let mut world = World::new(PluginType::BatchModel);
    let script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.leave(&script, world.now, Ending::Lost);
    world.tick(29 * SECOND);
    assert_eq!(world.stored(id).state, SessionState::Running);
    world.tick(2 * SECOND);
    assert_eq!(world.code(id), "plugin-left");
}

#[test]
fn a_message_that_is_too_large_is_not_asked_for_again() {
    let mut world = World::new(PluginType::BatchModel);
    let script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.leave(&script, world.now, Ending::TooLarge);
    assert_eq!(world.code(id), "plugin-answer-too-large");
    assert!(world.connect(SECRET).sent().is_empty());
}

#[test]
fn after_a_restart_of_the_server() {
    // The socket is new: the processes of before have ended, and new ones get the runs.
    let resumed = |options: HubOptions| {
        let mut world = World::with(PluginType::BatchModel, options);
        let mut running = session(world.plugin, PluginType::BatchModel, None, SessionCause::User, world.now);
        (running.state, running.attempts, running.started_at) = (SessionState::Running, 1, Some(world.now));
        let queued = session(world.plugin, PluginType::BatchModel, None, SessionCause::User, world.now);
        let ids = (running.id, queued.id);
        world.run(|board, now, effects| board.resume(running, now, effects));
        world.run(|board, now, effects| board.resume(queued, now, effects));
        world.pass(2 * SECOND);
        let mut script = world.connect(SECRET);
        let sent = script.sent();
        (world, script, ids, sent)
    };
    let (.., (running, queued), mut sent) = resumed(HubOptions::default());
    let mut both = [running, queued];
    both.sort();
    sent.sort();
    assert_eq!(sent, both);
    // The socket was kept: who comes soon is the process of before, and still at work.
    let kept = HubOptions { reunion: Some(6 * SECOND), ..HubOptions::default() };
    let (mut world, script, (running, queued), sent) = resumed(kept);
    assert_eq!(sent, [queued]);
    world.answer(script.number, running, Outcome::Result(json!("from before")));
    assert_eq!(world.stored(running).result, json!("from before"));
}

#[test]
fn limits_order_and_places() {
    let mut world = World::new(PluginType::Export);
    let mut script = world.connect(SECRET);
    let project = HubId::random();
    let one = world.ask(PluginType::Export, Some(project), SessionCause::User);
    let two = world.ask(PluginType::Export, Some(project), SessionCause::User);
    let other = world.ask(PluginType::Export, Some(HubId::random()), SessionCause::User);
    assert_eq!(script.sent(), [one, other], "two exports of one project are one after the other");
    assert_eq!((world.board.position(two), world.board.position(one)), (Some(1), None));
    world.answer(script.number, one, Outcome::Export("http://x".into()));
    assert_eq!(script.sent(), [two]);

    // One task of a workflow at a time on each connection, others beside it.
    let mut world = World::new(PluginType::Model);
    let (mut a, mut b) = (world.connect(SECRET), world.connect(SECRET));
    let tasks: Vec<_> = (0..3).map(|_| world.task()).collect();
    let asset = world.user(PluginType::Model);
    let sent = [a.sent(), b.sent()].concat();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(sent.contains(&asset) && !sent.contains(&tasks[2]));
    assert_eq!(world.board.position(tasks[2]), Some(1));
    let presence = world.board.presence(world.plugin, world.now).unwrap();
    assert_eq!((presence.busy, presence.queued, presence.connections), (3, 1, 2));

    // The hub's own limit for each connection.
    let mut world = World::new(PluginType::BatchModel);
    let mut script = world.connect(SECRET);
    let ids: Vec<_> = (0..10).map(|_| world.user(PluginType::BatchModel)).collect();
    assert_eq!(script.sent(), ids[..8]);
    world.answer(script.number, ids[3], Outcome::Result(json!(1)));
    assert_eq!(script.sent(), [ids[8]]);
}

#[test]
fn a_busy_client_is_asked_again_later() {
    let mut world = World::new(PluginType::Model);
    let mut script = world.connect(SECRET);
    let id = world.task();
    assert_eq!(script.sent(), [id]);
    world.pass(Duration::from_millis(2));
    world.answer(script.number, id, Outcome::Error);
    assert!(script.sent().is_empty());
    world.tick(Duration::from_millis(600));
    assert_eq!(script.sent(), [id]);
    // With a reason, or after a while, it is a failure.
    world.say(script.number, id, LogLevel::Error, "Workflow plugin failed");
    world.answer(script.number, id, Outcome::Error);
    assert_eq!(world.code(id), "plugin-raised");
    let slow = world.task();
    world.pass(SECOND);
    world.answer(script.number, slow, Outcome::Error);
    assert_eq!(world.code(slow), "plugin-raised");
    // And nobody is asked for ever.
    let never = world.task();
    for _ in 0..20 {
        if script.sent().is_empty() {
            world.tick(20 * SECOND);
        } else {
            world.answer(script.number, never, Outcome::Error);
        }
        world.beat(script.number, SECRET);
    }
    assert_eq!(world.code(never), "plugin-busy");
}

#[test]
fn time_ends_what_nobody_answers() {
    let mut world = World::new(PluginType::BatchModel);
    let script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.tick(59 * SECOND);
    assert_eq!(world.stored(id).state, SessionState::Running);
    world.tick(2 * SECOND);
    assert_eq!(world.code(id), "session-timeout");
    world.answer(script.number, id, Outcome::Result(json!("late")));
    assert_eq!(world.stored(id).result, json!(null));

    let mut world = World::with(PluginType::BatchModel, HubOptions { queue_limit: 60 * SECOND, ..HubOptions::default() });
    let id = world.user(PluginType::BatchModel);
    world.tick(61 * SECOND);
    assert_eq!(world.code(id), "session-queue-timeout");
}

#[test]
fn cancelled_sessions_stay_cancelled() {
    let mut world = World::new(PluginType::BatchModel);
    let mut script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    world.run(|board, now, effects| assert!(board.cancel(id, now, effects)));
    world.run(|board, now, effects| assert!(!board.cancel(id, now, effects)));
    world.answer(script.number, id, Outcome::Result(json!("late")));
    assert_eq!(world.stored(id).state, SessionState::Cancelled);
    assert_eq!(world.stored(id).result, json!(null));
    // Its slot is free.
    assert_eq!(script.sent(), [id]);
    let next = world.user(PluginType::BatchModel);
    assert_eq!(script.sent(), [next]);
}

#[test]
fn a_flood_of_lines_is_counted_and_said() {
    let mut world = World::with(PluginType::BatchModel, HubOptions { log_lines: 100, ..HubOptions::default() });
    let script = world.connect(SECRET);
    let id = world.user(PluginType::BatchModel);
    for number in 0..100_000 {
        world.say(script.number, id, LogLevel::Info, &format!("line {number}"));
    }
    world.say(script.number, id, LogLevel::Error, "the reason");
    let kept = world.board.sessions[&id].lines.len();
    assert_eq!(kept, 101, "the limit, and one line that says so");
    world.answer(script.number, id, Outcome::Error);
    let ended = world.stored(id);
    assert_eq!((ended.log.lines, ended.log.dropped), (100, 99_901));
    assert_eq!(ended.failure.as_ref().unwrap().message, "the reason", "also when its line was not kept");
}

#[test]
fn a_removed_plugin_fails_its_sessions() {
    let mut world = World::new(PluginType::BatchModel);
    let _script = world.connect(SECRET);
    let (id, plugin) = (world.user(PluginType::BatchModel), world.plugin);
    world.run(|board, now, effects| board.remove_plugin(plugin, now, effects));
    assert_eq!(world.code(id), "plugin-removed");
    assert_eq!(world.board.presence(plugin, world.now), None);
}

#[test]
fn a_rest_plugin_is_called_while_it_answers() {
    let mut world = World::new(PluginType::BatchModel);
    let mut changed = record(PluginType::BatchModel);
    (changed.id, changed.connector) = (world.plugin, Connector::Rest { url: "http://x".into() });
    world.board.put_plugin(Arc::new(changed), SECRET.into());
    let (plugin, id) = (world.plugin, world.user(PluginType::BatchModel));
    assert!(world.prepared.is_empty());
    world.run(|board, now, effects| board.answered(plugin, true, now, effects));
    assert_eq!(world.prepared, [id]);
    assert_eq!(world.board.sessions[&id].place, super::Place::Sent(Carrier::Rest));
    world.run(|board, now, effects| {
        board.returned(
            id,
            Some(Response { session: None, outcome: Outcome::Result(json!(1)), is_cancelled: false, reason: None }),
            now,
            effects,
        )
    });
    assert_eq!(world.stored(id).result, json!(1));
    world.run(|board, now, effects| board.answered(plugin, false, now, effects));
    assert!(!world.live());
}
