//! Reads of sets of policies, and the test of what they say of a request that is not carried out.

use concordat_cluster::machine::{locate::Located, policy};
use concordat_proto::{
    api::policy::{Policies, PolicyName, PolicyVerdict},
    id::{GroupId, KeyId, OrgId},
};

use crate::{
    api::{
        operation::{Caller, Operation, PolicyTrial},
        outcome::{Answer, Blocked, Document, Malformed, Outcome, PoliciesView, Value, What},
    },
    node::Node,
    policy::{
        cache::Texts,
        check::{Place, Problem, check},
        compiled::{Compiled, Verdict},
        question::{Asker, Circumstances, Question, Target},
        schema,
    },
    request::{freshness, locate, policies, unavailable::broken},
};

/// `GET /v1/policies`.
pub(super) fn cluster_wide(node: &Node) -> Answer {
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    let set = match policy::set(node.state()) {
        Ok(set) => set,
        Err(error) => return broken("reading policies", &error),
    };
    let version = set.as_ref().map(|set| set.version);
    let (text, revision) = set.map_or((String::new(), 0), |set| (set.text, set.revision));
    let shown = Policies {
        policies: text,
        revision: Some(revision),
        default_policies: Some(schema::DEFAULT.to_owned()),
        schema: Some(schema::SCHEMA.to_owned()),
    };
    let view = PoliciesView { version, shown };
    freshness::mark(Outcome::Found(Value::Policies(Box::new(view))), fresh)
}

/// `GET /organizations/policies`.
pub(super) fn own(node: &Node, at: &Located) -> Answer {
    let set = match policies::own_set(node, at) {
        Ok(set) => set,
        Err(error) => return broken("reading policies", &error),
    };
    let (version, text) = set.unzip();
    let shown = Policies { policies: text.unwrap_or_default(), ..Policies::default() };
    Outcome::Found(Value::Policies(Box::new(PoliciesView { version, shown }))).into()
}

/// `POST /v1/policies/test`. `of_this` are the circumstances of the request itself, which fill in what is not
/// described.
pub(super) async fn test(node: &Node, trial: PolicyTrial, of_this: &Circumstances) -> Answer {
    let fresh = freshness::of_all(node);
    let texts = match texts(node, &trial) {
        Ok(texts) => texts,
        Err(answer) => return freshness::mark(answer, fresh),
    };
    let question = match question(&trial, of_this) {
        Ok(question) => question,
        Err(reason) => return Outcome::Malformed(Malformed::Syntax(reason.to_owned())).into(),
    };
    let given = (trial.policies.is_some(), trial.own_policies.is_some());
    let tested = node.aside(move || verdict(&texts, given, &question)).await;
    let verdict = match tested {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(problems)) => {
            let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Outcome::Malformed(Malformed::Syntax(problems.join("; "))).into();
        }
        // The evaluation has panicked.
        Err(_) => return Outcome::Blocked(Blocked::PoliciesNotEvaluated).into(),
    };
    freshness::mark(Outcome::Found(Value::Document(Document::of(&shown(verdict)))), fresh)
}

/// The texts of the sets that the request would be subject to.
fn texts(node: &Node, trial: &PolicyTrial) -> Result<Texts, Answer> {
    let not_read = |error| broken("reading policies", &error);
    let cluster = match &trial.policies {
        Some(text) => text.clone(),
        None => policy::set(node.state()).map_err(not_read)?.map_or(String::new(), |set| set.text),
    };
    // An operator's request is not subject to an organization's own set.
    let org = trial.org.filter(|_| trial.rights.is_some());
    let organization = match (&trial.own_policies, org) {
        (_, None) => None,
        (Some(text), Some(_)) => Some(text.clone()),
        (None, Some(org)) => {
            let at = locate::now(node, org).map_err(not_read)?;
            let at = at.ok_or_else(|| Answer::from(Outcome::NotFound(What::Organization)))?;
            policies::own_set(node, &at).map_err(not_read)?.map(|(_, text)| text)
        }
    };
    Ok(Texts { cluster, organization })
}

fn question(trial: &PolicyTrial, of_this: &Circumstances) -> Result<Question, &'static str> {
    // Of no key: a test is about rights.
    let key = KeyId::from_bytes([0; 16]);
    let caller = trial.operation.spec().caller;
    let asker = match (trial.rights, trial.org) {
        (Some(rights), Some(org)) if caller != Caller::Operator => {
            Asker::Key { key, org, rights: rights.0 }
        }
        (Some(_), _) => return Err("only operators ask for this operation: leave rights out"),
        (None, _)
            if matches!(caller, Caller::Organization(_))
                && !schema::is_open_to_operators(trial.operation) =>
        {
            return Err("only keys of an organization ask for this operation: rights and \
                        organization_id are required");
        }
        (None, _) => Asker::Operator(key),
    };
    let target = match (&trial.credential, trial.org) {
        (Some((kind, name)), Some(org)) => Target::Credential { org, kind, name: name.clone() },
        (Some(_), None) => {
            return Err("a credential is an organization's: organization_id is required");
        }
        (None, org) => target(asker, trial, org),
    };
    let circumstances = Circumstances {
        region: trial.region.clone().unwrap_or_else(|| of_this.region.clone()),
        required: trial.required,
        source: trial.source.unwrap_or(of_this.source),
        time: trial.time.unwrap_or(of_this.time),
    };
    Ok(Question { asker, operation: trial.operation, target, circumstances })
}

fn target(asker: Asker, trial: &PolicyTrial, org: Option<OrgId>) -> Target {
    let is_of_org = matches!(asker, Asker::Key { .. })
        || matches!(
            trial.operation,
            Operation::OrgGet | Operation::OrgPatch | Operation::OrgMove | Operation::OrgDelete
        );
    org.filter(|_| is_of_org).map_or(Target::Cluster, Target::Organization)
}

/// `given`: which of the sets the caller brings, to be checked first.
fn verdict(
    texts: &Texts,
    given: (bool, bool),
    question: &Question,
) -> Result<Verdict, Vec<Problem>> {
    if given.0 {
        check(&texts.cluster, Place::Cluster)?;
    }
    if let Some(text) = texts.organization.as_ref().filter(|_| given.1) {
        check(text, Place::Organization)?;
    }
    let compiled = Compiled::or_denying(&texts.cluster, texts.organization.as_deref());
    Ok(compiled.verdict(question))
}

fn shown(verdict: Verdict) -> PolicyVerdict {
    let notices = verdict.notices();
    let named = |policy: crate::policy::compiled::Named| PolicyName {
        set: policy.place.as_str().to_owned(),
        id: policy.id,
    };
    PolicyVerdict {
        allowed: verdict.is_allowed,
        determining: verdict.determining.into_iter().map(named).collect(),
        notices,
        errors: verdict.errors,
    }
}
