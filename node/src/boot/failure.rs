//! Why the process ends abnormally, and its exit code.

use std::{error::Error, fmt, process::ExitCode};

use concordat_cluster::error_chain;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The operator's input: flags, configuration, keyring, a data directory of another node. Exit
    /// 2.
    Config,
    /// Anything else: a disk, a socket, a fault of a replica. Exit 1.
    Internal,
}

/// An end with its reason.
#[derive(Debug)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// The action that failed, or the problem.
    pub context: String,
    /// Why it failed.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// The operator must change something.
    pub fn setting(context: impl Into<String>) -> Self {
        Self { kind: FailureKind::Config, context: context.into(), source: None }
    }

    /// The operator must change something, and this is how it showed.
    pub fn bad_setting(
        context: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind: FailureKind::Config, context: context.into(), source: Some(source.into()) }
    }

    /// Something broke.
    pub fn fault(
        context: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind: FailureKind::Internal, context: context.into(), source: Some(source.into()) }
    }

    /// The exit code for the shell.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            FailureKind::Internal => 1,
            FailureKind::Config => 2,
        })
    }

    /// The whole chain in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        error_chain::chain(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_says_each_thing_once() {
        let inner = Failure::fault("reading the disk", "it is gone");
        let outer = Failure::fault("starting", inner);
        assert_eq!(outer.chain(), "starting: reading the disk: it is gone");
    }
}
