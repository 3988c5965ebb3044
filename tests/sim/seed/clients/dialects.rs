//! Clients that ask in other dialects now and then: in half of the seeds, a part of the reads and writes of
//! every client, on the same credentials as the others; and a credential of each organization to which a
//! dialect that knows only one is bound.
//!
//! What a client says is drawn from a generator of its own: no other draw depends on it. In the other seeds
//! nothing is asked differently.

use std::sync::Arc;

use concordat_tests::{
    dialects::{Dialect, Listed, Shown, Speech},
    history::{Change, Outcome, Required, Write},
    recorded::{Patience, Subject},
};

use super::{
    client::{ATTEMPTS, CREDENTIALS, Client, READ_PATIENCE, credential},
    speaker::place,
};

/// The credentials that only one dialect makes, each bound to it.
pub(crate) const BOUND: [(Dialect, &str); 2] =
    [(Dialect::Jitsudo, "bound-to-jitsudo"), (Dialect::Aisquare, "bound-to-aisquare")];
/// One in this many operations is in another dialect.
const SPOKEN_ONE_IN: u64 = 3;
/// Before one in this many writes a bound credential is read or written.
const BOUND_ONE_IN: u64 = 4;
/// One in this many times a number is looked up although one is known.
const SEARCHED_ONE_IN: u64 = 4;

impl Client {
    /// The dialect of the next read, if it is not the native one.
    pub(super) async fn speech_of_read(
        &mut self,
        of: (usize, usize),
        node: usize,
    ) -> Option<Speech> {
        if !self.speaker.is_due(SPOKEN_ONE_IN) {
            return None;
        }
        let known = self.listed((of.0, &credential(of.1)), node).await?;
        let dialect = [Dialect::Generic, Dialect::Legacy][self.speaker.rng.place(2)];
        Some(Speech { dialect, number: Some(known.number), shown: Shown::Name })
    }

    /// The dialect of a write, if it is not the native one: the same one for all its attempts.
    pub(super) async fn speech_of_write(
        &mut self,
        of: (usize, usize),
        node: usize,
        write: &Write,
    ) -> Option<Speech> {
        if !self.speaker.is_due(SPOKEN_ONE_IN) {
            return None;
        }
        let dialect = [Dialect::Generic, Dialect::Legacy][self.speaker.rng.place(2)];
        let shown = Shown::Name;
        match write.change {
            Change::Create(_) => Some(Speech { dialect, number: None, shown }),
            Change::Put(_) => None,
            Change::Patch(_) | Change::Delete => {
                let known = self.listed((of.0, &credential(of.1)), node).await?;
                let is_patch = matches!(write.change, Change::Patch(_));
                // The newer calls do not change what another kind of provider has.
                let dialect = if is_patch && !known.is_generic { Dialect::Legacy } else { dialect };
                Some(Speech { dialect, number: Some(known.number), shown })
            }
        }
    }

    /// What is known of a credential's number, from a search at a node if need be.
    async fn listed(&mut self, (org, client_id): (usize, &str), node: usize) -> Option<Listed> {
        let is_known = self.speaker.known(org, client_id).is_some();
        if !is_known || self.speaker.is_due(SEARCHED_ONE_IN) {
            let work = Arc::clone(&self.work);
            let found = self.caller.search(&work.orgs[org], node, READ_PATIENCE).await;
            if !found.is_empty() {
                self.speaker.listed[org] = found;
            }
        }
        self.speaker.known(org, client_id).cloned()
    }

    pub(super) async fn read_in(
        &mut self,
        speech: &Speech,
        (org, credential): (usize, &str),
        node: usize,
    ) -> Outcome {
        let work = Arc::clone(&self.work);
        let subject = Subject { org: &work.orgs[org], credential };
        let outcome = self.caller.read_in(speech, subject, node, READ_PATIENCE).await;
        self.count(speech, &outcome);
        outcome
    }

    pub(super) fn count(&self, speech: &Speech, outcome: &Outcome) {
        if *outcome != Outcome::Failed
            && let Some(place) = place(speech.dialect)
        {
            self.work.client_network.with(|state| state.met.spoken[place] += 1);
        }
    }

