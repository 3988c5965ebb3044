//! Organizations: `/v1/organizations`, for the operator of the cluster.

use bytes::Bytes;
use concordat_proto::{
    api::organization::{
        NewOrganization, Organization, OrganizationCreate, OrganizationMove, OrganizationPatch,
    },
    id::OrgId,
    org::StaleSecrets,
    region::Region,
    secret::Secret,
};
use http::Method;

use crate::{
    api::{
        admin::{self, AdminWrite},
        read,
        write::{self, Write, Written, json_body, sealed},
    },
    call::{
        core::Core,
        entropy, run,
        types::{Call, Kind},
    },
    error::ClientError,
    model::{
        envelope,
        identity::Identity,
        read::{Page, Read},
    },
};

const PATH: &str = "/v1/organizations";

/// An organization that was just made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreatedOrganization {
    /// The created organization.
    pub organization: Organization,
    /// Its first key, shown this once.
    pub api_key: Secret,
    /// The enterprise domain that it was made with: none where another organization took it meanwhile.
    pub enterprise_domain: Option<String>,
    /// Its receipt.
    pub written: Written,
}

/// The organizations of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Organizations<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> Organizations<'a> {
    /// Makes one.
    pub fn create(self, org_name: impl Into<String>) -> Write<'a, CreateOrg> {
        let org_name = org_name.into();
        let (tenant_name, home_region, id, enterprise_domain) = (None, None, None, None);
        let create =
            OrganizationCreate { org_name, tenant_name, home_region, id, enterprise_domain };
        Write::new(self.core, CreateOrg(create))
    }

    /// Lists them.
    pub const fn list(self) -> ListOrgs<'a> {
        ListOrgs { core: self.core, limit: None, offset: None }
    }

    /// Shows one, and where it is at home.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn get(self, org: OrgId) -> Result<Read<Organization>, ClientError> {
        let target = format!("{PATH}/{org}");
        read::one(self.core, Identity::Operator, target).await
    }

    /// Sets whether secrets of one are given out by nodes that cannot prove that they are current.
    pub fn set_stale_secrets(self, org: OrgId, stale: StaleSecrets) -> Write<'a, AdminWrite> {
        let patch = OrganizationPatch::StaleSecrets(stale);
        admin::patch(self.core, format!("{PATH}/{org}"), patch)
    }

    /// Sets the enterprise domain of one, in place of an earlier one. No other organization has it: a
    /// domain that is taken is refused (409).
    pub fn set_enterprise_domain(
        self,
        org: OrgId,
        domain: impl Into<String>,
    ) -> Write<'a, AdminWrite> {
        let patch = OrganizationPatch::EnterpriseDomain(domain.into());
        admin::patch(self.core, format!("{PATH}/{org}"), patch)
    }

    /// Deletes one with all its data, for good: its id is never used again. It must have no suborganizations
    /// (409).
    pub fn delete(self, org: OrgId) -> Write<'a, AdminWrite> {
        admin::delete(self.core, format!("{PATH}/{org}"))
    }

    /// Begins to move one to another region. Its reads continue; its writes wait for the end of the
    /// move, seconds later. [`Organizations::get`] shows the progress.
    ///
    /// # Errors
    /// When it is refused, or no node could be asked. A repeat is harmless.
    pub async fn move_to(self, org: OrgId, region: &Region) -> Result<(), ClientError> {
        self.change_home(org, &OrganizationMove::To(region.clone())).await
    }

    /// Cancels a move. This works until the new home has all of the organization: for example, when
    /// it has no quorum.
    ///
    /// # Errors
    /// When it is too late or there is no move, or no node could be asked. A repeat is harmless.
    pub async fn cancel_move(self, org: OrgId) -> Result<(), ClientError> {
        self.change_home(org, &OrganizationMove::Cancel).await
    }

    async fn change_home(self, org: OrgId, change: &OrganizationMove) -> Result<(), ClientError> {
        let key = entropy::idempotency_key();
        let call = Call {
            identity: Identity::Operator,
            method: Method::POST,
            target: format!("{PATH}/{org}/move"),
            headers: write::key_headers(&key)?,
            body: json_body(change)?,
            kind: Kind::Write { key },
            timeout: self.core.shared.timeout,
        };
        run::run(self.core, &call, &|_| Ok(())).await.map(drop)
    }
}

/// A list before it is read.
#[derive(Debug, Clone, Copy)]
#[must_use = "a list does nothing until it is sent"]
pub struct ListOrgs<'a> {
    core: &'a Core,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl ListOrgs<'_> {
    /// The maximal number of items; the server has a maximum of its own.
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Skips this many items.
    pub const fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Reads it.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn send(self) -> Result<Page<Organization>, ClientError> {
        let query = [
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
        ];
        let target = read::target(PATH, &query);
        read::list(self.core, Identity::Operator, target).await
    }
}

/// Makes an organization.
#[derive(Debug)]
pub struct CreateOrg(OrganizationCreate);

impl Write<'_, CreateOrg> {
    /// A second name, for people.
    pub fn tenant_name(mut self, name: impl Into<String>) -> Self {
        self.action.0.tenant_name = Some(name.into());
        self
    }

    /// Its home region, which orders its writes; the region of the answering node, when it is not
    /// set.
    pub fn home_region(mut self, region: &Region) -> Self {
        self.action.0.home_region = Some(region.clone());
        self
    }

    /// An id of the caller's choice.
    pub fn id(mut self, id: OrgId) -> Self {
        self.action.0.id = Some(id);
        self
    }

    /// Its enterprise domain. One that another organization has is refused (409), and nothing is made.
    pub fn enterprise_domain(mut self, domain: impl Into<String>) -> Self {
        self.action.0.enterprise_domain = Some(domain.into());
        self
    }
}

impl sealed::Action for CreateOrg {
    type Done = CreatedOrganization;
    const OPERATOR: bool = true;
    fn target(&self) -> (Method, String) {
        (Method::POST, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.0)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedOrganization> {
        let NewOrganization { organization, api_key, enterprise_domain } =
            envelope::result(body).ok()??;
        Some(CreatedOrganization { organization, api_key, enterprise_domain, written })
    }
}
