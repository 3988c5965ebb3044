//! Whether an entry of a closed group is in the log that its successor was made from. Positions
//! from before a failover are judged by this.
//!
//! Pure. It must never call an entry lost that the successor has, nor one kept that it lacks. Where
//! neither can be shown, it returns that the fate is unknown.
//!
//! # Why it is exact
//! A term and an index identify one entry, because a leader uses each index once. So the
//! successor's log has an entry if and only if it has the entry's term at the entry's index. For
//! entries that the log no longer holds the term is not needed: they were committed, and only one
//! entry is ever committed at an index. A position belongs to an entry that some replica had
//! applied, so to a committed one.
//!
//! Between the newest entry that some survivor had applied and the log's end, an index alone
//! identifies nothing: a later leader's log may have had another entry there.

use concordat_proto::{
    failover::Succession,
    limits,
    log::{LogId, LogIndex},
    record::InheritedTerms,
};

/// The fate of an entry of a closed group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The successor has it.
    Kept,
    /// The successor lacks it, for good.
    Lost,
    /// Neither can be shown.
    Unknown,
}

/// The rule for an entry whose term is not known.
#[must_use]
pub fn of_index(succession: &Succession, index: LogIndex) -> Fate {
    if index > succession.last.index {
        Fate::Lost
    } else if index <= succession.safe_index {
        Fate::Kept
    } else {
        Fate::Unknown
    }
}

/// The rule for an entry whose term is known, if the successor has kept the terms of its log.
#[must_use]
pub fn of_entry(succession: &Succession, terms: Option<&InheritedTerms>, entry: LogId) -> Fate {
    if succession.lacks(entry) || entry.index > succession.last.index {
        return Fate::Lost;
    }
    let Some(terms) = terms else { return of_index(succession, entry.index) };
    if entry.index <= terms.committed {
        return Fate::Kept;
    }
    if entry.index <= terms.unknown {
        return Fate::Unknown;
    }
    let run = terms.runs.partition_point(|run| run.index < entry.index);
    match terms.runs.get(run) {
        Some(run) if run.term == entry.term => Fate::Kept,
        Some(_) | None => Fate::Lost,
    }
}

