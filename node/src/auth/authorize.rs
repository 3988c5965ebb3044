//! The rights of a principal. Pure; only this file makes an [`Authorized`], so that forgetting the
//! check does not compile.

use concordat_proto::{id::KeyId, org::Rights};

use super::authenticate::{OrgPrincipal, Principal};
use crate::api::{
    draft::KeyDraft,
    operation::{
        Action, Caller, ClusterWrite, CredentialRead, CredentialWrite, DemoAction, Operation,
        OperatorRead, OrgWrite, ReceiptQuery,
    },
};

/// Why an operation is not for a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAllowed {
    /// Its key is valid and lacks the right.
    Forbidden,
    /// Another key has taken its key's place: for this operation it is an unknown one.
    Replaced,
}

/// Whether a principal may run an operation. An organization's key that may make a write may also
/// read its receipt, and every key may be replaced by its holder.
fn may(principal: &Principal, operation: Operation) -> bool {
    match (operation.spec().caller, principal) {
        (Caller::Operator | Caller::Either, Principal::Operator { .. }) => true,
        (Caller::Organization(_), Principal::Operator { .. })
        | (Caller::Operator, Principal::Org(_)) => false,
        (Caller::Organization(needed), Principal::Org(org)) => org.rights.contain(needed),
        (Caller::Either, Principal::Org(org)) => org.rights != Rights::NONE,
    }
}

/// Whether a principal may run an operation. A replaced key may ask for the receipt of the write that
/// replaced it, and repeat that write; which one these are is checked where the write is known.
pub(crate) fn authorize(principal: Principal, operation: Operation) -> Result<Permit, NotAllowed> {
    let is_replaced = matches!(&principal, Principal::Org(org) if org.replaced_by.is_some());
    let is_of_its_end = matches!(operation, Operation::ReceiptGet | Operation::KeyRotate);
    if is_replaced && !is_of_its_end {
        return Err(NotAllowed::Replaced);
    }
    if !may(&principal, operation) {
        return Err(NotAllowed::Forbidden);
    }
    Ok(Permit { principal, operation })
}

/// The leave to carry one operation out, before it is known in full.
#[derive(Debug)]
pub(crate) struct Permit {
    principal: Principal,
    operation: Operation,
}

impl Permit {
    /// For the action that the request turned out to be; `None` when it is another operation's,
    /// which only a fault of a dialect can bring about.
    pub(crate) fn grant(self, action: Action) -> Option<Authorized> {
        if action.operation() != self.operation {
            return None;
        }
        let allowed = match (self.principal, action) {
            (Principal::Org(org), Action::CredentialRead(read)) => {
                Allowed::CredentialRead(org, read)
            }
            (Principal::Org(org), Action::CredentialWrite(write)) => {
                Allowed::CredentialWrite(org, write)
            }
            (Principal::Org(org), Action::DomainClaim(domain)) => Allowed::DomainClaim(org, domain),
            (Principal::Org(org), Action::KeyWrite(draft)) => Allowed::KeyWrite(org, draft),
            (principal, Action::Receipt(query)) => Allowed::Receipt(principal, query),
            (Principal::Operator { .. }, Action::OperatorRead(read)) => Allowed::OperatorRead(read),
            (Principal::Operator { key }, Action::OrgWrite(write)) => Allowed::OrgWrite(key, write),
            (Principal::Operator { key }, Action::ClusterWrite(write)) => {
                Allowed::ClusterWrite(key, write)
            }
            (Principal::Operator { .. }, Action::Demo(action)) => Allowed::Demo(action),
            (
                Principal::Operator { .. },
                Action::CredentialRead(_)
                | Action::CredentialWrite(_)
                | Action::DomainClaim(_)
                | Action::KeyWrite(_),
            )
            | (
                Principal::Org(_),
                Action::OperatorRead(_)
                | Action::OrgWrite(_)
                | Action::ClusterWrite(_)
                | Action::Demo(_),
            ) => return None,
        };
        Some(Authorized(allowed))
    }
}

/// An action that its principal may carry out.
#[derive(Debug)]
pub(crate) struct Authorized(Allowed);

impl Authorized {
    /// The action, with its caller.
    pub(crate) fn into_inner(self) -> Allowed {
        self.0
    }
}

/// An action, and the data of its principal that the use case needs.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// An organization reads.
    CredentialRead(Box<OrgPrincipal>, CredentialRead),
    /// An organization writes.
    CredentialWrite(Box<OrgPrincipal>, CredentialWrite),
    /// An organization claims an enterprise domain.
    DomainClaim(Box<OrgPrincipal>, String),
    /// An organization changes its keys.
    KeyWrite(Box<OrgPrincipal>, KeyDraft),
    /// Either asks about a write.
    Receipt(Principal, ReceiptQuery),
    /// An operator reads.
    OperatorRead(OperatorRead),
    /// An operator changes organizations, by this key.
    OrgWrite(KeyId, OrgWrite),
    /// An operator changes the cluster, by this key.
    ClusterWrite(KeyId, ClusterWrite),
    /// An operator changes the demo's network.
    Demo(DemoAction),
}

#[cfg(test)]
mod tests {
    use concordat_cluster::machine::locate::Located;
    use concordat_proto::{
        id::{GroupId, OrgId, WriteId},
        movement::HomeRecord,
        org::{ApiKey, Org, WrappedKey},
        region::Region,
        secret::Sealed,
    };

