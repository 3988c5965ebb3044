//! Why the process ends other than in order, and the exit code that says so.

use std::{error::Error, fmt, process::ExitCode};

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// What it was told: flags, configuration, keyring, a data directory of another node. Exit 2.
    Setting,
    /// Anything else: a disk, a socket, a fault of a replica. Exit 1.
    Fault,
}

/// An end with its reason.
#[derive(Debug)]
pub struct Failure {
    /// Whose fault.
    pub blame: Blame,
    /// What was being done, or what is wrong.
    pub doing: String,
    /// Why it failed.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// The operator must change something.
    pub fn setting(doing: impl Into<String>) -> Self {
        Self { blame: Blame::Setting, doing: doing.into(), source: None }
    }

    /// The operator must change something, and this is how it showed.
    pub fn bad_setting(
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { blame: Blame::Setting, doing: doing.into(), source: Some(source.into()) }
    }

    /// Something broke.
    pub fn fault(
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { blame: Blame::Fault, doing: doing.into(), source: Some(source.into()) }
    }

    /// What a shell is told.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.blame {
            Blame::Fault => 1,
            Blame::Setting => 2,
        })
    }

    /// The whole chain in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.doing.clone();
        let mut next: Option<&(dyn Error + 'static)> = self.source();
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
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
