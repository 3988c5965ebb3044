//! Whether a text is a set of policies that may be put in force: it can be parsed, it fits the schema, and it
//! has what its place allows. A refusal says where in the text the reason is. Nothing is evaluated here.

use std::{collections::BTreeSet, fmt};

use cedar_policy::{Effect, Policy, PolicySet, ValidationMode, Validator};
use concordat_proto::limits;
use miette::Diagnostic;

use super::schema::PARSED;

/// Where a set is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In every cluster, as a part of this build.
    Default,
    /// In the whole cluster.
    Cluster,
    /// For the keys of one organization.
    Organization,
}

impl Place {
    /// Its name, for people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Cluster => "cluster",
            Self::Organization => "organization",
        }
    }
}

/// Why a text may not be put in force: one reason, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The line and the column in it, counted from one; none where the whole set is the reason.
    at: Option<(usize, usize)>,
    /// The reason.
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Whether a text may be put in force.
///
/// # Errors
/// The first reasons why it may not.
pub(crate) fn check(text: &str, place: Place) -> Result<(), Vec<Problem>> {
    let policies = parse(text)?;
    let max = match place {
        Place::Default | Place::Cluster => limits::POLICIES_MAX,
        Place::Organization => limits::ORG_POLICIES_MAX,
    };
    if policies.len() > max {
        return Err(vec![whole(format!("a set may have at most {max} policies"))]);
    }
    let mut problems = Vec::new();
    for policy in &policies {
        own_rules(text, policy, place, &mut problems);
    }
    names(text, &policies, &mut problems);
    if problems.is_empty() {
        fits_schema(text, &policies, &mut problems);
    }
    problems.truncate(limits::POLICY_PROBLEMS_MAX);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The policies of a text, in their order.
///
/// # Errors
/// When it is too long or cannot be parsed.
pub(super) fn parse(text: &str) -> Result<Vec<Policy>, Vec<Problem>> {
    if text.len() > limits::POLICIES_BYTES_MAX {
        let max = limits::POLICIES_BYTES_MAX;
        return Err(vec![whole(format!("a set may have at most {max} bytes"))]);
    }
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        let errors = errors.iter().take(limits::POLICY_PROBLEMS_MAX);
        errors.map(|error| problem(text, error, error.to_string())).collect::<Vec<_>>()
    })?;
    if set.templates().next().is_some() {
        return Err(vec![whole("templates (?principal, ?resource) are not supported".to_owned())]);
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(position);
    Ok(policies)
}

/// The position of a policy in its text: the library names them `policy0`, `policy1` and so on.
fn position(policy: &Policy) -> usize {
    let id: &str = policy.id().as_ref();
    id.trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

/// The name that a policy has for people: that of its `@id`, or its position.
pub(super) fn name(policy: &Policy) -> String {
    policy.annotation("id").filter(|id| !id.is_empty()).map_or_else(
        || {
            let id: &str = policy.id().as_ref();
            id.to_owned()
        },
        str::to_owned,
    )
}

fn own_rules(text: &str, policy: &Policy, place: Place, problems: &mut Vec<Problem>) {
    if place == Place::Organization && policy.effect() == Effect::Permit {
        let message = "an organization's own set may only forbid: what is permitted is set by the rights \
                       of its keys and by the cluster-wide set";
        problems.push(of_policy(text, policy, message.to_owned()));
    }
    for (annotation, max) in
        [("notice", limits::POLICY_NOTICE_CHARS_MAX), ("id", limits::POLICY_ID_CHARS_MAX)]
    {
        let value = policy.annotation(annotation).unwrap_or_default();
        if value.chars().count() > max || value.chars().any(char::is_control) {
            let message = format!("@{annotation} takes at most {max} characters, none of control");
            problems.push(of_policy(text, policy, message));
        }
    }
}

/// No two policies of a set have the same name.
fn names(text: &str, policies: &[Policy], problems: &mut Vec<Problem>) {
    let mut known = BTreeSet::new();
    for policy in policies {
        let name = name(policy);
        if !known.insert(name.clone()) {
            problems.push(of_policy(text, policy, format!("two policies have the id {name}")));
        }
    }
}

fn fits_schema(text: &str, policies: &[Policy], problems: &mut Vec<Problem>) {
    let set = PolicySet::from_policies(policies.iter().cloned());
    let set = set.expect("they come from one set");
    let result = Validator::new(PARSED.clone()).validate(&set, ValidationMode::Strict);
    for error in result.validation_errors() {
        problems.push(problem(text, error, error.to_string()));
    }
    // The library finds a problem once for each operation, in no certain order.
    problems.sort();
    problems.dedup_by_key(|problem| problem.at);
}

fn whole(message: String) -> Problem {
    Problem { at: None, message }
}

fn problem(text: &str, error: &dyn Diagnostic, message: String) -> Problem {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let help = error.help().map(|help| help.to_string());
    let message = help.map_or(message.clone(), |help| format!("{message} ({help})"));
    Problem { at: offset.map(|offset| place_of(text, offset)), message }
}

/// A problem with a policy as a whole: of two with the same text the first is shown.
fn of_policy(text: &str, policy: &Policy, message: String) -> Problem {
    let offset = text.find(policy.to_string().as_str());
    Problem { at: offset.map(|offset| place_of(text, offset)), message }
}

/// The line and the column of a byte, counted from one.
fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
