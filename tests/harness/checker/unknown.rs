//! A write of unknown outcome stays unknown until a client gets its outcome by its id; and a
//! reported outcome is never contradicted: not by another outcome, not by a loss, and not by "not
//! found" where reads must show it.
//!
//! An answer is evidence like any other: [`told`] replaces unknown outcomes with the reported ones,
//! and the other checkers compare those with the reads. It does not consider a failover of a region
//! whose last writes had reached no other region: there, a committed write may be lost.

use std::{collections::BTreeMap, time::Duration};

use super::violation::{Rule, Violation};
use crate::clients::history::{
    Action, History, Operation, Outcome, Position, Question, Required, WriteStatus,
};

/// A write's id is remembered for so long at least.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Checks it.
///
/// # Errors
/// With the first answer that contradicts an earlier one, or that is impossible.
pub fn unknown(history: &History) -> Result<(), Violation> {
    let floors = floors(history);
    let mut by_id: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for question in &history.questions {
        by_id.entry(&question.named.write_id).or_default().push(question);
    }
    for questions in by_id.values() {
        let known = one_fate(questions)?;
        for question in questions {
            match (&question.write_status, known) {
                (WriteStatus::Committed { version, .. }, _) => own_name(question, version)?,
                (WriteStatus::Lost, known) => {
                    not_lost(history, question, known)?;
                    stays_lost(question, questions)?;
                }
                (WriteStatus::Nothing, Some(known)) if has_own_place(questions) => {
                    not_forgotten(&floors, question, (known, &history.forgotten))?;
                }
                (WriteStatus::Nothing | WriteStatus::Refused { .. }, _) => {}
            }
        }
    }
    Ok(())
}

/// The history with the reported outcomes in place of unknown ones.
#[must_use]
pub fn told(history: &History) -> History {
    let mut questions: Vec<&Question> = history.questions.iter().collect();
    questions.sort_by_key(|question| question.completed);
    // A client has one attempt at a time.
    let mut first: BTreeMap<(usize, Duration), (Duration, Outcome)> = BTreeMap::new();
    for question in questions {
        let of = &question.named.attempt;
        if let Some(outcome) = outcome(&question.write_status) {
            first.entry((of.client, of.invoked)).or_insert((question.completed, outcome));
        }
    }
    let mut told = history.clone();
    for operation in &mut told.operations {
        if operation.outcome == Outcome::Unknown
            && let Some((completed, outcome)) = first.get(&(operation.client, operation.invoked))
        {
            operation.completed = *completed;
            operation.outcome = outcome.clone();
        }
    }
    told
}

/// The outcome in an answer, for the other checkers. Each reached region counts separately.
fn outcome(write_status: &WriteStatus) -> Option<Outcome> {
    match write_status.clone() {
        WriteStatus::Committed { version, position, applied } => {
            Some(Outcome::Committed { achieved: false, version, position, applied })
        }
        WriteStatus::Refused { status, position } => {
            Some(Outcome::Refused { achieved: false, status, position })
        }
        WriteStatus::Lost | WriteStatus::Nothing => None,
    }
}

/// The reported name and position of a write; for a refused one the status.
fn fate(outcome: &Outcome) -> Option<(Result<&str, u16>, Position)> {
    match outcome {
        Outcome::Committed { version, position, .. } => Some((Ok(version), *position)),
        Outcome::Refused { status, position, .. } => Some((Err(*status), *position)),
        Outcome::Seen { .. } | Outcome::Unknown | Outcome::Failed => None,
    }
}

/// The place that all answers with one agree in.
fn one_fate(questions: &[&Question]) -> Result<Option<Position>, Violation> {
    let mut known: Option<Outcome> = None;
    for question in questions {
        let told = outcome(&question.write_status);
        for told in told.into_iter().chain([question.named.attempt.outcome.clone()]) {
            let before = known.as_ref().and_then(fate);
            if before.is_some() && fate(&told).is_some_and(|told| Some(told) != before) {
                return Err(wrong(Rule::Once, "one write, two fates", questions));
            }
            if fate(&told).is_some() {
                known = Some(told);
            }
        }
    }
    Ok(known.as_ref().and_then(fate).map(|(_, position)| position))
}

/// Whether the position is that of its own entry. A repeat under a key gets the position of the
/// first one, and is remembered under its own id from its own entry on.
fn has_own_place(questions: &[&Question]) -> bool {
    questions.iter().all(|question| match &question.write_status {
        WriteStatus::Committed { version, .. } => *version == question.named.write_id,
        WriteStatus::Refused { .. } => !is_keyed(question),
        WriteStatus::Lost | WriteStatus::Nothing => true,
    })
}

fn is_keyed(question: &Question) -> bool {
    matches!(&question.named.attempt.action, Action::Write(write) if write.key.is_some())
}

