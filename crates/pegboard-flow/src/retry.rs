//! When a failed call, or a failed item, is tried again.
//!
//! Pure: chance comes in as a number, and nobody waits here.

use std::time::Duration;

use pegboard_model::{Failure, FailureKind, Retries};

/// No delay is longer, whatever a workflow says: a year.
const LONGEST: f64 = 31_536_000.0;
/// Items of a group that are named when they are tried again.
const NAMED: usize = 5;

/// Whether a failure may go away by itself: the code raised, was too slow, or took its worker with it. What cannot change
/// between two attempts, as a target that does not resolve, is not tried again.
pub(crate) fn may_pass(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Raised | FailureKind::Died | FailureKind::Deadline | FailureKind::Memory)
}

/// Whether the attempt that failed is followed by another. `attempt` counts from 1.
pub(crate) fn is_followed(policy: Option<&Retries>, attempt: u32, failure: &Failure) -> bool {
    policy.is_some_and(|policy| attempt <= policy.count) && may_pass(failure.kind)
}

/// Time before the attempt after `attempt` (from 1); `chance` is from 0 to below 1.
pub(crate) fn delay(policy: &Retries, attempt: u32, chance: f64) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = policy.delay * policy.factor.powi(exponent);
    // Zero times infinity is no number; a delay of nothing stays nothing.
    let grown = if policy.delay == 0.0 { 0.0 } else { grown.min(policy.longest) };
    let seconds = grown * (1.0 + policy.jitter * chance);
    Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST)).unwrap_or_default()
}

/// What the log says before the attempt after `attempt`.
pub(crate) fn story(policy: &Retries, attempt: u32, delay: Duration, failure: &Failure) -> String {
    let of = u64::from(policy.count) + 1;
    let next = u64::from(attempt) + 1;
    format!("attempt {next} of {of} in {:.1} s: {}: {}", delay.as_secs_f64(), failure.class, failure.message)
}

/// The same for items that are tried again together; `first` is how the first of them failed.
pub(crate) fn story_of_items(policy: &Retries, attempt: u32, delay: Duration, items: &[usize], first: &Failure) -> String {
    let mut names: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    if items.len() > NAMED {
        names.push(format!("{} more", items.len() - NAMED));
    }
    let word = if items.len() == 1 { "item" } else { "items" };
    format!("{word} {}: {}", names.join(", "), story(policy, attempt, delay, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(count: u32, delay: f64, factor: f64, longest: f64, jitter: f64) -> Retries {
        Retries { count, delay, factor, longest, jitter }
    }

    #[test]
    fn delays_grow_to_the_longest_and_are_lengthened_by_chance() {
        let cases: [(Retries, u32, f64, f64); 10] = [
            (policy(3, 1.0, 2.0, 60.0, 0.0), 1, 0.9, 1.0),
            (policy(3, 1.0, 2.0, 60.0, 0.0), 2, 0.9, 2.0),
            (policy(3, 1.0, 2.0, 60.0, 0.0), 3, 0.9, 4.0),
            (policy(9, 1.0, 2.0, 5.0, 0.0), 4, 0.0, 5.0),
            (policy(9, 2.0, 1.0, 60.0, 0.5), 1, 0.0, 2.0),
            (policy(9, 2.0, 1.0, 60.0, 0.5), 1, 0.5, 2.5),
            (policy(9, 10.0, 1.0, 5.0, 0.1), 1, 0.5, 5.25),
            (policy(u32::MAX, 1.0, 10.0, 60.0, 0.0), u32::MAX, 0.0, 60.0),
            (policy(u32::MAX, 0.0, 10.0, 60.0, 0.5), u32::MAX, 0.9, 0.0),
            (policy(9, 1e300, 1e300, 1e300, 1e300), 9, 0.9, LONGEST),
        ];
        for (policy, attempt, chance, seconds) in cases {
            assert_eq!(delay(&policy, attempt, chance), Duration::from_secs_f64(seconds), "{policy:?}, attempt {attempt}");
        }
    }

    #[test]
    fn what_cannot_change_is_not_tried_again() {
        let policy = policy(2, 1.0, 2.0, 60.0, 0.0);
        let kinds = [
            (FailureKind::Raised, true),
            (FailureKind::Died, true),
            (FailureKind::Deadline, true),
            (FailureKind::Memory, true),
            (FailureKind::Load, false),
            (FailureKind::Target, false),
            (FailureKind::Unpicklable, false),
            (FailureKind::Cancelled, false),
            (FailureKind::Protocol, false),
            (FailureKind::Unavailable, false),
            (FailureKind::Exhausted, false),
        ];
        for (kind, expected) in kinds {
            let failure = Failure::noticed(kind, "no");
            assert_eq!(is_followed(Some(&policy), 1, &failure), expected, "{kind:?}");
            assert!(!is_followed(Some(&policy), 3, &failure) && !is_followed(None, 1, &failure));
        }
    }

    #[test]
    fn an_attempt_is_announced_in_one_line() {
        let policy = policy(3, 1.0, 2.0, 60.0, 0.0);
        let failure = Failure { class: "ValueError".to_owned(), ..Failure::noticed(FailureKind::Raised, "no") };
        let wait = Duration::from_millis(1_310);
        assert_eq!(story(&policy, 1, wait, &failure), "attempt 2 of 4 in 1.3 s: ValueError: no");
        assert_eq!(story_of_items(&policy, 2, wait, &[7], &failure), "item 7: attempt 3 of 4 in 1.3 s: ValueError: no");
        let many = story_of_items(&policy, 1, wait, &[1, 2, 3, 4, 5, 6, 7], &failure);
        assert_eq!(many, "items 1, 2, 3, 4, 5, 2 more: attempt 2 of 4 in 1.3 s: ValueError: no");
    }
}
