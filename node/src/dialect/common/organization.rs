//! An organization as a document, for the dialects that show one.

use concordat_proto::{api::organization::Organization, org::Org};

/// What its record says, without a move and settings.
pub(in crate::dialect) fn plain(org: &Org) -> Organization {
    Organization {
        id: org.id,
        org_name: org.org_name.clone(),
        tenant_name: org.tenant_name.clone(),
        home_region: org.home_region.clone(),
        moving_to: None,
        stale_secrets: None,
    }
}
