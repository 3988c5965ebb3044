//! Each organization's writes form one total order, that of their positions: it is consistent with
//! real time, and every write was decided by the version directly before it.
//!
//! The order is given, so nothing is searched: writes without a position (unknown outcomes) may be
//! anywhere that time allows, or nowhere.

use std::collections::BTreeMap;

use super::{
    order::{Fate, Order, Written},
    summary::Summary,
    violation::{Rule, Violation},
};
use crate::clients::history::{Change, History};

/// Checks it.
///
/// # Errors
/// With the contradiction.
pub fn linearizable(history: &History) -> Result<Summary, Violation> {
    let order = Order::of(history)?;
    real_time(&order)?;
    for register in order.registers() {
        let mut before: Option<&Written<'_>> = None;
        for write in order.placed(register) {
            Decision { order: &order, before, write }.judge()?;
            if write.is_committed() {
                before = Some(write);
            }
        }
    }
    Ok(order.summary(history))
}

/// A write that was known before another one began is before it.
fn real_time(order: &Order<'_>) -> Result<(), Violation> {
    let mut by_org: BTreeMap<&str, Vec<&Written<'_>>> = BTreeMap::new();
    for write in order.writes.iter().filter(|write| write.fate.position().is_some()) {
        by_org.entry(write.register().0).or_default().push(write);
    }
    for writes in by_org.values_mut() {
        writes.sort_by_key(|write| write.fate.position());
        // From the end: of all later ones, the one that was known first.
        let mut first_known: Option<&Written<'_>> = None;
        for write in writes.iter().rev() {
            if let Some(later) = first_known.filter(|later| later.is_before(write)) {
                let what = "it was known before the other one began, and stands after it";
                let shown = [later.shown(), write.shown()].concat();
                return Err(Violation::new(Rule::RealTime, what, shown));
            }
            let known = |write: &Written<'_>| write.known.map(|(known, _)| known);
            if first_known.is_none_or(|first| known(write) < known(first)) {
                first_known = Some(write);
            }
        }
    }
    Ok(())
}

/// A write, and the last one before it that is known to have happened.
struct Decision<'o, 'a> {
    order: &'o Order<'a>,
    before: Option<&'o Written<'a>>,
    write: &'o Written<'a>,
}

impl<'o, 'a> Decision<'o, 'a> {
    fn judge(&self) -> Result<(), Violation> {
        match self.write.fate {
            Fate::Committed(_) => self.judge_committed(),
            Fate::Refused(status, _) => self.judge_refused(status),
            Fate::Unknown | Fate::Never => Ok(()),
        }
    }

    fn judge_committed(&self) -> Result<(), Violation> {
        let wrong = match self.write.write.change {
            Change::Create(_) if self.is_there() && !self.may_have_been(Written::is_delete) => {
                Some("it was created, and was there")
            }
            Change::Patch(_) | Change::Delete
                if !self.is_there() && !self.may_have_been(is_creation) =>
            {
                Some("it was changed, and was not there")
            }
            Change::Create(_) | Change::Patch(_) | Change::Put(_) | Change::Delete => None,
        };
        if let Some(what) = wrong {
            return Err(self.wrong(what));
        }
        match &self.write.write.if_match {
            Some(version) => self.judge_match(version),
            None => Ok(()),
        }
    }

    /// A conditional write succeeds upon the version directly before.
    fn judge_match(&self, version: &str) -> Result<(), Violation> {
        let Some(base) = self.order.of_version(self.write.register(), version) else {
            return Err(self.wrong("If-Match of a version that nobody made"));
        };
        let is_directly_before = self.before.is_some_and(|before| std::ptr::eq(before, base));
        let overwritten = match base.fate {
            Fate::Committed(_) if is_directly_before => self.certainly_between(base),
            Fate::Unknown if self.may_be_between(base) => None,
            Fate::Committed(_) | Fate::Unknown | Fate::Refused(..) | Fate::Never => {
                Some(self.before.unwrap_or(base))
            }
        };
        match overwritten {
            None => Ok(()),
            Some(lost) => {
                let shown = [base.shown(), lost.shown(), self.write.shown()].concat();
                let what = "a lost update: another write came between a version and If-Match of it";
                Err(Violation::new(Rule::Decided, what, shown))
            }
        }
    }

    fn judge_refused(&self, status: u16) -> Result<(), Violation> {
        let is_put = matches!(self.write.write.change, Change::Put(_));
        match status {
            404 | 409 if is_put => Err(self.wrong("it makes what is not there, and was refused")),
            404 if self.is_there() && !self.may_have_been(Written::is_delete) => {
                Err(self.wrong("it was not found, and was there"))
            }
            409 if !self.is_there() && !self.may_have_been(is_creation) => {
                Err(self.wrong("it was said to be there, and was not"))
            }
            412 if self.matched() && !self.may_have_been(|_| true) => {
                Err(self.wrong("If-Match was refused, and names the version directly before"))
            }
            _ => Ok(()),
        }
    }

    fn is_there(&self) -> bool {
        self.before.is_some_and(|before| !before.is_delete())
    }

    fn matched(&self) -> bool {
        let before = self.before.and_then(|before| before.version);
        before.is_some() && before == self.write.write.if_match.as_deref()
    }

    /// Whether an unknown write of this kind can have happened in between.
    fn may_have_been(&self, kind: impl Fn(&Written<'a>) -> bool) -> bool {
        let mut unknown = self.order.unknown(self.write.register());
        unknown.any(|unknown| kind(unknown) && self.may_be_between(unknown))
    }

    fn may_be_between(&self, unknown: &Written<'a>) -> bool {
        let follows = self.before.is_none_or(|before| self.order.may_follow(unknown, before));
        follows && !self.write.is_before(unknown)
    }

    /// An unknown write that was seen, began after the base was known and was known before this one
    /// began.
    fn certainly_between(&self, base: &Written<'a>) -> Option<&'o Written<'a>> {
        let mut unknown = self.order.unknown(self.write.register());
        unknown.find(|unknown| base.is_before(unknown) && unknown.is_before(self.write))
    }

    fn wrong(&self, what: &str) -> Violation {
        let before = self.before.map(Written::shown).into_iter().flatten();
        Violation::new(Rule::Decided, what, before.chain(self.write.shown()))
    }
}

fn is_creation(write: &Written<'_>) -> bool {
    matches!(write.write.change, Change::Create(_) | Change::Put(_))
}
