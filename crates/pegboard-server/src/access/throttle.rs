//! How often somebody may try: per address, and per account.
//!
//! Addresses that try often wait; an account with ten wrong passwords in a row is closed for a quarter of an hour. Accounts that do not
//! exist are counted as well, so that a closed one tells nothing. Counts live in memory: a restart forgets them, and each server of a
//! shared database counts for itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Tries per minute of one address, and at once.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// Wrong passwords in a row that close an account.
pub(super) const WRONG: u32 = 10;
/// For how long.
pub(super) const CLOSED: Duration = Duration::from_secs(15 * 60);
/// Accounts and addresses that are remembered.
const MOST: usize = 20_000;

/// Counts tries.
pub(super) struct Throttle {
    addresses: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    accounts: Mutex<HashMap<String, Tries>>,
}

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    last: Instant,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { addresses: RateLimiter::hashmap(Quota::per_minute(PER_MINUTE)), accounts: Mutex::default() }
    }
}

impl Throttle {
    /// Counts a try of this address; how long it has to wait, when it has to.
    pub(super) fn admit(&self, address: IpAddr) -> Result<(), Duration> {
        if self.addresses.len() > MOST {
            self.addresses.retain_recent();
        }
        let tried = self.addresses.check_key(&network(address));
        tried.map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }

    /// Counts a password for this account as wrong until [`Self::forget`] says otherwise, so that many at once do not get past; how long
    /// the account is closed, when it is.
    pub(super) fn begin(&self, email: &str, now: Instant) -> Result<(), Duration> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MOST {
            accounts.retain(|_, tries| now.duration_since(tries.last) < CLOSED);
        }
        if accounts.len() >= MOST {
            let oldest = accounts.iter().min_by_key(|(_, tries)| tries.last).map(|(email, _)| email.clone());
            oldest.and_then(|email| accounts.remove(&email));
        }
        let tries = accounts.entry(email.to_lowercase()).or_insert(Tries { count: 0, last: now });
        let passed = now.duration_since(tries.last);
        if passed >= CLOSED {
            tries.count = 0;
        }
        if tries.count >= WRONG {
            return Err(CLOSED - passed);
        }
        *tries = Tries { count: tries.count + 1, last: now };
        Ok(())
    }

    /// The password was right, or is another one now.
    pub(super) fn forget(&self, email: &str) {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(&email.to_lowercase());
    }
}

/// One customer of a provider has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_closes_and_opens_again() {
        let (throttle, begun) = (Throttle::default(), Instant::now());
        for _ in 0..WRONG {
            throttle.begin("ann@example.org", begun).unwrap();
        }
        let later = begun + Duration::from_secs(60);
        assert_eq!(throttle.begin("Ann@Example.org", later), Err(CLOSED - Duration::from_secs(60)));
        throttle.begin("bob@example.org", later).unwrap();
        throttle.begin("ann@example.org", begun + CLOSED).unwrap();
        for _ in 1..WRONG {
            throttle.begin("ann@example.org", begun + CLOSED).unwrap();
        }
        assert!(throttle.begin("ann@example.org", begun + CLOSED).is_err());
        throttle.forget("ann@example.org");
        throttle.begin("ann@example.org", begun + CLOSED).unwrap();
    }

    #[test]
    fn an_address_waits() {
        let throttle = Throttle::default();
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..PER_MINUTE.get() {
            throttle.admit(one).unwrap();
        }
        let wait = throttle.admit("2001:db8::2".parse().unwrap()).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(3), "{wait:?}");
        throttle.admit("2001:db8:0:1::1".parse().unwrap()).unwrap();
    }
}