/// The terms that a successor keeps of the log that it is made from: `last` is that log's end,
/// `first` the first entry that is still held, and `runs` the last entry of each run of one term
/// among those.
#[must_use]
pub fn terms(last: LogId, first: LogIndex, mut runs: Vec<LogId>) -> InheritedTerms {
    let end = runs.last().copied().unwrap_or_default();
    if end.index < last.index {
        // The log has lost its end, which the state has: it was committed.
        let (committed, unknown) = (last.index, last.index);
        return InheritedTerms { committed, unknown, runs: Vec::new() };
    }
    let committed = LogIndex(first.0.saturating_sub(1));
    let surplus = runs.len().saturating_sub(limits::INHERITED_RUNS_MAX);
    let dropped = runs.drain(..surplus).next_back();
    let unknown = dropped.map_or(committed, |run| run.index);
    InheritedTerms { committed, unknown, runs }
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        id::{GroupId, NodeId},
        log::Term,
    };
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn id((term, index): (u64, u64)) -> LogId {
        LogId { term: Term(term), index: LogIndex(index) }
    }

    /// The terms of a log from index 1 on: each run is so much later than the one before, and so long.
    fn log_of(runs: &[(u64, usize)]) -> Vec<u64> {
        let mut term = 0;
        let mut log = Vec::new();
        for (later, length) in runs {
            term += later;
            log.extend(std::iter::repeat_n(term, *length));
        }
        log
    }

    fn runs_of(log: &[u64], first: usize) -> Vec<LogId> {
        let at = |place: usize| id((log[place], place as u64 + 1));
        let ends = |place: &usize| log.get(place + 1) != Some(&log[*place]);
        (first - 1..log.len()).filter(ends).map(at).collect()
    }

    fn succession(log: &[u64], safe_index: usize) -> Succession {
        let last = log.last().map(|term| id((*term, log.len() as u64))).unwrap_or_default();
        let (group, founder) = (GroupId(4), NodeId(1));
        Succession { group, founder, last, safe_index: LogIndex(safe_index as u64) }
    }

    prop_compose! {
        /// A log, how much of it is purged, and how much some survivor had applied.
        fn founders()(runs in vec((1_u64..4, 1_usize..5), 1..8))
            (purged in 0..=log_of(&runs).len(), safe_index in 0..=log_of(&runs).len(), runs in Just(runs))
            -> (Vec<u64>, usize, usize) {
            (log_of(&runs), purged, safe_index.max(purged))
        }
    }

    proptest! {
        #[test]
        fn an_entry_is_kept_if_and_only_if_the_log_has_it(
            (log, purged, safe_index) in founders(),
            (term, index) in (0_u64..40, 1_u64..60),
        ) {
            let succession = succession(&log, safe_index);
            let first = LogIndex(purged as u64 + 1);
            let runs = if purged < log.len() { runs_of(&log, purged + 1) } else { Vec::new() };
            let terms = terms(succession.last, first, runs);
            let entry = id((term, index));
            let place = usize::try_from(index).unwrap() - 1;
            let has = log.get(place) == Some(&term);
            // Another entry at a purged index was never committed, so no client has its position.
            prop_assume!(has || place >= purged);
            let fate = of_entry(&succession, Some(&terms), entry);
            prop_assert_eq!(fate, if has { Fate::Kept } else { Fate::Lost });
        }

        #[test]
        fn without_terms_it_is_said_only_where_it_is_so(
            (log, purged, safe_index) in founders(),
            (term, index) in (0_u64..40, 1_u64..60),
        ) {
            let succession = succession(&log, safe_index);
            let place = usize::try_from(index).unwrap() - 1;
            let has = log.get(place) == Some(&term);
            prop_assume!(has || place >= safe_index.max(purged));
            match of_entry(&succession, None, id((term, index))) {
                Fate::Kept => prop_assert!(has && place < safe_index),
                Fate::Lost => prop_assert!(!has),
                Fate::Unknown => prop_assert!(place >= safe_index && place < log.len()),
            }
            match of_index(&succession, LogIndex(index)) {
                Fate::Kept => prop_assert!(place < safe_index),
                Fate::Lost => prop_assert!(place >= log.len()),
                Fate::Unknown => prop_assert!(place >= safe_index && place < log.len()),
            }
        }

        #[test]
        fn more_terms_than_are_kept_leave_the_oldest_unknown(more in 1_usize..50, place in 0_usize..60) {
            let count = limits::INHERITED_RUNS_MAX + more;
            let log: Vec<u64> = (1..=count as u64).collect();
            let succession = succession(&log, 0);
            let terms = terms(succession.last, LogIndex(1), runs_of(&log, 1));
            prop_assert_eq!(terms.runs.len(), limits::INHERITED_RUNS_MAX);
            let entry = id((log[place], place as u64 + 1));
            let other = LogId { term: Term(0), ..entry };
            let fates = [entry, other].map(|entry| of_entry(&succession, Some(&terms), entry));
            let known = [Fate::Kept, Fate::Lost];
            prop_assert_eq!(fates, if place < more { [Fate::Unknown; 2] } else { known });
        }
    }

    #[test]
    fn a_log_that_has_lost_its_end_was_committed() {
        let log = [1, 1, 2];
        let succession = succession(&log, 3);
        for runs in [Vec::new(), vec![id((1, 2))]] {
            let terms = terms(succession.last, LogIndex(1), runs);
            assert_eq!(terms.runs, []);
            assert_eq!(of_entry(&succession, Some(&terms), id((2, 3))), Fate::Kept);
            assert_eq!(of_entry(&succession, Some(&terms), id((2, 4))), Fate::Lost);
        }
    }
}
