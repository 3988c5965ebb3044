//! An error and all that caused it, in one line: for logs, and for the last words of a process.
//!
//! It must never be part of an answer to a client.

use std::iter;

/// The texts of an error and of its sources, each after a colon.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn each_cause_is_said_once() {
        let inner = Link("it is gone", None);
        let outer = Link("starting", Some(Box::new(Link("reading the disk", Some(inner.into())))));
        assert_eq!(chain(&outer), "starting: reading the disk: it is gone");
    }
}
