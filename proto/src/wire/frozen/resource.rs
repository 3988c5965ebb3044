//! The bytes of resources beside credentials, and of their changes.

use super::{
    mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::{V1Sealed, check_url},
    org::check_org_name,
    policy::check_text,
};
use crate::{
    limits,
    records::resource::{
        Administrator, ExternalCredential, ExternalPatch, ExternalProvider, ExternalType,
        HandleType, Resource, ResourceBody, ResourceChange, ResourceKind, ResourceName,
        ResourcePatch, SamlPatch, SamlSettings, Suborganization,
    },
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1Resource for Resource {
        name: Text,
        version: V1Id,
        created_at: u64,
        changed_at: u64,
        body: V1ResourceBody,
    }
    V1SamlSettings for SamlSettings, check check_saml {
        idp_metadata_url: Text,
        label: Option<Text>,
        email_claims: Vec<Text>,
        enable_in_authz_server: Option<bool>,
    }
    V1SamlPatch for SamlPatch, check check_saml_patch {
        idp_metadata_url: Option<Text>,
        label: Option<Text>,
        email_claims: Option<Vec<Text>>,
        enable_in_authz_server: Option<bool>,
    }
    V1ExternalCredential for ExternalCredential, check check_external {
        provider: V1ExternalProvider,
        credential_type: V1ExternalType,
        label: Option<Text>,
        json_blob: V1Sealed,
    }
    V1Suborganization for Suborganization, check check_suborganization {
        name: Text,
        admins: Vec<V1Administrator>,
    }
    V1Administrator for Administrator, check check_administrator {
        handle: V1HandleType,
        value: Text,
    }
    V1ExternalPatch for ExternalPatch, check check_external_patch {
        label: Option<Text>,
        json_blob: Option<V1Sealed>,
    }
}

mirror_enum! {
    V1ResourceKind for ResourceKind { Saml, External, Attribute, Policies, Suborganization }
    V1HandleType for HandleType { EmailAddress, PhoneNumber, Username }
    V1ExternalProvider for ExternalProvider { Google, Onfido, Shopify, Generic }
    V1ExternalType for ExternalType {
        ApiKey, ClientCredentials, UserPass, ApiIdAccess, AccessToken, JsonCredentials,
    }
    V1ResourceBody for ResourceBody, check check_body {
        Saml(saml: V1SamlSettings),
        External(external: V1ExternalCredential),
        Attribute(value: Text),
        Policies(text: Text),
        Suborganization(it: V1Suborganization),
    }
    V1ResourcePatch for ResourcePatch {
        Saml(patch: V1SamlPatch),
        External(patch: V1ExternalPatch),
    }
}

/// The bytes of a `ResourceChange`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::wire) enum V1ResourceChange {
    Create(Text, V1ResourceBody),
    Put(Text, V1ResourceBody),
    Patch(Text, V1ResourcePatch),
    Delete { kind: V1ResourceKind, name: Text, is_absent_ok: bool },
    DeleteAll(V1ResourceKind),
}

impl Mirror<V1ResourceChange> for ResourceChange {
    fn freeze(&self) -> V1ResourceChange {
        match self {
            Self::Create(name, body) => V1ResourceChange::Create(name.freeze(), body.freeze()),
            Self::Put(name, body) => V1ResourceChange::Put(name.freeze(), body.freeze()),
            Self::Patch(name, patch) => V1ResourceChange::Patch(name.freeze(), patch.freeze()),
            Self::Delete { kind, name, is_absent_ok } => V1ResourceChange::Delete {
                kind: kind.freeze(),
                name: name.freeze(),
                is_absent_ok: *is_absent_ok,
            },
            Self::DeleteAll(kind) => V1ResourceChange::DeleteAll(kind.freeze()),
        }
    }
    fn thaw(frozen: V1ResourceChange) -> Result<Self, WireError> {
        Ok(match frozen {
            V1ResourceChange::Create(name, body) => {
                Self::Create(Mirror::thaw(name)?, Mirror::thaw(body)?)
            }
            V1ResourceChange::Put(name, body) => {
                Self::Put(Mirror::thaw(name)?, Mirror::thaw(body)?)
            }
            V1ResourceChange::Patch(name, patch) => {
                Self::Patch(Mirror::thaw(name)?, Mirror::thaw(patch)?)
            }
            V1ResourceChange::Delete { kind, name, is_absent_ok } => {
                Self::Delete { kind: Mirror::thaw(kind)?, name: Mirror::thaw(name)?, is_absent_ok }
            }
            V1ResourceChange::DeleteAll(kind) => Self::DeleteAll(Mirror::thaw(kind)?),
        })
    }
}

impl Mirror<Text> for ResourceName {
    fn freeze(&self) -> Text {
        self.as_str().to_owned().freeze()
    }
    fn thaw(frozen: Text) -> Result<Self, WireError> {
        Ok(Self::new(String::thaw(frozen)?)?)
    }
}

fn check_label(label: Option<&str>) -> Result<(), WireError> {
    let fits = label.is_none_or(|text| text.chars().count() <= limits::LABEL_CHARS_MAX);
    ensure(fits, "label")
}

fn check_claims(claims: &[String]) -> Result<(), WireError> {
    ensure(claims.len() <= limits::EMAIL_CLAIMS_MAX, "number of email claims")?;
    let fits =
        |claim: &String| (1..=limits::EMAIL_CLAIM_CHARS_MAX).contains(&claim.chars().count());
    ensure(claims.iter().all(fits), "email claim")
}

fn check_saml(saml: &SamlSettings) -> Result<(), WireError> {
    check_url(&saml.idp_metadata_url)?;
    check_label(saml.label.as_deref())?;
    check_claims(&saml.email_claims)
}

fn check_saml_patch(patch: &SamlPatch) -> Result<(), WireError> {
    patch.idp_metadata_url.as_deref().map_or(Ok(()), check_url)?;
    check_label(patch.label.as_deref())?;
    check_claims(patch.email_claims.as_deref().unwrap_or_default())
}

fn check_external(external: &ExternalCredential) -> Result<(), WireError> {
    check_label(external.label.as_deref())
}

fn check_external_patch(patch: &ExternalPatch) -> Result<(), WireError> {
    check_label(patch.label.as_deref())
}

fn check_body(body: &ResourceBody) -> Result<(), WireError> {
    match body {
        ResourceBody::Attribute(value) => {
            ensure(value.len() <= limits::ATTRIBUTE_BYTES_MAX, "attribute")
        }
        ResourceBody::Policies(text) => check_text(text),
        ResourceBody::Saml(_) | ResourceBody::External(_) | ResourceBody::Suborganization(_) => {
            Ok(())
        }
    }
}

fn check_suborganization(it: &Suborganization) -> Result<(), WireError> {
    check_org_name(&it.name)?;
    ensure(it.admins.len() <= limits::SUBORGANIZATION_ADMINS_MAX, "number of administrators")
}

fn check_administrator(admin: &Administrator) -> Result<(), WireError> {
    let length = admin.value.chars().count();
    ensure((1..=limits::HANDLE_CHARS_MAX).contains(&length), "handle of an administrator")
}
