//! What a principal may do. Pure; the only place that makes an [`Authorised`], so that forgetting
//! the check does not compile.

use concordat_proto::org::Rights;

use super::authenticate::Principal;
use crate::dialect::{Action, Operation};

/// A valid key that lacks the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden;

/// What an operation asks of an organisation's key; `None`: only operators do it.
const fn needed(operation: Operation) -> Option<Rights> {
    match operation {
        Operation::OidcList | Operation::OidcGet | Operation::ReceiptGet => Some(Rights::READ),
        Operation::OidcCreate | Operation::OidcPatch | Operation::OidcDelete => Some(Rights::WRITE),
        Operation::SecretGet => Some(Rights::SECRETS_READ),
        Operation::OrgCreate
        | Operation::OrgList
        | Operation::OrgGet
        | Operation::OrgMove
        | Operation::ClusterGet
        | Operation::DemoCut
        | Operation::DemoHeal
        | Operation::ClusterPatch
        | Operation::NodeList
        | Operation::NodePatch
        | Operation::NodeDelete
        | Operation::RegionList
        | Operation::RegionPatch
        | Operation::RegionDelete
        | Operation::RegionFailover
        | Operation::DivergenceGet
        | Operation::OrgPatch
        | Operation::RegionAdd => None,
    }
}

/// Whether a key's rights are enough. Whoever may write may ask what became of a write.
fn for_rights(operation: Operation, rights: Rights) -> bool {
    let asks_of_its_write = operation == Operation::ReceiptGet && rights.contain(Rights::WRITE);
    asks_of_its_write || needed(operation).is_some_and(|needed| rights.contain(needed))
}

/// What operators may not do: what belongs to organisations.
const fn for_operators(operation: Operation) -> bool {
    matches!(operation, Operation::ReceiptGet) || needed(operation).is_none()
}

/// Whether a principal may carry an operation out.
pub(crate) fn authorise(principal: Principal, operation: Operation) -> Result<Permit, Forbidden> {
    let allowed = match &principal {
        Principal::Operator { .. } => for_operators(operation),
        Principal::Org(org) => for_rights(operation, org.rights),
    };
    if allowed { Ok(Permit { principal, operation }) } else { Err(Forbidden) }
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
    pub(crate) fn grant(self, action: Action) -> Option<Authorised<Action>> {
        let operation = operation_of(&action);
        (operation == self.operation).then_some(Authorised {
            principal: self.principal,
            operation,
            what: action,
        })
    }
}

const fn operation_of(action: &Action) -> Operation {
    match action {
        Action::OidcList { .. } => Operation::OidcList,
        Action::OidcCreate(_) => Operation::OidcCreate,
        Action::OidcGet(_) => Operation::OidcGet,
        Action::OidcPatch(..) => Operation::OidcPatch,
        Action::OidcDelete(_) => Operation::OidcDelete,
        Action::OrgCreate(_) => Operation::OrgCreate,
        Action::OrgList(_) => Operation::OrgList,
        Action::OrgGet(_) => Operation::OrgGet,
        Action::OrgMove(..) => Operation::OrgMove,
        Action::ReceiptGet { .. } => Operation::ReceiptGet,
        Action::ClusterGet => Operation::ClusterGet,
        Action::DemoCut(_) => Operation::DemoCut,
        Action::DemoHeal(_) => Operation::DemoHeal,
        Action::ClusterPatch(_) => Operation::ClusterPatch,
        Action::NodeList => Operation::NodeList,
        Action::NodePatch(..) => Operation::NodePatch,
        Action::NodeDelete(_) => Operation::NodeDelete,
        Action::RegionList => Operation::RegionList,
        Action::RegionPatch(..) => Operation::RegionPatch,
        Action::RegionDelete(_) => Operation::RegionDelete,
        Action::RegionFailover(..) => Operation::RegionFailover,
        Action::DivergenceGet(_) => Operation::DivergenceGet,
        Action::OrgPatch(..) => Operation::OrgPatch,
        Action::SecretGet(_) => Operation::SecretGet,
        Action::RegionAdd(_) => Operation::RegionAdd,
    }
}

/// Something that its principal may do.
#[derive(Debug)]
pub(crate) struct Authorised<T> {
    principal: Principal,
    operation: Operation,
    what: T,
}

