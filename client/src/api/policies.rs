//! Sets of policies: the cluster-wide one, the organization's own one, and the test of what they decide.

use bytes::Bytes;
use concordat_proto::api::policy::{Policies as Document, PoliciesSet, PolicyTest, PolicyVerdict};
use http::Method;

use crate::{
    api::{
        read,
        write::{Conditional, Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{identity::Identity, read::Read},
};

const CLUSTER: &str = "/v1/policies";
const TEST: &str = "/v1/policies/test";
const OWN: &str = "/organizations/policies";

/// Sets of policies.
#[derive(Debug, Clone, Copy)]
pub struct PolicySets<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> PolicySets<'a> {
    /// Reads the cluster-wide set, with the default set and the schema; needs an operator key.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn cluster_wide(self) -> Result<Read<Document>, ClientError> {
        read::one(self.core, Identity::Operator, CLUSTER.to_owned()).await
    }

    /// Replaces the cluster-wide set; needs an operator key.
    pub fn set_cluster_wide(self, policies: impl Into<String>) -> Write<'a, SetPolicies> {
        let body = PoliciesSet { policies: policies.into() };
        Write::new(self.core, SetPolicies { body })
    }

    /// Reads the organization's own set; the key needs the right `admin`.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn own(self) -> Result<Read<Document>, ClientError> {
        read::one(self.core, Identity::Org, OWN.to_owned()).await
    }

    /// Replaces the organization's own set, which may only forbid; the key needs the right `admin`.
    pub fn set_own(self, policies: impl Into<String>) -> Write<'a, SetOwnPolicies> {
        let body = PoliciesSet { policies: policies.into() };
        Write::new(self.core, SetOwnPolicies { body })
    }

    /// Decides on a request without carrying it out; needs an operator key.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn test(self, request: &PolicyTest) -> Result<PolicyVerdict, ClientError> {
        let body = json_body(request)?;
        let read = read::asked(self.core, Identity::Operator, TEST.to_owned(), body).await?;
        Ok(read.value)
    }
}

/// Replaces the cluster-wide set.
#[derive(Debug)]
pub struct SetPolicies {
    body: PoliciesSet,
}

impl Conditional for SetPolicies {}

impl sealed::Action for SetPolicies {
    type Done = Written;
    const OPERATOR: bool = true;
    fn target(&self) -> (Method, String) {
        (Method::PUT, CLUSTER.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.body)
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

/// Replaces the organization's own set.
#[derive(Debug)]
pub struct SetOwnPolicies {
    body: PoliciesSet,
}

impl Conditional for SetOwnPolicies {}

impl sealed::Action for SetOwnPolicies {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::PUT, OWN.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.body)
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}
