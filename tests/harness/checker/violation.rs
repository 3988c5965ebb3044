//! What a checker found wrong: the rule, what happened, and the operations that show it. It never judges.

use std::fmt;

use crate::clients::history::Operation;

/// A violation.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The broken rule.
    pub rule: Rule,
    /// The description.
    pub what: String,
    /// The operations that show it, in order of time.
    pub operations: Vec<Operation>,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The history itself makes no sense: the test is wrong, not the server.
    History,
    /// A write happens at most once, under one name, at one place.
    Once,
    /// An acknowledged write stays.
    Kept,
    /// The order of writes is consistent with real time.
    RealTime,
    /// A conditional write, a create, a change: each is decided by the version directly before.
    Decided,
    /// No read shows a value that was not written, or before it was written.
    Origin,
    /// After 2xx to `all_regions`.
    AllRegions,
    /// After 2xx to `local_region`.
    LocalRegion,
    /// After a receipt that lists a region as applied.
    Receipt,
    /// Unmarked reads of one node do not go back.
    NodeOrder,
    /// A read from a position on shows that position's state or a later one.
    AtLeast,
    /// A reported outcome of a write is never contradicted.
    Told,
    /// No no of a state that has never been current.
    Absent,
    /// A receipt names every region that counts.
    Regions,
    /// What policies forbid does not happen.
    Forbidden,
    /// No request is denied that no policies forbid.
    Denied,
}

impl Violation {
    pub(crate) fn new<'a>(
        rule: Rule,
        what: impl Into<String>,
        operations: impl IntoIterator<Item = &'a Operation>,
    ) -> Self {
        let mut operations: Vec<Operation> = operations.into_iter().cloned().collect();
        operations.sort_by_key(|operation| operation.invoked);
        operations.dedup();
        Self { rule, what: what.into(), operations }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)?;
        self.operations.iter().try_for_each(|operation| write!(f, "\n    {operation}"))
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Violation {}
