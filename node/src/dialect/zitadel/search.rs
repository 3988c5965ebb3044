//! The calls that look for providers: by id, and by filters. A provider is found that passes all filters.

use concordat_proto::registration::{CredentialTarget, Owner};

use super::{
    error::LIMIT_EXCEEDED,
    request::{ById, PAGE_MAX, Query, Search},
    service::{Part, Service},
    validate::{Message, TEXT, number},
};
use crate::api::{
    operation::{
        Action, CredentialRead, CredentialWrite, EntryFilter, EntryNeeds, EntryQuery, Page,
        TextMatch,
    },
    outcome::Malformed,
};

/// Providers of a page when no limit is given, and at most.
const LIMIT_DEFAULT: u64 = 100;
const METHODS: [TextMatch; 8] = [
    TextMatch::Equals,
    TextMatch::EqualsIgnoreCase,
    TextMatch::StartsWith,
    TextMatch::StartsWithIgnoreCase,
    TextMatch::Contains,
    TextMatch::ContainsIgnoreCase,
    TextMatch::EndsWith,
    TextMatch::EndsWithIgnoreCase,
];
/// An unspecified one is the organization.
const OWNERS: [Owner; 3] = [Owner::Organization, Owner::System, Owner::Organization];

/// One provider.
pub(super) fn get(service: Service, part: Part, request: &ById) -> Result<Action, Malformed> {
    let message = match (part, service) {
        (Part::Generic, _) => Message("GetProviderByIDRequest"),
        (_, Service::Admin) => Message("GetIDPByIDRequest"),
        (_, Service::Management) => Message("GetOrgIDPByIDRequest"),
    };
    let target = CredentialTarget::Number(message.id("Id", &request.id)?);
    let query = EntryQuery { target, needs: EntryNeeds::default() };
    Ok(Action::CredentialRead(CredentialRead::Entry(query)))
}

/// Deletes a provider of any kind.
pub(super) fn delete(request: &ById) -> Result<Action, Malformed> {
    let number = Message("DeleteProviderRequest").id("Id", &request.id)?;
    let target = CredentialTarget::Number(number);
    Ok(Action::CredentialWrite(CredentialWrite::EntryDelete(target)))
}

/// A page of providers.
pub(super) fn list(service: Service, part: Part, request: Search) -> Result<Action, Malformed> {
    let (outer, inner) = match (part, service) {
        (Part::Generic, _) => ("ListProvidersRequest", "ProviderQuery"),
        (_, Service::Admin) => ("ListIDPsRequest", "IDPQuery"),
        (_, Service::Management) => ("ListOrgIDPsRequest", "IDPQuery"),
    };
    let (outer, inner) = (Message(outer), Message(inner));
    let by_name = outer.defined("SortingColumn", request.sorting_column, &[false, true])?;
    let descending = !request.query.asc;
    let mut filter = EntryFilter { by_name, descending, ..EntryFilter::default() };
    for (place, query) in request.queries.into_iter().enumerate() {
        add(&mut filter, inner, query)
            .map_err(|cause| outer.embedded(&format!("Queries[{place}]"), &cause))?;
    }
    filter.page = page(request.query.offset, request.query.limit)?;
    Ok(Action::CredentialRead(CredentialRead::Entries(filter)))
}

fn add(filter: &mut EntryFilter, message: Message, query: Query) -> Result<(), Malformed> {
    match query {
        Query::Nothing => return Err(message.invalid("Query", "value is required")),
        Query::Id(id) => {
            Message("IDPIDQuery")
                .length("Id", &id, 0..=*TEXT.end())
                .map_err(|cause| message.embedded("IdpIdQuery", &cause))?;
            filter.numbers.push(number(&id));
        }
        Query::Name { name, method } => {
            let inner = Message("IDPNameQuery");
            let method = inner
                .length("Name", &name, 0..=*TEXT.end())
                .and_then(|()| inner.defined("Method", method, &METHODS))
                .map_err(|cause| message.embedded("IdpNameQuery", &cause))?;
            filter.names.push((name, method));
        }
        Query::OwnerType(number) => {
            let owner = Message("IDPOwnerTypeQuery")
                .defined("OwnerType", number, &OWNERS)
                .map_err(|cause| message.embedded("OwnerTypeQuery", &cause))?;
            filter.owners.push(owner);
        }
    }
    Ok(())
}

fn page(offset: u64, limit: u64) -> Result<Page, Malformed> {
    let limit = match limit {
        0 => LIMIT_DEFAULT,
        1..=PAGE_MAX => limit,
        _ => return Err(LIMIT_EXCEEDED.malformed()),
    };
    // Beyond the last one in any case.
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(Page { limit: usize::try_from(limit).ok(), offset, after: None })
}
