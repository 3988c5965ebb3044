//! Which circumstances a set's policies read: for which further questions an answer holds. An expression that is
//! not understood must count as one that reads all of them.

use cedar_policy::PolicySet;
use serde_json::Value;

/// The most of the circumstances that the policies of a set read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reads {
    /// What is part of the memory of every answer: the region and the required consistency.
    Steady,
    /// The source address, too.
    Source,
    /// The time, or the circumstances as a whole.
    All,
}

/// What the policies of a set read.
pub(super) fn of(policies: &PolicySet) -> Reads {
    let of = |json: Result<Value, _>| json.map_or(Reads::All, |json| of_expression(&json));
    policies.policies().map(|policy| of(policy.to_json())).max().unwrap_or(Reads::Steady)
}

/// Walks the expression. What is not understood counts as read.
fn of_expression(json: &Value) -> Reads {
    match json {
        Value::Object(members) => {
            let of = |(operator, operand): (&String, &Value)| of_operator(operator, operand);
            members.iter().map(of).max().unwrap_or(Reads::Steady)
        }
        Value::Array(items) => items.iter().map(of_expression).max().unwrap_or(Reads::Steady),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Reads::Steady,
    }
}

fn of_operator(operator: &str, operand: &Value) -> Reads {
    if operator == "annotations" {
        return Reads::Steady;
    }
    if let ("." | "has", Value::Object(access)) = (operator, operand)
        && access.get("left").is_some_and(is_context)
    {
        return match access.get("attr").and_then(Value::as_str) {
            Some("region" | "required_consistency") => Reads::Steady,
            Some("source_address") => Reads::Source,
            Some(_) | None => Reads::All,
        };
    }
    if operator == "Var" && operand == "context" { Reads::All } else { of_expression(operand) }
}

fn is_context(json: &Value) -> bool {
    json.get("Var").is_some_and(|name| name == "context")
}
