//! A write of unknown outcome stays unknown until somebody is told what became of it, by its id; and
//! what was told of it once is never taken back: not told otherwise, not lost, and not forgotten where
//! reads have to show it.
//!
//! An answer is evidence like any other: [`told`] puts what was learnt in the place of the unknown
//! outcome, and the other judges hold that against what was read. It knows no failover of a region
//! whose last writes had reached nobody else: there, what was committed may be lost.

use std::{collections::BTreeMap, time::Duration};

use super::{Rule, Violation};
use crate::history::{Action, History, Operation, Outcome, Position, Question, Required, Standing};

/// A write's id is remembered for so long at least.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Judges it.
///
/// # Errors
/// With the first answer that takes back what was told, or that cannot be.
pub fn unknown(history: &History) -> Result<(), Violation> {
    let floors = floors(history);
    let mut by_id: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for question in &history.questions {
        by_id.entry(&question.named.write_id).or_default().push(question);
    }
    for questions in by_id.values() {
        let known = one_fate(questions)?;
        for question in questions {
            match (&question.standing, known) {
                (Standing::Committed { version, .. }, _) => own_name(question, version)?,
                (Standing::Lost, known) => {
                    not_lost(history, question, known)?;
                    stays_lost(question, questions)?;
                }
                (Standing::Nothing, Some(known)) if has_own_place(questions) => {
                    not_forgotten(&floors, question, (known, history.forgotten))?;
                }
                (Standing::Nothing | Standing::Refused { .. }, _) => {}
            }
        }
    }
    Ok(())
}

/// The history with what questions have told in the place of unknown outcomes.
#[must_use]
pub fn told(history: &History) -> History {
    let mut questions: Vec<&Question> = history.questions.iter().collect();
    questions.sort_by_key(|question| question.completed);
    // A client has one attempt at a time.
    let mut first: BTreeMap<(usize, Duration), (Duration, Outcome)> = BTreeMap::new();
    for question in questions {
        let of = &question.named.attempt;
        if let Some(outcome) = outcome(&question.standing) {
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

/// What an answer is worth to the other judges. That it has reached all regions is said one by one.
fn outcome(standing: &Standing) -> Option<Outcome> {
    match standing.clone() {
        Standing::Committed { version, position, applied } => {
            Some(Outcome::Committed { achieved: false, version, position, applied })
        }
        Standing::Refused { status, position } => {
            Some(Outcome::Refused { achieved: false, status, position })
        }
        Standing::Lost | Standing::Nothing => None,
    }
}

/// The name and place that a write was told to have; of a refused one the status.
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
        let told = outcome(&question.standing);
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

/// Whether the place is that of its own entry. A repeat under a key is told the place of the first one,
/// and is remembered under its own id from its own entry on.
fn has_own_place(questions: &[&Question]) -> bool {
    questions.iter().all(|question| match &question.standing {
        Standing::Committed { version, .. } => *version == question.named.write_id,
        Standing::Refused { .. } => !is_keyed(question),
        Standing::Lost | Standing::Nothing => true,
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

/// Nobody says unmarked that there is no such write once somebody was told that it is lost, whatever
/// has become of those who had it. That is kept for longer than any run takes.
fn stays_lost(lost: &Question, questions: &[&Question]) -> Result<(), Violation> {
    let takes_back = |it: &&&Question| {
        it.standing == Standing::Nothing && it.unmarked && it.invoked > lost.completed
    };
    match questions.iter().find(takes_back) {
        None => Ok(()),
        Some(nothing) => {
            let what = "it was told to be lost, and is not known any more";
            Err(wrong(Rule::Told, what, &[lost, nothing]))
        }
    }
}

/// From a moment on unmarked answers of a node, of a region or of everybody have to know a place.
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
        match &question.standing {
            Standing::Committed { position, applied, .. } => {
                floors.extend(applied.iter().map(|region| floor(*position, Some(region), None)));
                floors
                    .extend(question.unmarked.then(|| floor(*position, None, Some(question.node))));
            }
            Standing::Refused { position, .. } if question.unmarked => {
                floors.push(floor(*position, None, Some(question.node)));
            }
            Standing::Refused { .. } | Standing::Lost | Standing::Nothing => {}
        }
    }
    floors
}

/// For a time that all clocks were put forward to, to become the time of every group's log: what is
/// written meanwhile is still remembered by the time before.
const SPREAD: Duration = Duration::from_secs(10);

/// Nobody says unmarked that there is no such write once he has to know of something as new.
fn not_forgotten(
    floors: &[Floor<'_>],
    question: &Question,
    (position, forgotten): (Position, Option<Duration>),
) -> Result<(), Violation> {
    let of = &question.named.attempt;
    let is_over = question.completed.saturating_sub(of.invoked) >= REMEMBERED
        || forgotten.is_some_and(|at| of.invoked < at + SPREAD && at < question.completed);
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
