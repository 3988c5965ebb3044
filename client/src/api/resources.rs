//! Resources of an organization beside its OIDC credentials: SAML credentials, external credentials and
//! attributes.

use bytes::Bytes;
use concordat_proto::{
    api::resource::{
        Attribute, AttributeSet, ExternalCreate, ExternalCredential, ExternalPatch, SamlCreate,
        SamlCredential, SamlPatch,
    },
    resource::ResourceName,
};
use http::Method;

use crate::{
    api::{
        read,
        write::{Conditional, Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{
        envelope,
        identity::Identity,
        read::{Page, Read},
    },
};

const SAML: &str = "/organizations/sso/saml/provider-credentials";
const EXTERNAL: &str = "/organizations/config/external-credentials";
const ATTRIBUTES: &str = "/organizations/attributes";

/// The SAML credentials of an organization.
#[derive(Debug, Clone, Copy)]
pub struct SamlCredentials<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> SamlCredentials<'a> {
    /// Lists them.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Page<SamlCredential>, ClientError> {
        read::whole_list(self.core, Identity::Org, SAML, &[]).await
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: there is none of this id).
    pub async fn get(self, id: &ResourceName) -> Result<Read<SamlCredential>, ClientError> {
        read::one(self.core, Identity::Org, one(SAML, id)).await
    }

    /// Makes one.
    pub const fn create(self, settings: SamlCreate) -> Write<'a, CreateSaml> {
        Write::new(self.core, CreateSaml(settings))
    }

    /// Changes one: members that are set are changed, the others are kept.
    pub fn patch(self, id: &ResourceName, members: SamlPatch) -> Write<'a, ChangeResource> {
        change(self.core, Method::PATCH, one(SAML, id), Body::Saml(members))
    }

    /// Removes one.
    pub fn delete(self, id: &ResourceName) -> Write<'a, ChangeResource> {
        change(self.core, Method::DELETE, one(SAML, id), Body::Empty)
    }
}

/// The external credentials of an organization.
#[derive(Debug, Clone, Copy)]
pub struct ExternalCredentials<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> ExternalCredentials<'a> {
    /// Lists them without their objects.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Page<ExternalCredential>, ClientError> {
        read::whole_list(self.core, Identity::Org, EXTERNAL, &[]).await
    }

    /// Reads one with its object: the key needs the right `secrets:read`.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: there is none of this id).
    pub async fn get(self, id: &ResourceName) -> Result<Read<ExternalCredential>, ClientError> {
        read::one(self.core, Identity::Org, one(EXTERNAL, id)).await
    }

    /// Makes one.
    pub const fn create(self, credential: ExternalCreate) -> Write<'a, CreateExternal> {
        Write::new(self.core, CreateExternal(credential))
    }

    /// Changes one: members that are set are changed, the others are kept.
    pub fn patch(self, id: &ResourceName, members: ExternalPatch) -> Write<'a, ChangeResource> {
        change(self.core, Method::PATCH, one(EXTERNAL, id), Body::External(members))
    }

    /// Removes one. One that is absent is removed already.
    pub fn delete(self, id: &ResourceName) -> Write<'a, ChangeResource> {
        let query = [("credentialId", Some(id.to_string()))];
        change(self.core, Method::DELETE, read::target(EXTERNAL, &query), Body::Empty)
    }

    /// Removes all.
    pub fn delete_all(self) -> Write<'a, ChangeResource> {
        let query = [("credentialId", Some(String::new())), ("deleteAll", Some("true".to_owned()))];
        change(self.core, Method::DELETE, read::target(EXTERNAL, &query), Body::Empty)
    }
}

/// The attributes of an organization.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> Attributes<'a> {
    /// Lists their names.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Page<Attribute>, ClientError> {
        read::whole_list(self.core, Identity::Org, ATTRIBUTES, &[]).await
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: there is none of this name).
    pub async fn get(self, name: &ResourceName) -> Result<Read<Attribute>, ClientError> {
        read::one(self.core, Identity::Org, one(ATTRIBUTES, name)).await
    }

    /// Sets one, which is made where there is none of this name.
    pub fn put(self, name: &ResourceName, value: AttributeSet) -> Write<'a, ChangeResource> {
        change(self.core, Method::PUT, one(ATTRIBUTES, name), Body::Attribute(value))
    }

    /// Removes one.
    pub fn delete(self, name: &ResourceName) -> Write<'a, ChangeResource> {
        change(self.core, Method::DELETE, one(ATTRIBUTES, name), Body::Empty)
    }
}

fn one(path: &str, name: &ResourceName) -> String {
    format!("{path}/{}", read::encode(name.as_str()))
}

const fn change(
    core: &Core,
    method: Method,
    target: String,
    body: Body,
) -> Write<'_, ChangeResource> {
    Write::new(core, ChangeResource { method, target, body })
}

/// Changes or removes a resource.
#[derive(Debug)]
pub struct ChangeResource {
    method: Method,
    target: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Empty,
    Saml(SamlPatch),
    External(ExternalPatch),
    Attribute(AttributeSet),
}

impl Conditional for ChangeResource {}

impl sealed::Action for ChangeResource {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (self.method.clone(), self.target.clone())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        match &self.body {
            Body::Empty => Ok(Bytes::new()),
            Body::Saml(members) => json_body(members),
            Body::External(members) => json_body(members),
            Body::Attribute(value) => json_body(value),
        }
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

/// Makes a SAML credential.
#[derive(Debug)]
pub struct CreateSaml(SamlCreate);

/// A SAML credential that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedSaml {
    /// The credential.
    pub credential: SamlCredential,
    /// Where it has arrived.
    pub written: Written,
}

impl sealed::Action for CreateSaml {
    type Done = CreatedSaml;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, SAML.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.0)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedSaml> {
        let credential = envelope::result(body).ok()??;
        Some(CreatedSaml { credential, written })
    }
}

/// Makes an external credential.
#[derive(Debug)]
pub struct CreateExternal(ExternalCreate);

/// An external credential that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedExternal {
    /// Its id.
    pub id: ResourceName,
    /// Where it has arrived.
    pub written: Written,
}

impl sealed::Action for CreateExternal {
    type Done = CreatedExternal;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, EXTERNAL.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.0)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedExternal> {
        let [id]: [ResourceName; 1] = envelope::result(body).ok()??;
        Some(CreatedExternal { id, written })
    }
}