/// Only under a key may it have the name of another: of the first one under that key.
fn own_name(question: &Question, version: &str) -> Result<(), Violation> {
    if is_keyed(question) || version == question.named.write_id {
        return Ok(());
    }
    Err(wrong(Rule::Once, "it has the name of another write", &[question]))
}

fn not_lost(
    history: &History,
    question: &Question,
    known: Option<Position>,
) -> Result<(), Violation> {
    let is_it = |it: &&Operation| {
        let Outcome::Seen { found: Some(found), unmarked: true } = &it.outcome else {
            return false;
        };
        found.version == question.named.write_id
    };
    match (known, history.operations.iter().find(is_it)) {
        (None, None) => Ok(()),
        (Some(_), _) => {
            Err(wrong(Rule::Told, "it was told to be lost, and had a place", &[question]))
        }
        (None, Some(read)) => {
            let mut violation =
                wrong(Rule::Told, "it was told to be lost, and was read", &[question]);
            violation.operations.push(read.clone());
            Err(violation)
        }
    }
}

/// No fresh answer says that there is no such write once a client got the outcome lost,
/// whatever happened to the nodes that had it. That is kept for longer than any run takes.
fn stays_lost(lost: &Question, questions: &[&Question]) -> Result<(), Violation> {
    let takes_back = |it: &&&Question| {
        it.write_status == WriteStatus::Nothing && it.unmarked && it.invoked > lost.completed
    };
    match questions.iter().find(takes_back) {
        None => Ok(()),
        Some(nothing) => {
            let what = "it was told to be lost, and is not known any more";
            Err(wrong(Rule::Told, what, &[lost, nothing]))
        }
    }
}

/// From a time on, fresh answers of a node, of a region or of every node must know a position.
struct Floor<'a> {
    org: &'a str,
    since: Duration,
    position: Position,
    region: Option<&'a str>,
    node: Option<usize>,
    by: &'a Operation,
}

fn floors(history: &History) -> Vec<Floor<'_>> {
    let mut floors = Vec::new();
    for by in &history.operations {
        let (Action::Write(write), Outcome::Committed { achieved, position, applied, .. }) =
            (&by.action, &by.outcome)
        else {
            continue;
        };
        let (org, since, position) = (by.org.as_str(), by.completed, *position);
        let floor = |region| Floor { org, since, position, region, node: None, by };
        floors.extend(achieved.then(|| match write.required {
            Required::AllRegions => floor(None),
            Required::LocalRegion => floor(Some(&by.region)),
        }));
        floors.extend(applied.iter().map(|region| floor(Some(region))));
    }
    for question in &history.questions {
        let (by, since) = (&question.named.attempt, question.completed);
        let floor =
            |position, region, node| Floor { org: &by.org, since, position, region, node, by };
        match &question.write_status {
            WriteStatus::Committed { position, applied, .. } => {
                floors.extend(applied.iter().map(|region| floor(*position, Some(region), None)));
                floors
                    .extend(question.unmarked.then(|| floor(*position, None, Some(question.node))));
            }
            WriteStatus::Refused { position, .. } if question.unmarked => {
                floors.push(floor(*position, None, Some(question.node)));
            }
            WriteStatus::Refused { .. } | WriteStatus::Lost | WriteStatus::Nothing => {}
        }
    }
    floors
}

/// Time until a jump of all clocks has become the time of every group's log: writes meanwhile are
/// still remembered by the time before.
const SPREAD: Duration = Duration::from_secs(10);

/// No fresh answer says that there is no such write once it must know one at least as new.
fn not_forgotten(
    floors: &[Floor<'_>],
    question: &Question,
    (position, forgotten): (Position, &[Duration]),
) -> Result<(), Violation> {
    let of = &question.named.attempt;
    let is_over = question.completed.saturating_sub(of.invoked) >= REMEMBERED
        || forgotten.iter().any(|at| of.invoked < *at + SPREAD && *at < question.completed);
    if !question.unmarked || is_over {
        return Ok(());
    }
    let covers = |floor: &&Floor<'_>| {
        floor.org == of.org
            && floor.since < question.invoked
            && floor.position >= position
            && floor.region.is_none_or(|region| region == question.region)
            && floor.node.is_none_or(|node| node == question.node)
    };
    match floors.iter().find(covers) {
        None => Ok(()),
        Some(floor) => {
            let mut violation =
                wrong(Rule::Told, "an unmarked answer knows no such write any more", &[question]);
            violation.operations.push(floor.by.clone());
            Err(violation)
        }
    }
}

fn wrong(rule: Rule, what: &str, questions: &[&Question]) -> Violation {
    let shown: Vec<String> = questions.iter().map(|question| question.to_string()).collect();
    let attempts = questions.iter().map(|question| &question.named.attempt);
    Violation::new(rule, format!("{what}: {}", shown.join("; ")), attempts)
}
