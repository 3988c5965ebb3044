//! Selects the next node: those of a region in the given order, then the next region's; one that
//! failed recently comes last. Pure: the time (since the client was made) is passed in.

use std::time::Duration;

use concordat_proto::region::Region;
use http::Uri;

use crate::error::ClientError;

/// The longest time for which an endpoint that failed is passed over.
const COOLDOWN_MAX: Duration = Duration::from_secs(30);
const COOLDOWN_FIRST: Duration = Duration::from_millis(500);
/// Doublings after which the rest has reached its longest.
const DOUBLINGS_MAX: u32 = 6;
/// For how long the first call after a rest tries the endpoint alone: if it still hangs, the other
/// calls of that moment do not hang with it.
const TRIAL: Duration = Duration::from_secs(2);
/// Endpoints of a client.
const ENDPOINTS_MAX: usize = 512;
/// Silent endpoints of one region after which another region's is asked before the rest of it.
const SILENT_OF_A_REGION_MAX: usize = 2;

/// A node's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its region, if the caller gave it.
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
    cooldown_until: Duration,
    on_trial_until: Duration,
}

impl Health {
    fn is_avoided(&self, now: Duration) -> bool {
        self.cooldown_until > now || self.on_trial_until > now
    }
}

/// The history of a call, for the choice of the next endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course<'a> {
    /// Every endpoint that was asked, once for each attempt.
    pub(crate) tried: &'a [usize],
    /// Those that have not answered yet.
    pub(crate) silent: &'a [usize],
}

/// All endpoints in order of preference, and how they fared.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Endpoint>,
    health: Vec<Health>,
}

impl Endpoints {
    /// At least one; the nodes of a region are adjacent.
    pub(crate) fn new(all: Vec<Endpoint>) -> Result<Self, ClientError> {
        if all.is_empty() {
            return Err(ClientError::config("no endpoint was given"));
        }
        if all.len() > ENDPOINTS_MAX {
            return Err(ClientError::config(format!("at most {ENDPOINTS_MAX} endpoints")));
        }
        let health = vec![Health::default(); all.len()];
        Ok(Self { all, health })
    }

    pub(crate) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// The endpoint for the next attempt of a call: one that it does not wait for already, of these
    /// one tried least often, of these one of a region that is not silent, of these one that has not
    /// failed lately, of these the first.
    pub(crate) fn best(&self, course: Course<'_>, now: Duration) -> usize {
        let key = |index: &usize| {
            let count = |of: &[usize]| of.iter().filter(|t| *t == index).count();
            let waited_for = course.silent.contains(index);
            let region_is_silent = self.silent_beside(*index, course) >= SILENT_OF_A_REGION_MAX;
            let avoided = self.health[*index].is_avoided(now);
            (waited_for, count(course.tried), region_is_silent, avoided, *index)
        };
        (0..self.all.len()).min_by_key(key).expect("there is at least one endpoint")
    }

    /// The same, and it is asked now.
    pub(crate) fn pick(&mut self, course: Course<'_>, now: Duration) -> (usize, &Endpoint) {
        let index = self.best(course, now);
        let health = &mut self.health[index];
        if health.failures > 0 && !health.is_avoided(now) {
            health.on_trial_until = now + TRIAL;
        }
        (index, &self.all[index])
    }

    /// Silent endpoints of the same region.
    fn silent_beside(&self, index: usize, course: Course<'_>) -> usize {
        let Some(region) = &self.all[index].region else { return 0 };
        course.silent.iter().filter(|at| self.all[**at].region.as_ref() == Some(region)).count()
    }

    /// Whether the first of a call's silent endpoints and another one are in two regions.
    pub(crate) fn is_crossing(&self, silent: &[usize], next: usize) -> bool {
        let of = |index: usize| self.all[index].region.as_ref();
        silent.first().is_some_and(|first| of(*first) != of(next))
    }

    /// Whether a call that has tried `tried` has another endpoint left.
    pub(crate) fn untried(&self, tried: &[usize]) -> bool {
        (0..self.all.len()).any(|index| !tried.contains(&index))
    }

