//! The sets that are in force, made ready to be evaluated, and their verdict on a question. What cannot be
//! parsed or evaluated never allows anything.

use cedar_policy::{AuthorizationError, Authorizer, Decision, PolicyId, PolicySet};

use super::{
    check::{Place, Problem, name, parse},
    question::Question,
    reads::{self, Reads},
    schema,
};

/// The sets that are in force for some callers.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// All policies; the id of each is its position in `names`.
    policies: PolicySet,
    names: Vec<Named>,
    /// What they read of the circumstances.
    reads: Reads,
    /// Why nothing can be evaluated, which denies everything.
    broken: Option<String>,
}

/// A policy's names, and what it says to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its set.
    pub(crate) place: Place,
    /// Its name in its set.
    pub(crate) id: String,
    /// What its author wants callers to know where it determines a decision.
    pub(crate) notice: Option<String>,
}

/// What the policies say of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it may be done.
    pub(crate) is_allowed: bool,
    /// The policies that determined this: those that permit it, or those that forbid it; none where
    /// nothing permits it.
    pub(crate) determining: Vec<Named>,
    /// What could not be evaluated, which denies.
    pub(crate) errors: Vec<String>,
}

impl Verdict {
    /// What the determining policies say to the caller.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.determining.iter().filter_map(|policy| policy.notice.clone()).collect()
    }

    fn broken(error: impl std::fmt::Display) -> Self {
        Self { is_allowed: false, determining: Vec::new(), errors: vec![error.to_string()] }
    }
}

impl Compiled {
    /// Compiles the cluster-wide set and an organization's own one, beside the default set.
    ///
    /// # Errors
    /// When one of them cannot be parsed, which a set that was checked can be.
    pub(crate) fn new(cluster: &str, organization: Option<&str>) -> Result<Self, Vec<Problem>> {
        let mut policies = PolicySet::new();
        let mut names = Vec::new();
        let sets = [
            (Place::Default, schema::DEFAULT),
            (Place::Cluster, cluster),
            (Place::Organization, organization.unwrap_or_default()),
        ];
        for (place, text) in sets {
            for policy in parse(text)? {
                let notice = policy.annotation("notice").filter(|notice| !notice.is_empty());
                let notice = notice.map(str::to_owned);
                let id = PolicyId::new(names.len().to_string());
                names.push(Named { place, id: name(&policy), notice });
                policies.add(policy.new_id(id)).expect("their ids are numbers, each its own");
            }
        }
        let reads = reads::of(&policies);
        Ok(Self { policies, names, reads, broken: None })
    }

    /// The same; sets that cannot be parsed deny everything. Only a text that another release of this
    /// program has checked can be such a one.
    pub(crate) fn or_denying(cluster: &str, organization: Option<&str>) -> Self {
        Self::new(cluster, organization).unwrap_or_else(|problems| Self {
            policies: PolicySet::new(),
            names: Vec::new(),
            reads: Reads::Steady,
            broken: Some(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        })
    }

    /// Whether only the default set is in force: then the rights decide.
    pub(crate) fn is_default(&self) -> bool {
        self.broken.is_none() && self.names.iter().all(|policy| policy.place == Place::Default)
    }

    /// Beside the same asker, operation, target and required consistency: what further questions must have
    /// in common for an answer to hold for them.
    pub(crate) const fn reads(&self) -> Reads {
        self.reads
    }

    /// What they say of a question. A policy that cannot be evaluated denies it, whatever the others
    /// say: it might have forbidden it.
    pub(crate) fn verdict(&self, question: &Question) -> Verdict {
        if let Some(reason) = &self.broken {
            return Verdict::broken(reason);
        }
        let posed = match question.posed() {
            Ok(posed) => posed,
            Err(error) => return Verdict::broken(error),
        };
        let response =
            Authorizer::new().is_authorized(&posed.request, &self.policies, &posed.entities);
        let named = |id: &PolicyId| {
            let number: &str = id.as_ref();
            number.parse::<usize>().ok()
        };
        let mut reasons: Vec<usize> = response.diagnostics().reason().filter_map(named).collect();
        reasons.sort_unstable();
        let mut determining: Vec<Named> =
            reasons.into_iter().filter_map(|number| self.names.get(number).cloned()).collect();
        let mut errors: Vec<String> =
            response.diagnostics().errors().map(|error| self.shown(error)).collect();
        errors.sort();
        let is_allowed = response.decision() == Decision::Allow && errors.is_empty();
        if !is_allowed && response.decision() == Decision::Allow {
            // What permits it does not determine a denial.
            determining.clear();
        }
        Verdict { is_allowed, determining, errors }
    }

    fn shown(&self, error: &AuthorizationError) -> String {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        let id: &str = error.policy_id().as_ref();
        let named = id.parse::<usize>().ok().and_then(|number| self.names.get(number));
        let (place, id) = named.map_or(("", id), |it| (it.place.as_str(), &*it.id));
        format!("{place} policy {id}: {}", error.inner())
    }
}
