//! Which node is asked next: those of a region in the order given, then the next region's. Pure:
//! the time (since the client was made) is handed in.

use std::time::Duration;

use concordat_proto::region::Region;
use http::Uri;

use crate::error::ClientError;

/// The longest time for which an endpoint that failed is passed over.
const REST_MAX: Duration = Duration::from_secs(30);
const REST_FIRST: Duration = Duration::from_millis(500);
/// Doublings after which the rest has reached its longest.
const DOUBLINGS_MAX: u32 = 6;

/// A node's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its region, where the caller said so.
    pub(crate) region: Option<Region>,
    /// `http://host:port`, without a path.
    pub(crate) base: String,
}

impl Endpoint {
    /// Checks a URL: plain HTTP, a host, and no path of its own.
    pub(crate) fn parse(region: Option<Region>, text: &str) -> Result<Self, ClientError> {
        if text.contains('@') {
            // A password here would end up in error messages.
            return Err(ClientError::config("an endpoint must not hold a user name or password"));
        }
        let refuse = |why: &str| ClientError::config(format!("endpoint {text:?}: {why}"));
        let uri: Uri = text.trim().parse().map_err(|_| refuse("not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse("https is not supported yet, use http")),
            _ => return Err(refuse("must begin with http://")),
        }
        let authority = uri.authority().ok_or_else(|| refuse("has no host"))?.as_str();
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(refuse("must not have a path"));
        }
        Ok(Self { region, base: format!("http://{authority}") })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Health {
    failures: u32,
    rests_until: Duration,
}

/// All endpoints in order of preference, and how they fared.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Endpoint>,
    health: Vec<Health>,
}

impl Endpoints {
    /// At least one; the nodes of a region stand together.
    pub(crate) fn new(all: Vec<Endpoint>) -> Result<Self, ClientError> {
        if all.is_empty() {
            return Err(ClientError::config("no endpoint was given"));
        }
        let health = vec![Health::default(); all.len()];
        Ok(Self { all, health })
    }

    pub(crate) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// The endpoint for the next attempt of a call that has tried `tried`: one tried least often,
    /// of these one that does not rest, of these the first.
    pub(crate) fn pick(&self, tried: &[usize], now: Duration) -> (usize, &Endpoint) {
        let key = |index: &usize| {
            let times = tried.iter().filter(|t| *t == index).count();
            (times, self.health[*index].rests_until > now, *index)
        };
        let index = (0..self.all.len()).min_by_key(key).expect("there is at least one endpoint");
        (index, &self.all[index])
    }

    /// Whether a call that has tried `tried` has another one to go to.
    pub(crate) fn untried(&self, tried: &[usize]) -> bool {
        (0..self.all.len()).any(|index| !tried.contains(&index))
    }

    /// It could not be reached, or broke off: others are preferred for a while.
    pub(crate) fn on_failure(&mut self, index: usize, now: Duration) {
        let health = &mut self.health[index];
        let doublings = health.failures.min(DOUBLINGS_MAX);
        health.failures = health.failures.saturating_add(1);
        health.rests_until = now + REST_FIRST.saturating_mul(1 << doublings).min(REST_MAX);
    }

    /// It answered, whatever it said.
    pub(crate) fn on_answer(&mut self, index: usize) {
        self.health[index] = Health::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoints(count: usize) -> Endpoints {
        let all = (0..count)
            .map(|n| Endpoint { region: None, base: format!("http://node-{n}:8080") })
            .collect();
        Endpoints::new(all).unwrap()
    }

    #[test]
    fn urls() {
        for good in ["http://a:1", "http://a", "http://[::1]:8080/", " http://a.b "] {
            assert!(Endpoint::parse(None, good).is_ok(), "{good:?}");
        }
        for bad in ["", "a:1", "https://a", "ftp://a", "http://a/x", "http://a/?q", "http://u:p@a"]
        {
            assert!(Endpoint::parse(None, bad).is_err(), "{bad:?}");
        }
        for url in ["http://u:hunter2@a", "https://u:hunter2@a", "u:hunter2@a"] {
            let error = Endpoint::parse(None, url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn preference_then_failover_then_return() {
        let mut endpoints = endpoints(3);
        let now = Duration::from_secs(10);
        assert_eq!(endpoints.pick(&[], now).0, 0);
        endpoints.on_failure(0, now);
        assert_eq!(endpoints.pick(&[0], now).0, 1, "the next of the list");
        assert_eq!(endpoints.pick(&[], now).0, 1, "the next call does not run into it again");
        assert_eq!(endpoints.pick(&[], now + REST_FIRST).0, 0, "it is preferred after its rest");
        endpoints.on_answer(0);
        assert_eq!(endpoints.pick(&[], now).0, 0);
    }

    #[test]
    fn all_resting_is_no_reason_to_give_up() {
        let mut endpoints = endpoints(2);
        endpoints.on_failure(0, Duration::ZERO);
        endpoints.on_failure(1, Duration::ZERO);
        assert_eq!(endpoints.pick(&[], Duration::ZERO).0, 0);
        assert_eq!(endpoints.pick(&[0], Duration::ZERO).0, 1);
        assert_eq!(endpoints.pick(&[0, 1], Duration::ZERO).0, 0);
    }

    proptest! {
        #[test]
        fn every_endpoint_gets_its_turn(
            count in 1_usize..8,
            failed in proptest::collection::vec((0_usize..8, 0_u64..100), 0..20),
            now_s in 0_u64..100,
        ) {
            let mut endpoints = endpoints(count);
            for (index, at_s) in failed {
                endpoints.on_failure(index % count, Duration::from_secs(at_s));
            }
            let mut tried = Vec::new();
            for _ in 0..count {
                prop_assert!(endpoints.untried(&tried));
                let (index, _) = endpoints.pick(&tried, Duration::from_secs(now_s));
                prop_assert!(!tried.contains(&index));
                tried.push(index);
            }
            prop_assert!(!endpoints.untried(&tried));
        }

        #[test]
        fn a_rest_is_bounded(failures in 1_u32..200) {
            let mut endpoints = endpoints(1);
            for _ in 0..failures {
                endpoints.on_failure(0, Duration::ZERO);
            }
            prop_assert!(endpoints.health[0].rests_until <= REST_MAX);
        }
    }
}