    /// It could not be reached, broke off, was silent while another one answered, or something else
    /// than a node answered: others are preferred for a while. What many calls find out at once
    /// counts once.
    pub(crate) fn on_failure(&mut self, index: usize, now: Duration) {
        let health = &mut self.health[index];
        if health.cooldown_until > now {
            return;
        }
        let doublings = health.failures.min(DOUBLINGS_MAX);
        health.failures = health.failures.saturating_add(1);
        health.cooldown_until =
            now + COOLDOWN_FIRST.saturating_mul(1 << doublings).min(COOLDOWN_MAX);
        health.on_trial_until = Duration::ZERO;
    }

    /// A node answered, with any answer.
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

    /// The next endpoint of a call without a silent attempt.
    fn next(endpoints: &mut Endpoints, tried: &[usize], now: Duration) -> usize {
        endpoints.pick(Course { tried, silent: &[] }, now).0
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
        assert_eq!(next(&mut endpoints, &[], now), 0);
        endpoints.on_failure(0, now);
        assert_eq!(next(&mut endpoints, &[0], now), 1, "the next of the list");
        assert_eq!(next(&mut endpoints, &[], now), 1, "the next call does not run into it again");
        assert_eq!(next(&mut endpoints, &[1, 2], now), 0, "it is tried last");
        let rested = now + COOLDOWN_FIRST;
        assert_eq!(next(&mut endpoints, &[], rested), 0, "it is preferred after its rest");
        assert_eq!(next(&mut endpoints, &[], rested), 1, "by one call, until that one knows more");
        endpoints.on_answer(0);
        assert_eq!(next(&mut endpoints, &[], rested), 0);
    }

    #[test]
    fn all_resting_is_no_reason_to_give_up() {
        let mut endpoints = endpoints(2);
        endpoints.on_failure(0, Duration::ZERO);
        endpoints.on_failure(1, Duration::ZERO);
        assert_eq!(next(&mut endpoints, &[], Duration::ZERO), 0);
        assert_eq!(next(&mut endpoints, &[0], Duration::ZERO), 1);
        assert_eq!(next(&mut endpoints, &[0, 1], Duration::ZERO), 0);
    }

    #[test]
    fn what_is_waited_for_is_not_asked_again() {
        let endpoints = endpoints(2);
        let course = Course { tried: &[0, 1, 1], silent: &[0] };
        assert_eq!(endpoints.best(course, Duration::ZERO), 1);
    }

    #[test]
    fn a_region_that_is_silent_is_left_for_the_next() {
        let of = |region: &str| Endpoint {
            region: Some(Region::new(region).unwrap()),
            base: "http://node:8080".to_owned(),
        };
        let endpoints = Endpoints::new(["a", "a", "a", "b"].map(of).to_vec()).unwrap();
        let best =
            |silent: &[usize]| endpoints.best(Course { tried: silent, silent }, Duration::ZERO);
        assert_eq!((best(&[]), best(&[0]), best(&[0, 1]), best(&[0, 1, 3])), (0, 1, 3, 2));
        assert!(endpoints.is_crossing(&[0], 3) && !endpoints.is_crossing(&[0], 1));
        assert!(!endpoints.is_crossing(&[], 3));
    }

    #[test]
    fn what_many_calls_find_out_at_once_counts_once() {
        let mut endpoints = endpoints(1);
        for _ in 0..100 {
            endpoints.on_failure(0, Duration::ZERO);
        }
        assert_eq!(endpoints.health[0].cooldown_until, COOLDOWN_FIRST);
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
                let index = next(&mut endpoints, &tried, Duration::from_secs(now_s));
                prop_assert!(!tried.contains(&index));
                tried.push(index);
            }
            prop_assert!(!endpoints.untried(&tried));
        }

        #[test]
        fn a_rest_is_bounded(failures in 1_u32..200) {
            let mut endpoints = endpoints(1);
            let mut now = Duration::ZERO;
            for _ in 0..failures {
                endpoints.on_failure(0, now);
                prop_assert!(endpoints.health[0].cooldown_until - now <= COOLDOWN_MAX);
                now = endpoints.health[0].cooldown_until;
            }
        }
    }
}
