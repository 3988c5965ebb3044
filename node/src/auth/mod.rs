//! Authentication and authorization. The path is one way: presented credentials → [`Principal`] →
//! [`Permit`] → [`Authorized`], and each is made only by the step before.
//!
//! Not here: plaintext keys beyond the header that contains them, statuses, bodies.

mod authenticate;
mod authorize;
mod key;
mod principal;
mod remembered;

pub(crate) use authenticate::{Denied, Look, authenticate, is_arriving};
pub(crate) use authorize::{
    Allowed, Authorized, Basis, Decision, InForce, Named, NotAllowed, Permit, asker, authorize,
    subject_to,
};
pub(crate) use key::{hash_key, new_operator_key, new_org_key};
pub(crate) use principal::{OrgPrincipal, Principal};
pub(crate) use remembered::Remembered;
