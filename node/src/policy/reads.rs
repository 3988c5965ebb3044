//! Which circumstances a set's policies read: whether an answer holds for the next question alike. An expression
//! that is not understood must count as one that reads them.

use cedar_policy::PolicySet;
use serde_json::Value;

/// The circumstances that are part of what an answer is remembered under.
const STEADY: [&str; 2] = ["region", "required_consistency"];

/// Whether no policy of a set reads the time, the source address, or the circumstances as a whole.
pub(super) fn is_steady(policies: &PolicySet) -> bool {
    policies.policies().all(|policy| policy.to_json().is_ok_and(|json| is_steady_in(&json)))
}

/// Walks the expression. What is not understood counts as read.
fn is_steady_in(json: &Value) -> bool {
    match json {
        Value::Object(members) => members.iter().all(|(operator, operand)| {
            if operator == "annotations" {
                return true;
            }
            if let ("." | "has", Value::Object(access)) = (operator.as_str(), operand)
                && access.get("left").is_some_and(is_context)
            {
                let attribute = access.get("attr").and_then(Value::as_str);
                return attribute.is_some_and(|name| STEADY.contains(&name));
            }
            !(operator == "Var" && operand == "context") && is_steady_in(operand)
        }),
        Value::Array(items) => items.iter().all(is_steady_in),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn is_context(json: &Value) -> bool {
    json.get("Var").is_some_and(|name| name == "context")
}
