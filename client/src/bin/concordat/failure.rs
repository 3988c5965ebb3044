//! How a command may fail, its message, and its exit code.

use std::{error::Error, io};

use concordat_client::{ClientError, Receipt, RequiredConsistency, WriteId};
use serde_json::{Value, json};

use crate::{
    args::Output,
    invocation::{Course, Invocation},
    print::Shown,
};

/// The exit code of wrong usage.
pub(crate) const USAGE: u8 = 2;
/// To which a signal's number is added.
const SIGNALED: u8 = 128;

/// Why a command failed.
pub(crate) enum Failure {
    /// The output cannot be written, or the process cannot begin.
    Io(io::Error),
    /// It was asked for in a way that cannot work.
    Usage(String),
    /// The call failed.
    Call(ClientError),
    /// As above, for an operator's write.
    OperatorCall(ClientError),
    /// A write that was waited for is still not where it should be.
    NotReached {
        /// Its receipt.
        receipt: Box<Receipt>,
        /// It is the operator's.
        operator: bool,
    },
    /// An object that is still there; its removal continues.
    RemovalTimedOut(String),
    /// A signal came first.
    Interrupted {
        /// Its number.
        signal: u8,
        /// It changes something.
        is_write: bool,
        /// The operation that has begun, and continues by itself.
        begun: Option<String>,
        /// The key of the write that it makes.
        key: Option<String>,
        /// That write, if it was answered.
        write_id: Option<WriteId>,
    },
    /// It succeeded, and the answer could not be written.
    NotShown {
        /// Why.
        error: io::Error,
        /// The completed action, and the output that was lost.
        what: Option<String>,
        /// The key of the write.
        key: Option<String>,
    },
    /// An organization that has not arrived within the time limit; its move continues.
    MoveTimedOut {
        /// The target region.
        to: String,
    },
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Call(error)
    }
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn interrupted(signal: u8, course: &Course) -> Self {
        let (key, write_id) = (course.key_of_write().map(str::to_owned), course.done());
        let (is_write, begun) = (course.is_write(), course.begun());
        Self::Interrupted { signal, is_write, begun, key, write_id }
    }

    pub(crate) fn not_shown(error: io::Error, shown: &Shown, course: &Course) -> Self {
        let what = shown
            .unseen
            .clone()
            .or_else(|| course.done().map(|write_id| format!("write {write_id} was done")));
        Self::NotShown { error, what, key: course.key_of_write().map(str::to_owned) }
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Io(_) | Self::NotShown { .. } => 1,
            Self::Usage(_) => USAGE,
            Self::Interrupted { signal, .. } => SIGNALED + *signal,
            Self::NotReached { .. } | Self::RemovalTimedOut(_) | Self::MoveTimedOut { .. } => 5,
            Self::Call(error) | Self::OperatorCall(error) => match error {
                ClientError::Config { .. } => USAGE,
                ClientError::Refused { .. } => 3,
                ClientError::Pending(_) => 5,
                ClientError::OutcomeUnknown { .. } => 6,
                // And variants that a later SDK may add.
                ClientError::Unavailable { .. } | ClientError::Transport(_) | _ => 4,
            },
        }
    }

    /// The receipt, if it is a write.
    pub(crate) fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::NotReached { receipt, .. } => Some(receipt),
            Self::Call(ClientError::Pending(pending))
            | Self::OperatorCall(ClientError::Pending(pending)) => Some(pending.receipt()),
            Self::Call(_)
            | Self::OperatorCall(_)
            | Self::Io(_)
            | Self::Usage(_)
            | Self::Interrupted { .. }
            | Self::NotShown { .. }
            | Self::RemovalTimedOut(_)
            | Self::MoveTimedOut { .. } => None,
        }
    }

    /// The next step for the user, if there is one.
    fn advice(&self, invocation: &Invocation) -> Option<String> {
        let wait = |receipt: &Receipt, flag| {
            let level = match receipt.required {
                RequiredConsistency::AllRegions => "",
                RequiredConsistency::LocalRegion => " --consistency local_region",
            };
            format!("concordat write wait {}{level}{flag}", receipt.write_id)
        };
        match self {
            Self::NotReached { receipt, operator } => {
                Some(wait(receipt, if *operator { " --operator" } else { "" }))
            }
            Self::Call(ClientError::Pending(pending)) => Some(wait(pending.receipt(), "")),
            Self::OperatorCall(ClientError::Pending(pending)) => Some(format!(
                "{}\nor, to see the result too: {}",
                wait(pending.receipt(), " --operator"),
                invocation.again_with(pending.idempotency_key())
            )),
            Self::Call(ClientError::OutcomeUnknown { idempotency_key, .. })
            | Self::OperatorCall(ClientError::OutcomeUnknown { idempotency_key, .. }) => {
                Some(invocation.again_with(idempotency_key))
            }
            Self::Interrupted { key: Some(key), .. } | Self::NotShown { key: Some(key), .. } => {
                Some(invocation.again_with(key))
            }
            Self::Interrupted { key: None, .. } => Some(invocation.again()),
            Self::Call(_)
            | Self::OperatorCall(_)
            | Self::Io(_)
            | Self::Usage(_)
            | Self::NotShown { key: None, .. }
            | Self::RemovalTimedOut(_)
            | Self::MoveTimedOut { .. } => None,
        }
    }

    /// The text for standard error.
    pub(crate) fn render(&self, output: Output, invocation: &Invocation) -> String {
        let advice = self.advice(invocation);
        match output {
            Output::Table => {
                let next = advice.map(|advice| format!("\nnext: {advice}")).unwrap_or_default();
                format!("error: {}{next}", self.message())
            }
            Output::Json => {
                let mut error = json!({"kind": self.kind(), "message": self.message()});
                if let Self::Call(call) | Self::OperatorCall(call) = self
                    && let Some(status) = call.status()
                {
                    error["status"] = Value::from(status);
                }
                if let Self::Interrupted { key, write_id, .. } = self {
                    error["idempotency_key"] = json!(key);
                    error["write_id"] = json!(write_id);
                }
                if let Some(advice) = advice {
                    error["next"] = Value::from(advice);
                }
                json!({ "error": error }).to_string()
            }
        }
    }

    const fn kind(&self) -> &'static str {
        match self.exit_code() {
            1 => "io",
            2 => "usage",
            3 => "refused",
            5 => "timed_out",
            SIGNALED.. => "interrupted",
            6 => "outcome_unknown",
            _ => "unavailable",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Io(error) => chain(error),
            Self::Usage(message) | Self::RemovalTimedOut(message) => message.clone(),
            Self::Call(error) | Self::OperatorCall(error) => chain(error),
            Self::Interrupted { begun: Some(begun), .. } => format!("interrupted; {begun}"),
            Self::Interrupted { is_write, key, write_id, .. } => {
                let key = key.as_ref().map(|key| format!(" (idempotency key {key})"));
                let key = crate::print::printable(&key.unwrap_or_default());
                match write_id {
                    Some(write_id) => format!(
                        "interrupted; write {write_id}{key} is done, and the change continues"
                    ),
                    None if *is_write => format!(
                        "interrupted; the write{key} may have been done, or may yet be; its write id \
                         is in the answer, which had not come"
                    ),
                    None => "interrupted".to_owned(),
                }
            }
            Self::NotShown { error, what, .. } => {
                let what = what.as_ref().map(|what| format!("; {}", crate::print::printable(what)));
                format!("the output could not be written: {error}{}", what.unwrap_or_default())
            }
            Self::NotReached { .. } => "the required consistency is not reached yet".to_owned(),
            Self::MoveTimedOut { to } => {
                let to = crate::print::printable(to);
                format!("the organization's move to {to} is still in progress")
            }
        }
    }
}

/// A usage error of the arguments' parser as JSON.
pub(crate) fn usage_json(text: &str) -> String {
    let text = text.trim().strip_prefix("error: ").unwrap_or(text).trim();
    let (message, usage) = match text.split_once("\n\nUsage:") {
        Some((message, usage)) => (message, usage.lines().next()),
        None => (text, None),
    };
    let message = message.split("\n\nFor more information").next().unwrap_or(message);
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut error = json!({"kind": "usage", "message": lines.join(" ")});
    if let Some(usage) = usage {
        error["usage"] = Value::from(usage.trim());
    }
    json!({ "error": error }).to_string()
}

/// An error and all of its sources in a line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    crate::print::printable(&text)
}