    /// Now and then reads or writes a credential to which a dialect is bound.
    pub(super) async fn asks_the_bound(&mut self, count: u64) {
        if !self.speaker.is_due(BOUND_ONE_IN) {
            return;
        }
        let kinds = if self.work.has_domains { BOUND.len() } else { 1 };
        let (dialect, name) = BOUND[self.speaker.rng.place(kinds)];
        let org = self.speaker.rng.place(self.work.orgs.len());
        let node = self.speaker.rng.place(self.work.places.len());
        let own = Speech { dialect, number: None, shown: Shown::Issuer };
        match self.speaker.rng.below(10) {
            0..=1 => drop(self.read_in(&own, (org, name), node).await),
            2 => self.read_bound(org, name, node).await,
            3 => {
                let Some(known) = self.listed((org, name), node).await else { return };
                let number = Some(known.number);
                let speech = Speech { dialect: Dialect::Generic, number, shown: Shown::Issuer };
                self.read_in(&speech, (org, name), node).await;
            }
            4..=8 => {
                let value = format!("{}-{count}-{name}", self.number);
                let (own, change) = self.change_of_bound(own, (org, name), node, value).await;
                self.write_bound(&own, (org, name), node, (count, change)).await;
            }
            _ => {
                let is_native = dialect == Dialect::Aisquare || self.speaker.rng.below(2) == 0;
                let dialect = if is_native { Dialect::Native } else { dialect };
                let speech = Speech { dialect, ..own };
                self.write_bound(&speech, (org, name), node, (count, Change::Delete)).await;
            }
        }
    }

    /// Mostly in its own dialect; now and then by the number, which makes none.
    async fn change_of_bound(
        &mut self,
        own: Speech,
        of: (usize, &str),
        node: usize,
        value: String,
    ) -> (Speech, Change) {
        let is_by_number = own.dialect == Dialect::Jitsudo && self.speaker.rng.below(4) == 0;
        let known = if is_by_number { self.listed(of, node).await } else { None };
        match known {
            Some(known) => {
                let number = Some(known.number);
                let speech = Speech { dialect: Dialect::Generic, number, ..own };
                (speech, Change::Patch(value))
            }
            None => (own, Change::Put(value)),
        }
    }

    async fn write_bound(
        &mut self,
        speech: &Speech,
        (org, name): (usize, &str),
        node: usize,
        (count, change): (u64, Change),
    ) {
        let is_keyed = self.speaker.rng.below(2) == 0;
        let write = Write {
            change,
            if_match: None,
            key: is_keyed.then(|| format!("{}-{count}-{name}", self.number)),
            required: [Required::LocalRegion, Required::AllRegions][self.speaker.rng.place(2)],
        };
        let work = Arc::clone(&self.work);
        let subject = Subject { org: &work.orgs[org], credential: name };
        let attempts = if is_keyed { ATTEMPTS } else { 1 };
        for attempt in 0..attempts {
            let others = self.speaker.rng.place(work.places.len());
            let through = if attempt == 0 { node } else { others };
            let patience = Patience::seconds(1 + self.speaker.rng.below(4));
            let asked = (&write, patience);
            let outcome = self.caller.write_in(speech, subject, through, asked).await;
            self.count(speech, &outcome);
            if let Some(named) = self.caller.named().cloned() {
                concordat_cluster::locks::locked(&work.named).push((org, named));
            }
            if !outcome.is_open() {
                return;
            }
        }
    }

    /// In the native API.
    async fn read_bound(&mut self, org: usize, name: &str, node: usize) {
        let speech = Speech { dialect: Dialect::Native, number: None, shown: Shown::Issuer };
        self.read_in(&speech, (org, name), node).await;
    }

    /// Reads the bound credentials of all organizations at a node, until each was read fresh.
    pub(crate) async fn reads_all_bound(&mut self, node: usize) -> Result<(), String> {
        let speech = Speech { dialect: Dialect::Native, number: None, shown: Shown::Issuer };
        for org in 0..self.work.orgs.len() {
            for (_, name) in BOUND {
                let mut left = 100;
                while !self.read_in(&speech, (org, name), node).await.is_unmarked() {
                    left -= 1;
                    if left == 0 {
                        return Err(format!("node {node} gives only marked reads"));
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
        Ok(())
    }
}

const _: () = assert!(CREDENTIALS < 10, "no name of one is the beginning of another's");
