//! Connections of our own client: what they name is theirs, what they do not name is not.

use std::time::Duration;

use pegboard_model::{HubId, PluginType, SessionProgress, SessionState};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::world::{HERE, SECRET, Script, World};
use crate::link::{Ending, Order};
use crate::wire::event::{Heartbeat, Native, Outcome, Progress, Response};

const SECOND: Duration = Duration::from_secs(1);

impl World {
    fn beat_as(&mut self, number: u64, process: &str, running: &[HubId]) {
        let native = Native { process: process.to_owned(), running: running.to_vec(), concurrency: Some(2) };
        let said = Heartbeat { id: self.plugin.to_string(), secret: SECRET.to_owned(), native: Some(native) };
        self.run(|board, now, effects| board.heartbeat(number, Some(said), now, effects));
    }

    fn connect_as(&mut self, process: &str, running: &[HubId]) -> Script {
        let (sender, orders) = mpsc::unbounded_channel();
        let number = self.board.arrived(HERE, sender, self.now);
        self.beat_as(number, process, running);
        Script { number, orders }
    }
}

/// What a connection was told and sent since the last look: runs by their session, everything else by name and body.
fn said(script: &mut Script) -> (Vec<HubId>, Vec<(&'static str, Json)>) {
    let (mut runs, mut told) = (Vec::new(), Vec::new());
    while let Ok(order) = script.orders.try_recv() {
        match order {
            Order::Run { session, .. } => runs.push(session),
            Order::Tell { name, payload } => told.push((name, serde_json::from_str(&payload).unwrap())),
            Order::Close => {}
        }
    }
    (runs, told)
}

#[test]
fn it_is_told_whether_it_is_let_in_and_how_much_it_takes_counts() {
    let mut world = World::new(PluginType::BatchModel);
    let mut script = world.connect_as("one", &[]);
    let (_, told) = said(&mut script);
    assert_eq!((told[0].0, &told[0].1["name"]), ("welcome", &json!("p")));
    let asked: Vec<HubId> = (0..3).map(|_| world.user(PluginType::BatchModel)).collect();
    assert_eq!(said(&mut script).0, asked[..2], "two at once, as it said");
    world.answer(script.number, asked[0], Outcome::Result(json!(1)));
    assert_eq!(said(&mut script).0, asked[2..]);

    let (sender, orders) = mpsc::unbounded_channel();
    let number = world.board.arrived(HERE, sender, world.now);
    let native = Native { process: "x".into(), running: Vec::new(), concurrency: None };
    let wrong = Heartbeat { id: world.plugin.to_string(), secret: "wrong".into(), native: Some(native) };
    world.run(|board, now, effects| board.heartbeat(number, Some(wrong), now, effects));
    assert_eq!(said(&mut Script { number, orders }).1[0].0, "refused");
}

#[test]
fn a_process_that_comes_back_keeps_its_runs() {
    let mut world = World::new(PluginType::BatchModel);
    let first = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    world.leave(&first, world.now, Ending::Lost);
    world.tick(4 * SECOND);
    // Another process of the plugin does not get what the first may still be at.
    let mut other = world.connect_as("two", &[]);
    assert!(said(&mut other).0.is_empty());
    let mut again = world.connect_as("one", &[id]);
    assert!(said(&mut again).0.is_empty(), "it is not sent again");
    world.tick(60 * Duration::from_millis(100));
    world.answer(again.number, id, Outcome::Result(json!("done")));
    let ended = world.stored(id);
    assert_eq!((ended.state, ended.attempts), (SessionState::Finished, 1));
}

#[test]
fn what_a_process_has_lost_or_left_is_sent_again() {
    let mut world = World::new(PluginType::BatchModel);
    let first = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    world.leave(&first, world.now, Ending::Lost);
    // The same process, and it knows nothing of the run: it never arrived.
    let mut again = world.connect_as("one", &[]);
    assert_eq!(said(&mut again).0, [id]);
    // It says goodbye: the next process gets it at once.
    let mut world = World::new(PluginType::BatchModel);
    let first = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    world.leave(&first, world.now, Ending::Asked);
    let mut next = world.connect_as("two", &[]);
    world.tick(Duration::from_millis(100));
    assert_eq!(said(&mut next).0, [id]);
}

#[test]
fn after_a_restart_of_the_server_a_named_run_is_not_sent_again() {
    let mut world = World::new(PluginType::BatchModel);
    let first = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    let stored = world.stored(id).clone();
    let mut after = World::new(PluginType::BatchModel);
    let mut record = super::record(PluginType::BatchModel);
    record.id = world.plugin;
    after.board.put_plugin(std::sync::Arc::new(record), SECRET.into());
    after.plugin = world.plugin;
    after.run(|board, now, effects| board.resume(stored, now, effects));
    let mut again = after.connect_as("one", &[id]);
    assert!(said(&mut again).0.is_empty());
    after.answer(again.number, id, Outcome::Result(json!(1)));
    assert_eq!((after.stored(id).state, after.stored(id).attempts), (SessionState::Finished, 1));
    drop(first);
}

#[test]
fn it_is_told_what_is_cancelled_and_what_is_over() {
    let mut world = World::new(PluginType::BatchModel);
    let mut script = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    said(&mut script);
    world.run(|board, now, effects| assert!(board.cancel(id, now, effects)));
    assert_eq!(said(&mut script).1, [("cancel", json!({ "session": id.to_string() }))]);
    // Its answer to that is no late answer.
    let answer = Response { session: Some(id), outcome: Outcome::Error, reason: None, is_cancelled: true };
    let number = script.number;
    world.run(|board, now, effects| board.response(number, answer, now, effects));
    assert!(world.appended.is_empty());
    // One that it still names although nobody wants it.
    let unknown = HubId::random();
    world.beat_as(number, "one", &[id, unknown]);
    assert_eq!(said(&mut script).1.len(), 2);
}

#[test]
fn progress_and_reasons() {
    let mut world = World::new(PluginType::BatchModel);
    let script = world.connect_as("one", &[]);
    let id = world.user(PluginType::BatchModel);
    let (number, now) = (script.number, world.now);
    let told = |session| Progress { session, progress: Some(SessionProgress { total: 10, done: 4 }) };
    world.board.progress(number, &told(HubId::random()), now);
    world.board.progress(number, &told(id), now);
    assert_eq!(world.board.session(id).unwrap().progress, Some(SessionProgress { total: 10, done: 4 }));
    let answer =
        Response { session: Some(id), outcome: Outcome::Error, reason: Some("KeyError: 'x'".into()), is_cancelled: false };
    world.run(|board, now, effects| board.response(number, answer, now, effects));
    assert!(world.stored(id).failure.as_ref().unwrap().message.contains("KeyError"), "{:?}", world.stored(id));
}
