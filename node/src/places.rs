//! Places for requests at this node: so that none takes them from all. It only counts: no request waits for a
//! place, and each is given back however its request ends.

use concordat_proto::{id::OrgId, limits};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{api::operation::Caller, org_limits, org_limits::PerOrgLimiter};

/// The places of a node.
#[derive(Debug)]
pub(crate) struct Places {
    requests: Semaphore,
    requests_max: usize,
    /// For operations of operators, when there is no other.
    operators: Semaphore,
    /// For requests that wait.
    waits: Semaphore,
    waits_of_org: PerOrgLimiter,
}

/// The place of a request that waits.
#[derive(Debug)]
pub(crate) struct WaitPlace<'a> {
    _of_node: Option<SemaphorePermit<'a>>,
    _of_org: Option<org_limits::Permit>,
}

impl Places {
    /// With this many places for requests.
    pub(crate) fn new(requests_max: usize) -> Self {
        Self {
            requests: Semaphore::new(requests_max),
            requests_max,
            operators: Semaphore::new(limits::OPERATOR_REQUESTS_MAX),
            waits: Semaphore::new(limits::WAITS_MAX),
            waits_of_org: PerOrgLimiter::new(limits::ORG_WAITS_MAX),
        }
    }

    /// A place for a request of an operation that these call.
    pub(crate) fn enter(&self, caller: Caller) -> Option<SemaphorePermit<'_>> {
        let of_operator = || match caller {
            Caller::Operator => self.operators.try_acquire().ok(),
            Caller::Organization(_) | Caller::Either => None,
        };
        self.requests.try_acquire().ok().or_else(of_operator)
    }

    /// A place for the wait of an organization's request. An operator's needs none beside that of the request.
    pub(crate) fn wait(&self, org: Option<OrgId>) -> Option<WaitPlace<'_>> {
        let Some(org) = org else { return Some(WaitPlace { _of_node: None, _of_org: None }) };
        let of_org = self.waits_of_org.enter(org)?;
        let of_node = self.waits.try_acquire().ok()?;
        Some(WaitPlace { _of_node: Some(of_node), _of_org: Some(of_org) })
    }

    /// The requests that have a place.
    pub(crate) fn in_flight(&self) -> usize {
        let free = |places: &Semaphore, max: usize| max.saturating_sub(places.available_permits());
        free(&self.requests, self.requests_max)
            + free(&self.operators, limits::OPERATOR_REQUESTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(number: u16) -> OrgId {
        let mut bytes = [7; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        OrgId::from_bytes(bytes)
    }

    #[test]
    fn operators_have_places_when_all_others_are_taken() {
        let places = Places::new(2);
        let taken = [places.enter(Caller::Either), places.enter(Caller::Operator)];
        assert!(taken.iter().all(Option::is_some));
        assert!(places.enter(Caller::Either).is_none());
        let operators: Vec<_> =
            (0..limits::OPERATOR_REQUESTS_MAX).map(|_| places.enter(Caller::Operator)).collect();
        assert!(operators.iter().all(Option::is_some));
        assert!(places.enter(Caller::Operator).is_none(), "there is a limit of these too");
        assert_eq!(places.in_flight(), 2 + limits::OPERATOR_REQUESTS_MAX);
        drop((taken, operators));
        assert_eq!(places.in_flight(), 0);
    }

    #[test]
    fn one_organization_cannot_take_all_places_for_waits() {
        let places = Places::new(1);
        let of = |number| places.wait(Some(org(number)));
        let greedy: Vec<_> = (0..limits::ORG_WAITS_MAX).map(|_| of(1)).collect();
        assert!(greedy.iter().all(Option::is_some));
        assert!(of(1).is_none() && of(2).is_some());
        let orgs = u16::try_from(limits::WAITS_MAX / limits::ORG_WAITS_MAX).unwrap();
        let all: Vec<_> = (2..=orgs)
            .flat_map(|number| (0..limits::ORG_WAITS_MAX).map(move |_| number))
            .map(of)
            .collect();
        assert!(all.iter().all(Option::is_some));
        assert!(of(orgs + 1).is_none(), "the node has no more");
        assert!(places.wait(None).is_some(), "an operator's");
        drop(greedy);
        assert!(of(1).is_some());
    }
}
