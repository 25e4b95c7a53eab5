//! The policy as tables: history, event and time in, decision out.

use super::*;

fn failure(message: &str) -> Failure {
    Failure::noticed(FailureKind::Died, message).traceback("Traceback: here")
}

fn died() -> Event {
    Event::Died { failure: failure("exit status 3"), probe: false }
}

fn probe_died() -> Event {
    Event::Died { failure: failure("exit status 3"), probe: true }
}

/// Feeds events at seconds after the start and compares what was decided.
fn check(history: &mut History, start: Instant, steps: &[(f64, Event, Decision)]) {
    for (step, (seconds, event, expected)) in steps.iter().enumerate() {
        let decision = decide(history, event.clone(), start + Duration::from_secs_f64(*seconds));
        assert_eq!(&decision, expected, "step {step}: {event:?} at {seconds} s");
    }
}

#[test]
fn restarts_back_off_and_begin_anew_after_a_healthy_time() {
    let start = Instant::now();
    let at = |seconds: f64| Decision::StartAt(start + Duration::from_secs_f64(seconds));
    use Decision::{Nothing, Start};
    use Event::WorkerWanted;
    check(
        &mut History::default(),
        start,
        &[
            (0.0, WorkerWanted, Start),
            (10.0, died(), Nothing),
            (10.0, WorkerWanted, Start),
            (30.0, died(), Nothing),
            (30.0, WorkerWanted, at(30.1)),
            (30.1, WorkerWanted, Start),
            (50.0, died(), Nothing),
            (50.0, WorkerWanted, at(50.2)),
            (75.0, died(), Nothing),
            (75.0, WorkerWanted, at(75.4)),
            (140.0, died(), Nothing),
            (140.0, WorkerWanted, Start),
        ],
    );
}

#[test]
fn the_pause_is_never_longer_than_thirty_seconds() {
    let start = Instant::now();
    let mut history = History::default();
    let mut now = start;
    for _ in 0..100 {
        now += Duration::from_secs(20);
        decide(&mut history, died(), now);
    }
    assert_eq!(decide(&mut history, Event::WorkerWanted, now), Decision::StartAt(now + BACKOFF_LAST));
}

#[test]
fn five_deaths_within_a_minute_park_and_one_probe_is_let_through_ever_more_seldom() {
    let start = Instant::now();
    use Decision::{Admit, Nothing, Probe, Recovered};
    let parked = Decision::Park(failure("exit status 3"));
    let refused = |seconds| Decision::Refuse(Standing::Parked(failure("exit status 3"), Duration::from_secs(seconds)));
    check(
        &mut History::default(),
        start,
        &[
            (0.0, died(), Nothing),
            (1.0, died(), Nothing),
            (2.0, died(), Nothing),
            (3.0, died(), Nothing),
            (4.0, Event::Called, Admit),
            (5.0, died(), parked.clone()),
            (5.1, Event::Called, refused(60)),
            (64.9, Event::Called, refused(60)),
            // A bystander that dies meanwhile changes nothing.
            (64.9, died(), Nothing),
            (65.0, Event::Called, Probe),
            (65.0, Event::Called, refused(60)),
            // Withdrawn: the next one may try at once.
            (65.1, Event::ProbeWithdrawn, Nothing),
            (65.1, Event::Called, Probe),
            (66.0, Event::Loaded, Nothing),
            (66.9, died(), Nothing),
            (67.0, probe_died(), parked.clone()),
            (186.9, Event::Called, refused(120)),
            (187.0, Event::Called, Probe),
            (188.0, Event::Answered { probe: true }, Recovered),
            (188.0, Event::Called, Admit),
            (188.0, Event::Called, Admit),
        ],
    );
    // Deaths further apart are no loop.
    let steps: Vec<_> = (0..20).map(|n| (f64::from(n) * 16.0, died(), Nothing)).collect();
    check(&mut History::default(), start, &steps);
}

#[test]
fn deaths_with_answers_between_are_no_loop() {
    let now = Instant::now();
    let mut history = History::default();
    for _ in 0..10 * LOOP_DEATHS {
        assert_eq!(decide(&mut history, died(), now), Decision::Nothing);
        assert_eq!(decide(&mut history, Event::WorkerWanted, now), Decision::Start);
        assert_eq!(decide(&mut history, Event::Answered { probe: false }, now), Decision::Nothing);
    }
}

