//! The bytes of organizations and keys.

use super::{
    mirror::{Blob, Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::V1Sealed,
};
use crate::{
    limits,
    records::org::{ApiKey, Org, OrgSettings, Rights, StaleSecrets, WrappedKey},
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1WrappedKey for WrappedKey, check check_wrapped { keyring_key: u32, bytes: Blob }
    V1Org for Org, check check_org {
        id: V1Id,
        org_name: Text,
        tenant_name: Text,
        home_region: Text,
        epoch: u32,
        data_key: V1WrappedKey,
        first_key: V1ApiKey,
        first_key_sealed: V1Sealed,
    }
    V1ApiKey for ApiKey { id: V1Id, hash: [u8; 32], rights: u8 }
    V1OrgSettings for OrgSettings { stale_secrets: V1StaleSecrets }
}

mirror_enum! {
    V1StaleSecrets for StaleSecrets { Serve, Refuse }
}

impl Mirror<u8> for Rights {
    fn freeze(&self) -> u8 {
        self.0
    }
    fn thaw(frozen: u8) -> Result<Self, WireError> {
        ensure(Self::ALL.contain(Self(frozen)), "set of rights")?;
        Ok(Self(frozen))
    }
}

fn check_wrapped(key: &WrappedKey) -> Result<(), WireError> {
    ensure(key.bytes.len() <= limits::SEALED_BYTES_MAX, "wrapped key")
}

fn check_org(org: &Org) -> Result<(), WireError> {
    check_org_name(&org.org_name)?;
    check_org_name(&org.tenant_name)
}

pub(in crate::wire) fn check_org_name(name: &str) -> Result<(), WireError> {
    let length = name.chars().count();
    ensure((1..=limits::ORG_NAME_CHARS_MAX).contains(&length), "name of an organization")
}
