//! The organization of the client's own key, and its suborganizations: `/organizations`.

use bytes::Bytes;
use concordat_proto::{
    api::organization::{
        NewSuborganization, Organization, Suborganization, SuborganizationAdmin,
        SuborganizationCreate,
    },
    resource::HandleType,
};
use http::Method;

use crate::{
    api::{
        read,
        write::{Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{
        envelope,
        identity::Identity,
        read::{Page, Read},
    },
};

const PATH: &str = "/organizations";
const SUBORGANIZATIONS: &str = "/organizations/suborganizations";

/// The organization of the client's own key.
#[derive(Debug, Clone, Copy)]
pub struct OwnOrganization<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> OwnOrganization<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn get(self) -> Result<Read<Organization>, ClientError> {
        read::one(self.core, Identity::Org, PATH.to_owned()).await
    }

    /// Deletes it with all its data, for good: its id is never used again. It must have no suborganizations
    /// (409), and the key needs the right `admin`. From the required consistency on its keys open nothing,
    /// except that the one that asked reads the receipt, and repeats this write under the same idempotency
    /// key, for ten minutes.
    pub const fn delete(self) -> Write<'a, DeleteOwnOrganization> {
        Write::new(self.core, DeleteOwnOrganization)
    }

    /// Lists its suborganizations.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn suborganizations(self) -> Result<Page<Suborganization>, ClientError> {
        read::whole_list(self.core, Identity::Org, SUBORGANIZATIONS, &[]).await
    }

    /// Makes a suborganization: an organization with keys and credentials of its own, which lives where
    /// this one lives. The key needs the right `admin`.
    pub fn create_suborganization(
        self,
        name: impl Into<String>,
    ) -> Write<'a, CreateSuborganization> {
        let body = SuborganizationCreate { sub_org_name: name.into(), admins: Vec::new() };
        Write::new(self.core, CreateSuborganization(body))
    }
}

/// Deletes the organization of the client's own key.
#[derive(Debug)]
pub struct DeleteOwnOrganization;

impl sealed::Action for DeleteOwnOrganization {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::DELETE, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        Ok(Bytes::new())
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

/// A suborganization that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedSuborganization {
    /// The suborganization, with its first key, which is shown this once.
    pub organization: NewSuborganization,
    /// Where it has arrived.
    pub written: Written,
}

/// Makes a suborganization.
#[derive(Debug)]
pub struct CreateSuborganization(SuborganizationCreate);

impl Write<'_, CreateSuborganization> {
    /// A person who administrates it. Persons are kept and listed; nothing else is done with them.
    pub fn admin(mut self, handle: HandleType, value: impl Into<String>) -> Self {
        let admin = SuborganizationAdmin { handle: handle.into(), value: value.into() };
        self.action.0.admins.push(admin);
        self
    }
}

impl sealed::Action for CreateSuborganization {
    type Done = CreatedSuborganization;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, SUBORGANIZATIONS.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.0)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedSuborganization> {
        Some(CreatedSuborganization { organization: envelope::result(body).ok()??, written })
    }
}