#[test]
fn a_parked_plugin_is_tried_at_least_every_ten_minutes() {
    let mut history = History::default();
    let mut now = Instant::now();
    for _ in 0..LOOP_DEATHS {
        decide(&mut history, died(), now);
    }
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = now;
        while decide(&mut history, Event::Called, now) != Decision::Probe {
            now += Duration::from_secs(1);
        }
        waits.push((now - before).as_secs());
        decide(&mut history, probe_died(), now);
    }
    assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
}

#[test]
fn a_failed_load_breaks_without_a_storm_and_heals_by_itself() {
    let start = Instant::now();
    use Decision::{Admit, Nothing, Probe, Recovered, Start};
    let broken = || Failure { class: "ModuleNotFoundError".into(), kind: FailureKind::Load, ..failure("No module named 'x'") };
    let failed = |others| Event::StartFailed { failure: broken(), others };
    let refused = Decision::Refuse(Standing::Broken(broken()));
    let mut history = History::default();
    check(
        &mut history,
        start,
        &[
            (0.0, Event::Called, Admit),
            // While another worker lives, it only waits.
            (0.0, failed(true), Nothing),
            (0.0, Event::WorkerWanted, Decision::StartAt(start + BACKOFF_FIRST)),
            (0.0, failed(false), Decision::Break(broken())),
            (0.1, Event::Called, refused.clone()),
            (0.2, Event::Called, Probe),
            (0.2, Event::WorkerWanted, Start),
            (0.2, Event::Called, refused.clone()),
            (0.2, failed(false), Decision::Break(broken())),
            (0.5, Event::Called, refused.clone()),
            (0.7, Event::Called, Probe),
            (0.8, Event::Loaded, Recovered),
            (0.8, Event::Called, Admit),
        ],
    );
    assert_eq!(history.standing(), &Standing::Serving);
}

#[test]
fn new_code_forgets_everything() {
    let mut history = History::default();
    let now = Instant::now();
    for _ in 0..LOOP_DEATHS {
        decide(&mut history, died(), now);
    }
    decide(&mut history, Event::Replaced, now);
    assert_eq!(decide(&mut history, Event::Called, now), Decision::Admit);
    assert_eq!(decide(&mut history, Event::WorkerWanted, now), Decision::Start);
}

#[test]
fn what_a_former_server_found_is_tried_again_by_the_first_call() {
    for standing in [Standing::Broken(failure("a")), Standing::Parked(failure("b"), Duration::ZERO)] {
        let mut history = History::restored(standing.clone());
        let now = Instant::now();
        assert_eq!(decide(&mut history, Event::Called, now), Decision::Probe);
        assert_eq!(decide(&mut history, Event::Called, now), Decision::Refuse(standing));
    }
}

#[test]
fn refusals_say_what_happened_and_what_to_do() {
    let parked = refusal("a-b", &Standing::Parked(failure("killed by signal 11"), PARKED_FIRST));
    assert_eq!(parked.kind, FailureKind::Unavailable);
    assert!(parked.message.contains("`a-b` is parked") && parked.message.ends_with("killed by signal 11"));
    assert_eq!(parked.traceback.as_deref(), Some("Traceback: here"));
    let hint = parked.hint.unwrap();
    assert!(hint.contains("`pegboard plugin reload a-b`") && hint.ends_with("again 60 s after that"), "{hint}");

    let broken = refusal("a", &Standing::Broken(failure("exit status 1 while loading")));
    assert_eq!((broken.kind, broken.message.as_str()), (FailureKind::Load, "exit status 1 while loading"));
    assert!(broken.hint.unwrap().contains("`pegboard plugin reload a`"));

    let advised = Failure::noticed(FailureKind::Load, "No module named 'x'").hint("add it to the dependencies");
    let hint = refusal("a", &Standing::Broken(advised)).hint.unwrap();
    assert!(hint.starts_with("add it to the dependencies; then run `pegboard plugin reload a`"), "{hint}");

    let missing = Failure::noticed(FailureKind::Unavailable, "gone").hint("run `pegboard upgrade a`");
    assert_eq!(refusal("a", &Standing::Broken(missing.clone())), missing);
}