    use super::*;
    use crate::api::operation::{Page, TABLE};

    fn org(rights: Rights) -> Principal {
        let key = KeyId::from_bytes([1; 16]);
        let org = Org {
            id: OrgId::from_bytes([2; 16]),
            org_name: "an organization".into(),
            tenant_name: "a tenant".into(),
            home_region: Region::new("us").unwrap(),
            epoch: 1,
            data_key: WrappedKey { keyring_key: 1, bytes: Vec::new() },
            first_key: ApiKey { id: key, hash: [0; 32], rights },
            first_key_sealed: Sealed { sealed_by: WriteId::from_bytes([3; 16]), bytes: Vec::new() },
        };
        let home = HomeRecord::begun(org);
        let at = Located { group: GroupId(1), home, is_closed: false };
        let (hash, replaced_by) = ([0; 32], None);
        Principal::Org(Box::new(OrgPrincipal { at, key, hash, rights, replaced_by }))
    }

    fn operator() -> Principal {
        Principal::Operator { key: KeyId::from_bytes([1; 16]) }
    }

    fn allowed(principal: &Principal) -> Vec<Operation> {
        let all = TABLE.iter().map(|row| row.operation);
        all.filter(|o| authorize(principal.clone(), *o).is_ok()).collect()
    }

    #[test]
    fn rights_open_what_they_say_and_no_more() {
        let reads = [
            Operation::OidcList,
            Operation::OidcGet,
            Operation::OwnOrgGet,
            Operation::KeyRotate,
            Operation::SamlList,
            Operation::SamlGet,
            Operation::ExternalList,
            Operation::AttributeList,
            Operation::AttributeGet,
            Operation::EntryList,
            Operation::EntryGet,
            Operation::BindingGet,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::READ)), reads);
        let writes = [
            Operation::OidcCreate,
            Operation::OidcPatch,
            Operation::OidcDelete,
            Operation::KeyRotate,
            Operation::SamlCreate,
            Operation::SamlPatch,
            Operation::SamlDelete,
            Operation::ExternalCreate,
            Operation::ExternalPatch,
            Operation::ExternalDelete,
            Operation::AttributePut,
            Operation::AttributeDelete,
            Operation::EntryCreate,
            Operation::EntryChange,
            Operation::EntryDelete,
            Operation::BindingSet,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::WRITE)), writes);
        assert_eq!(
            allowed(&org(Rights::SECRETS_READ)),
            [
                Operation::SecretGet,
                Operation::KeyRotate,
                Operation::ExternalGet,
                Operation::ReceiptGet
            ]
        );
        let keys = [
            Operation::KeyList,
            Operation::KeyIssue,
            Operation::KeyRotate,
            Operation::KeyRevoke,
            Operation::DomainClaim,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::ADMIN)), keys);
        assert_eq!(allowed(&org(Rights::ALL)).len(), 34, "never what operators do");
        assert_eq!(allowed(&org(Rights::NONE)), [Operation::KeyRotate]);
    }

    #[test]
    fn operators_never_touch_credentials() {
        let credentials = [
            Operation::OidcList,
            Operation::OidcCreate,
            Operation::OidcGet,
            Operation::OidcPatch,
            Operation::OidcDelete,
            Operation::SecretGet,
            Operation::OwnOrgGet,
            Operation::KeyList,
            Operation::KeyIssue,
            Operation::KeyRotate,
            Operation::KeyRevoke,
            Operation::SamlList,
            Operation::SamlCreate,
            Operation::SamlGet,
            Operation::SamlPatch,
            Operation::SamlDelete,
            Operation::ExternalList,
            Operation::ExternalCreate,
            Operation::ExternalGet,
            Operation::ExternalPatch,
            Operation::ExternalDelete,
            Operation::AttributeList,
            Operation::AttributeGet,
            Operation::AttributePut,
            Operation::AttributeDelete,
            Operation::EntryList,
            Operation::EntryGet,
            Operation::EntryCreate,
            Operation::EntryChange,
            Operation::EntryDelete,
            Operation::BindingGet,
            Operation::BindingSet,
            Operation::DomainClaim,
        ];
        let all = TABLE.iter().map(|row| row.operation);
        let expected: Vec<_> = all.filter(|it| !credentials.contains(it)).collect();
        assert_eq!(allowed(&operator()), expected);
    }

    #[test]
    fn a_replaced_key_asks_for_its_end_only() {
        let Principal::Org(mut replaced) = org(Rights::ALL) else { unreachable!("it is one") };
        replaced.replaced_by = Some(WriteId::from_bytes([4; 16]));
        let replaced = Principal::Org(replaced);
        assert_eq!(allowed(&replaced), [Operation::KeyRotate, Operation::ReceiptGet]);
        let refused = authorize(replaced, Operation::OidcList).map(drop);
        assert_eq!(refused, Err(NotAllowed::Replaced));
    }

    #[test]
    fn a_permit_is_for_its_own_operation() {
        let cluster = Action::OperatorRead(OperatorRead::Cluster);
        let permit = authorize(operator(), Operation::ClusterGet).unwrap();
        assert!(permit.grant(cluster).is_some());
        let permit = authorize(operator(), Operation::ClusterGet).unwrap();
        let other = OperatorRead::Orgs(Page { limit: None, offset: 0 });
        assert!(permit.grant(Action::OperatorRead(other)).is_none());
    }
}
