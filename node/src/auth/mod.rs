//! Who asks, and what they may do. The path is one way: headers → [`Principal`] → [`Permit`] →
//! [`Authorised`], and each is made only by the step before.
//!
//! Never here: keys in the clear beyond the header they came in, statuses, bodies.

mod authenticate;
mod authorise;
mod key;

pub(crate) use authenticate::{Access, Denied, OrgPrincipal, Principal, authenticate, is_arriving};
pub(crate) use authorise::{Authorised, Forbidden, Permit, authorise};
pub(crate) use key::{hash_key, new_operator_key, new_org_key};
