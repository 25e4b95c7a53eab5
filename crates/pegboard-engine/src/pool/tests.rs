//! The pool with fake workers and a paused clock.

use futures::{FutureExt, StreamExt};
use pegboard_model::WorkerState;
use tokio::time::sleep;

use super::*;

mod fake;

use fake::{broken, call, outcome, pool, source};

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Lets everything that can happen now happen.
async fn settle() {
    sleep(milliseconds(50)).await;
}

fn states(pool: &Pool) -> Vec<WorkerState> {
    pool.workers().into_iter().map(|status| status.state).collect()
}

#[tokio::test(start_paused = true)]
async fn workers_start_on_demand_and_are_used_again() {
    let source = source();
    let (pool, _) = pool(2, &source);
    assert_eq!(source.started(), 0, "nothing starts before the first call");
    for _ in 0..10 {
        assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    }
    assert_eq!(source.started(), 1);

    // Short calls that wait a moment do not start another worker, long ones do.
    for _ in 0..100 {
        let pair = (pool.call(call("sleep:1")), pool.call(call("sleep:0")));
        assert_eq!((outcome(pair.0).await, outcome(pair.1).await), (Ok(1), Ok(1)));
    }
    assert_eq!(source.started(), 1);
    let calls: Vec<_> = (0..10).map(|_| pool.call(call("sleep:100"))).collect();
    for call in calls {
        assert_eq!(outcome(call).await, Ok(1));
    }
    assert_eq!((source.started(), source.peak.load(Ordering::SeqCst)), (2, 2), "never more than two");
    assert_eq!(states(&pool), [WorkerState::Idle, WorkerState::Idle]);
    assert_eq!(pool.workers().iter().map(|worker| worker.calls).sum::<u64>(), 220);
    assert_eq!(pool.counters().calls.load(Ordering::Relaxed), 220);
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_are_served_in_order() {
    let (pool, _) = pool(1, &source());
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (stream, order) = (pool.call(call("sleep:1")), Arc::clone(&order));
            tokio::spawn(async move {
                outcome(stream).await.unwrap();
                order.lock().unwrap().push(number);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_the_queue_or_is_cancelled() {
    let (pool, _) = pool(1, &source());
    let mut running = pool.call(call("sleep:3600000"));
    assert!(matches!(running.next().await, Some(CallEvent::Started { .. })));
    let (first, second) = (pool.call(call("sleep:1")), pool.call(call("sleep:1")));
    assert_eq!(pool.queued(), 2);
    drop(first);
    assert_eq!(pool.queued(), 1);
    // An hour does not pass: the running call is cancelled, the worker lives and takes the next.
    let before = Instant::now();
    drop(running);
    assert_eq!(outcome(second).await, Ok(1));
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn surplus_workers_leave_and_the_first_stays() {
    let source = source();
    let (pool, _) = pool(4, &source);
    let calls: Vec<_> = (0..4).map(|_| pool.call(call("sleep:100"))).collect();
    for call in calls {
        outcome(call).await.unwrap();
    }
    assert_eq!(source.living(), 4);
    // One is in use all the time: it is always the same one, so the others get old.
    for _ in 0..40 {
        sleep(Duration::from_secs(10)).await;
        outcome(pool.call(call("sleep:1"))).await.unwrap();
    }
    assert_eq!(source.living(), 1);
    sleep(Duration::from_secs(100_000)).await;
    assert_eq!((source.living(), source.started()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_pool_at_rest_has_no_worker_and_fails_no_call() {
    let source = source();
    let (pool, _) = pool(1, &source);
    outcome(pool.call(call("sleep:1"))).await.unwrap();
    pool.rest();
    settle().await;
    assert_eq!((source.living(), source.started()), (0, 1));
    // A call that comes while the former worker is on its way out, and one in the same instant as the order.
    for began in 2..30 {
        assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
        pool.rest();
        assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
        assert!(source.started() <= began * 2, "{} workers", source.started());
        pool.rest();
    }
    // A running call is not disturbed; the worker leaves behind it, unless somebody waits.
    let running = pool.call(call("sleep:100"));
    settle().await;
    pool.rest();
    assert_eq!(outcome(running).await, Ok(1));
    settle().await;
    assert_eq!(source.living(), 0);
    let (running, behind) = (pool.call(call("sleep:100")), pool.call(call("sleep:100")));
    settle().await;
    pool.rest();
    let before = source.started();
    assert_eq!((outcome(running).await, outcome(behind).await), (Ok(1), Ok(1)));
    settle().await;
    assert_eq!((source.living(), source.started()), (0, before));
}

#[tokio::test(start_paused = true)]
async fn every_end_is_said_once_and_a_failure_spares_the_worker() {
    let source = source();
    let (pool, _) = pool(1, &source);
    assert_eq!(outcome(pool.call(call("raise"))).await.unwrap_err().kind, FailureKind::Raised);
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    assert_eq!(source.started(), 1);
    // Even when the worker forgets to say how it ended.
    assert_eq!(outcome(pool.call(call("vanish"))).await.unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    assert_eq!((source.started(), pool.counters().restarts.load(Ordering::Relaxed)), (2, 1));
    assert_eq!(pool.counters().failed.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_death_is_noticed_and_replaced() {
    let source = source();
    let (pool, _) = pool(1, &source);
    outcome(pool.call(call("sleep:1"))).await.unwrap();
    source.kill_all();
    settle().await;
    assert_eq!((source.living(), states(&pool)), (0, vec![]));
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    // A call that is handed over in the very instant of the death goes to the next worker.
    source.kill_all();
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    assert_eq!(source.started(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_parks_and_a_probe_lets_it_return() {
    let source = source();
    let (pool, told) = pool(1, &source);
    let waiting: Vec<_> = (0..10).map(|n| pool.call(call(if n < 5 { "crash" } else { "sleep:1" }))).collect();
    for (number, call) in waiting.into_iter().enumerate() {
        let failure = outcome(call).await.unwrap_err();
        let expected = if number < 5 { FailureKind::Died } else { FailureKind::Unavailable };
        assert_eq!(failure.kind, expected, "{number}: {failure:?}");
        assert_eq!(failure.traceback.as_deref(), Some("Traceback: crash"));
    }
    assert!(matches!(pool.standing(), Standing::Parked(..)));
    assert!(matches!(told.lock().unwrap().last(), Some(News::Standing)));
    let refused = outcome(pool.call(call("sleep:1"))).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("`pegboard plugin reload fake`"));
    assert_eq!(source.started(), 5);

    // The probe crashes: parked for longer.
    sleep(Duration::from_secs(60)).await;
    assert_eq!(outcome(pool.call(call("crash"))).await.unwrap_err().kind, FailureKind::Died);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(outcome(pool.call(call("sleep:1"))).await.unwrap_err().kind, FailureKind::Unavailable);
    sleep(Duration::from_secs(60)).await;
    // A probe that goes away frees its place; while one is on, others are refused.
    drop(pool.call(call("sleep:1")));
    settle().await;
    let probe = pool.call(call("sleep:1000"));
    settle().await;
    assert_eq!(outcome(pool.call(call("sleep:1"))).await.unwrap_err().kind, FailureKind::Unavailable);
    assert_eq!(outcome(probe).await, Ok(1));
    settle().await;
    assert_eq!(pool.standing(), Standing::Serving);
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn our_own_kills_are_no_crash_loop() {
    let (pool, _) = pool(1, &source());
    for _ in 0..20 {
        assert_eq!(outcome(pool.call(call("overdue"))).await.unwrap_err().kind, FailureKind::Deadline);
    }
    assert_eq!(pool.standing(), Standing::Serving);
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn code_that_does_not_load_fails_calls_without_a_storm_and_heals() {
    let source = broken();
    let (pool, _) = pool(4, &source);
    let calls: Vec<_> = (0..100).map(|_| pool.call(call("sleep:1"))).collect();
    for call in calls {
        let failure = outcome(call).await.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Load, "No module named 'x'"));
    }
    assert_eq!(source.started(), 4, "as many as were wanted at first, none again");
    // A second of constant calling.
    for _ in 0..1000 {
        sleep(milliseconds(1)).await;
        outcome(pool.call(call("sleep:1"))).await.unwrap_err();
    }
    assert!(source.started() <= 8, "{}", source.started());
    source.fail(None);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(1));
    assert_eq!(pool.standing(), Standing::Serving);
}

#[tokio::test]
async fn a_swap_under_load_loses_no_call() {
    let first = source();
    let (pool, _) = pool(4, &first);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                let mut generations = Vec::new();
                for _ in 0..50 {
                    generations.push(outcome(pool.call(call("sleep:2"))).await.unwrap());
                }
                generations
            })
        })
        .collect();
    let mut sources = vec![first];
    for _ in 0..20 {
        let source = source();
        pool.swap(Arc::clone(&source) as Arc<dyn WorkerSource>).await.unwrap();
        sources.push(source);
        // A broken one in between never answers.
        let broken = broken();
        assert!(pool.swap(Arc::clone(&broken) as Arc<dyn WorkerSource>).await.is_err());
        assert_eq!(broken.living(), 0);
    }
    let mut answered = 0;
    for task in tasks {
        let generations = task.await.unwrap();
        assert!(generations.is_sorted(), "a call went back to older code: {generations:?}");
        assert!(generations.iter().all(|generation| *generation == 1 || generation % 2 == 0));
        answered += generations.len();
    }
    assert_eq!(answered, 1000);
    let last = outcome(pool.call(call("sleep:1"))).await.unwrap();
    assert_eq!(last, 40, "new calls go to the newest");
    sleep(milliseconds(200)).await;
    for (number, source) in sources.iter().enumerate().take(20) {
        assert_eq!(source.living(), 0, "generation of swap {number} is still there");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_generation_drains() {
    let (old, new) = (source(), source());
    let (pool, _) = pool(2, &old);
    let long = pool.call(call("sleep:60000"));
    let short = pool.call(call("sleep:1"));
    assert_eq!(outcome(short).await, Ok(1));
    let former = pool.swap(Arc::clone(&new) as Arc<dyn WorkerSource>).await.unwrap().unwrap();
    settle().await;
    assert_eq!(old.living(), 1, "the idle one left at once");
    assert_eq!(states(&pool), [WorkerState::Draining, WorkerState::Idle]);
    assert!(former.drained().now_or_never().is_none());
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(2));
    assert_eq!(outcome(long).await, Ok(1), "ends where it began");
    former.drained().await;
    assert_eq!((old.living(), new.living()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn code_that_changed_does_not_join_workers_that_have_the_old() {
    let source = source();
    let (pool, _) = pool(4, &source);
    outcome(pool.call(call("sleep:1"))).await.unwrap();
    source.unchanged.store(false, Ordering::SeqCst);
    for message in [None, Some("half saved")] {
        source.fail(message);
        let calls: Vec<_> = (0..20).map(|_| pool.call(call("sleep:100"))).collect();
        for call in calls {
            assert_eq!(outcome(call).await, Ok(1));
        }
        assert_eq!(source.living(), 1, "the one with the old code has answered everything");
        assert!(source.started() <= 4, "{} starts in vain", source.started());
        assert_eq!(pool.standing(), Standing::Serving);
        sleep(Duration::from_secs(60)).await;
    }
    // When nobody is left who has the old code, the new has to do.
    source.fail(None);
    source.kill_all();
    settle().await;
    let calls: Vec<_> = (0..20).map(|_| pool.call(call("sleep:100"))).collect();
    for call in calls {
        assert_eq!(outcome(call).await, Ok(1));
    }
    assert_eq!(source.living(), 4);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_old_code_go_to_the_new() {
    let (old, new) = (source(), source());
    let (pool, _) = pool(1, &old);
    let long = pool.call(call("sleep:60000"));
    let queued: Vec<_> = (0..10).map(|_| pool.call(call("sleep:1"))).collect();
    settle().await;
    pool.swap(new).await.unwrap();
    for call in queued {
        assert_eq!(outcome(call).await, Ok(2));
    }
    assert_eq!(outcome(long).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn new_code_ends_parking() {
    let (pool, _) = pool(1, &source());
    for _ in 0..5 {
        outcome(pool.call(call("crash"))).await.unwrap_err();
    }
    assert!(matches!(pool.standing(), Standing::Parked(..)));
    pool.swap(source()).await.unwrap();
    assert_eq!(outcome(pool.call(call("sleep:1"))).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn closing_refuses_who_waits_and_ends_who_runs_when_told() {
    let source = source();
    let (pool, _) = pool(2, &source);
    let finishing = pool.call(call("sleep:1000"));
    let endless = pool.call(call("sleep:3600000"));
    let queued = pool.call(call("sleep:1"));
    settle().await;
    pool.close(Failure::noticed(FailureKind::Unavailable, "plugin `fake` was uninstalled"));
    assert_eq!(outcome(queued).await.unwrap_err().message, "plugin `fake` was uninstalled");
    assert_eq!(outcome(pool.call(call("sleep:1"))).await.unwrap_err().kind, FailureKind::Unavailable);
    assert_eq!(outcome(finishing).await, Ok(1));
    assert!(pool.drained().now_or_never().is_none());
    pool.cancel_running();
    assert_eq!(outcome(endless).await.unwrap_err().kind, FailureKind::Cancelled);
    pool.drained().await;
    assert_eq!((source.living(), states(&pool)), (0, vec![]));
    assert!(pool.swap(fake::source()).await.is_err(), "a closed pool starts nothing");
}

#[tokio::test(start_paused = true)]
async fn closing_abandons_a_start() {
    let mut slow = source();
    Arc::get_mut(&mut slow).unwrap().load = Duration::from_secs(3600);
    let (pool, _) = pool(1, &slow);
    let waiting = pool.call(call("sleep:1"));
    settle().await;
    assert_eq!(slow.living(), 1);
    pool.close(Failure::noticed(FailureKind::Unavailable, "stops"));
    assert_eq!(outcome(waiting).await.unwrap_err().message, "stops");
    pool.drained().await;
    assert_eq!(slow.living(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_a_person_wants_to_see_is_news() {
    let (pool, told) = pool(1, &source());
    for _ in 0..100 {
        outcome(pool.call(call("sleep:1"))).await.unwrap();
    }
    let states: Vec<_> = told
        .lock()
        .unwrap()
        .iter()
        .map(|news| match news {
            News::Worker(status) => status.state,
            News::Standing => panic!("nothing happened to the plugin"),
        })
        .collect();
    assert_eq!(states, [WorkerState::Starting, WorkerState::Idle]);
}