impl<T> Authorised<T> {
    /// As what it was allowed.
    pub(crate) const fn operation(&self) -> Operation {
        self.operation
    }
    /// What is to be done, and for whom.
    pub(crate) fn into_parts(self) -> (Principal, T) {
        (self.principal, self.what)
    }
}

#[cfg(test)]
mod tests {
    use concordat_cluster::machine::locate::Located;
    use concordat_proto::{
        id::{GroupId, KeyId, OrgId, WriteId},
        movement::HomeRecord,
        org::{ApiKey, Org, WrappedKey},
        region::Region,
        secret::Sealed,
    };

    use super::*;
    use crate::auth::authenticate::OrgPrincipal;

    const ALL: [Operation; 25] = [
        Operation::OidcList,
        Operation::OidcCreate,
        Operation::OidcGet,
        Operation::OidcPatch,
        Operation::OidcDelete,
        Operation::OrgCreate,
        Operation::OrgList,
        Operation::OrgGet,
        Operation::OrgMove,
        Operation::ReceiptGet,
        Operation::ClusterGet,
        Operation::DemoCut,
        Operation::DemoHeal,
        Operation::ClusterPatch,
        Operation::NodeList,
        Operation::NodePatch,
        Operation::NodeDelete,
        Operation::RegionList,
        Operation::RegionPatch,
        Operation::RegionDelete,
        Operation::RegionFailover,
        Operation::DivergenceGet,
        Operation::OrgPatch,
        Operation::SecretGet,
        Operation::RegionAdd,
    ];

    fn org(rights: Rights) -> Principal {
        let key = KeyId::from_bytes([1; 16]);
        let org = Org {
            id: OrgId::from_bytes([2; 16]),
            org_name: "an organisation".into(),
            tenant_name: "a tenant".into(),
            home_region: Region::new("us").unwrap(),
            epoch: 1,
            data_key: WrappedKey { keyring_key: 1, bytes: Vec::new() },
            first_key: ApiKey { id: key, hash: [0; 32], rights },
            first_key_sealed: Sealed { sealed_by: WriteId::from_bytes([3; 16]), bytes: Vec::new() },
        };
        let home = HomeRecord::begun(org);
        let at = Located { group: GroupId(1), home, is_closed: false };
        Principal::Org(Box::new(OrgPrincipal { at, key, rights }))
    }

    fn allowed(principal: &Principal) -> Vec<Operation> {
        ALL.into_iter().filter(|o| authorise(principal.clone(), *o).is_ok()).collect()
    }

    #[test]
    fn rights_open_what_they_say_and_no_more() {
        let reads = [Operation::OidcList, Operation::OidcGet, Operation::ReceiptGet];
        assert_eq!(allowed(&org(Rights::READ)), reads);
        let writes = [
            Operation::OidcCreate,
            Operation::OidcPatch,
            Operation::OidcDelete,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::WRITE)), writes);
        assert_eq!(allowed(&org(Rights::SECRETS_READ)), [Operation::SecretGet]);
        assert_eq!(allowed(&org(Rights::ADMIN)), []);
        assert_eq!(allowed(&org(Rights::ALL)).len(), 7, "never what operators do");
    }

    #[test]
    fn operators_never_touch_credentials() {
        let operator = Principal::Operator { key: KeyId::from_bytes([1; 16]) };
        let expected = [
            Operation::OrgCreate,
            Operation::OrgList,
            Operation::OrgGet,
            Operation::OrgMove,
            Operation::ReceiptGet,
            Operation::ClusterGet,
            Operation::DemoCut,
            Operation::DemoHeal,
            Operation::ClusterPatch,
            Operation::NodeList,
            Operation::NodePatch,
            Operation::NodeDelete,
            Operation::RegionList,
            Operation::RegionPatch,
            Operation::RegionDelete,
            Operation::RegionFailover,
            Operation::DivergenceGet,
            Operation::OrgPatch,
            Operation::RegionAdd,
        ];
        assert_eq!(allowed(&operator), expected);
    }

    #[test]
    fn a_permit_is_for_its_own_operation() {
        let operator = Principal::Operator { key: KeyId::from_bytes([1; 16]) };
        let permit = authorise(operator.clone(), Operation::ClusterGet).unwrap();
        assert!(permit.grant(Action::ClusterGet).is_some());
        let permit = authorise(operator, Operation::ClusterGet).unwrap();
        let other = Action::OrgList(crate::dialect::Page { limit: None, offset: 0 });
        assert!(permit.grant(other).is_none());
    }
}
