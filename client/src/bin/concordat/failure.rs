//! How a command may fail, what is said about it, and the exit code.

use std::{error::Error, io};

use concordat_client::{ClientError, Receipt, RequiredConsistency};
use serde_json::{Value, json};

use crate::args::Output;

/// Why a command did not do what it should.
pub(crate) enum Failure {
    /// The output cannot be written, or the process cannot begin.
    Io(io::Error),
    /// It was asked for in a way that cannot work.
    Usage(String),
    /// The call failed.
    Call(ClientError),
    /// As above, of a write that the operator made.
    OperatorCall(ClientError),
    /// A write that was waited for is still not where it should be.
    NotReached {
        /// Where it is.
        receipt: Box<Receipt>,
        /// It is the operator's.
        operator: bool,
    },
    /// What was to be removed is still there, and is being removed.
    NotGone(String),
    /// An organisation that was waited for has not arrived; its move goes on.
    StillMoving {
        /// Where it is going.
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

    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Io(_) => 1,
            Self::Usage(_) => 2,
            Self::NotReached { .. } | Self::NotGone(_) | Self::StillMoving { .. } => 5,
            Self::Call(error) | Self::OperatorCall(error) => match error {
                ClientError::Config { .. } => 2,
                ClientError::Refused { .. } => 3,
                ClientError::Pending(_) => 5,
                ClientError::OutcomeUnknown { .. } => 6,
                // And what a later SDK may add.
                ClientError::Unavailable { .. } | ClientError::Transport(_) | _ => 4,
            },
        }
    }

    /// What is known of the write, if it is one.
    pub(crate) fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::NotReached { receipt, .. } => Some(receipt),
            Self::Call(ClientError::Pending(pending))
            | Self::OperatorCall(ClientError::Pending(pending)) => Some(pending.receipt()),
            Self::Call(_)
            | Self::OperatorCall(_)
            | Self::Io(_)
            | Self::Usage(_)
            | Self::NotGone(_)
            | Self::StillMoving { .. } => None,
        }
    }

    /// What to do next, where there is something.
    fn advice(&self) -> Option<String> {
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
                "{}\nor, to see the result too, the same command with --idempotency-key {}",
                wait(pending.receipt(), " --operator"),
                pending.idempotency_key()
            )),
            Self::Call(ClientError::OutcomeUnknown { idempotency_key, .. })
            | Self::OperatorCall(ClientError::OutcomeUnknown { idempotency_key, .. }) => {
                Some(format!("the same command with --idempotency-key {idempotency_key}"))
            }
            Self::Call(_)
            | Self::OperatorCall(_)
            | Self::Io(_)
            | Self::Usage(_)
            | Self::NotGone(_)
            | Self::StillMoving { .. } => None,
        }
    }

    /// The text for standard error.
    pub(crate) fn render(&self, output: Output) -> String {
        let advice = self.advice();
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
            6 => "outcome_unknown",
            _ => "unavailable",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Io(error) => chain(error),
            Self::Usage(message) | Self::NotGone(message) => message.clone(),
            Self::Call(error) | Self::OperatorCall(error) => chain(error),
            Self::NotReached { .. } => "the required consistency is not reached yet".to_owned(),
            Self::StillMoving { to } => {
                let to = crate::print::printable(to);
                format!("the organization is not at home in {to} yet; its move goes on")
            }
        }
    }
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
