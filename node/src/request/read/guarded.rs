//! Reads of secrets in plaintext: the checks that all of them share.
//!
//! From local state like any read, and marked with its freshness; an organization that has chosen so gets
//! no stale one. Each read is audited, and refused while its audit line would be lost.

use concordat_cluster::{
    machine::{locate::Located, query},
    raft::Freshness,
    store::StoreError,
};
use concordat_proto::{consistency::Position, org::OrgSettings, org::StaleSecrets};

use crate::{
    api::{
        outcome::{Answer, Outcome, Unavailable, What},
        request::Terms,
    },
    auth::OrgPrincipal,
    node::Node,
    observe::log,
    request::{freshness, key, unavailable::unavailable},
};

/// What holds a secret.
pub(super) trait Guarded {
    /// What is found.
    type Found;

    /// Its kind, for a caller that asks for one that is absent.
    const WHAT: What;

    /// Looks for it.
    ///
    /// # Errors
    /// When the store is broken.
    fn look(&self, node: &Node, at: &Located) -> Result<Option<Self::Found>, StoreError>;

    /// Writes the audit line of a read.
    fn audit(&self, org: &OrgPrincipal, is_current: bool);

    /// The answer with the secret.
    fn show(&self, node: &Node, at: &Located, found: Self::Found) -> Answer;
}

/// Answers with the secret, if it may be given.
pub(super) fn answer<G: Guarded>(
    node: &Node,
    org: &OrgPrincipal,
    terms: &Terms,
    guarded: &G,
) -> Answer {
    let (found, fresh) = match key::read(node, org, None, |at| look(node, at, guarded)) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let Look { at, position, settings, found } = found;
    let wants_current = terms.current_only || settings.stale_secrets == StaleSecrets::Refuse;
    let is_current = fresh == Freshness::Current;
    let answer = match found {
        _ if wants_current && !is_current => unavailable(Unavailable::NotCurrent),
        None => Outcome::NotFound(G::WHAT).into(),
        Some(_) if !log::takes_audit() => unavailable(Unavailable::NotAudited),
        Some(found) => {
            guarded.audit(org, is_current);
            guarded.show(node, &at, found)
        }
    };
    freshness::mark(Answer { position: Some(position), ..answer }, fresh)
}

/// The result of one read.
struct Look<T> {
    at: Located,
    position: Position,
    settings: OrgSettings,
    found: Option<T>,
}

fn look<G: Guarded>(node: &Node, at: &Located, guarded: &G) -> Result<Look<G::Found>, StoreError> {
    let (group, org) = (at.group, at.home.org.id);
    let position = node.groups.position(at.home.org.epoch, group)?;
    let settings = query::org_settings(node.state(), group, org)?;
    let found = guarded.look(node, at)?;
    Ok(Look { at: at.clone(), position, settings, found })
}
