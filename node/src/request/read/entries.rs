//! Reads of credentials in the terms of further dialects: with their registrations, by number, by what a
//! dialect is bound to, and by filters.

use concordat_cluster::machine::{
    locate::Located,
    registered::{self, Entry},
};
use concordat_proto::{command::Precondition, registration::Binding};

use crate::{
    api::{
        operation::{EntryFilter, EntryQuery, TextMatch},
        outcome::{Answer, List, Outcome, Value, What},
    },
    node::Node,
    request::{condition, entry_view, unavailable::broken},
};

/// One credential.
pub(super) fn get(
    node: &Node,
    at: &Located,
    query: &EntryQuery,
    if_none_match: Option<&Precondition>,
) -> Answer {
    if query.needs.domain {
        match registered::domain_of(node.state(), at.home.org.id) {
            Ok(Some(_)) => {}
            Ok(None) => return Outcome::NotFound(What::EnterpriseDomain).into(),
            Err(error) => return broken("reading a domain", &error),
        }
    }
    match registered::target(node.state(), at.group, at.home.org.id, &query.target) {
        Ok(Some(found)) if condition::is_known(if_none_match, found.credential.version) => {
            Outcome::NotModified(found.credential.version).into()
        }
        Ok(Some(found)) => match entry_view::of(node, at, found, query.needs) {
            Ok(view) => Outcome::Found(Value::Entry(Box::new(view))).into(),
            Err(answer) => answer,
        },
        Ok(None) => Outcome::NotFound(What::Credential).into(),
        Err(error) => broken("reading a credential", &error),
    }
}

/// The credential that a dialect is bound to.
pub(super) fn binding(node: &Node, at: &Located, binding: &Binding) -> Answer {
    match registered::bound(node.state(), at.group, at.home.org.id, binding) {
        Ok(Some(found)) => {
            let value = Value::Binding(binding.clone(), found.credential.client_id);
            Outcome::Found(value).into()
        }
        Ok(None) => Outcome::NotFound(What::Binding).into(),
        Err(error) => broken("reading a binding", &error),
    }
}

/// A page of credentials.
pub(super) fn list(node: &Node, at: &Located, filter: &EntryFilter) -> Answer {
    let all = registered::all(node.state(), at.group, at.home.org.id);
    let (all, facts) = match (all, entry_view::facts(node, at)) {
        (Ok(all), Ok(facts)) => (all, facts),
        (Err(error), _) | (_, Err(error)) => return broken("listing credentials", &error),
    };
    let list = selected(all, filter);
    Outcome::Found(Value::Entries(Box::new(facts), list, Box::new(filter.clone()))).into()
}

/// Those that pass every filter, in order, and of them the page.
fn selected(all: Vec<Entry>, filter: &EntryFilter) -> List<Entry> {
    let mut found: Vec<Entry> = all.into_iter().filter(|entry| passes(entry, filter)).collect();
    found.sort_by_key(|entry| entry.registration.number);
    if filter.by_name {
        found.sort_by(|one, two| name(one).cmp(name(two)));
    }
    if filter.descending {
        found.reverse();
    }
    let total_count = found.len();
    let page = filter.page.clone();
    let items = found.into_iter().skip(page.offset).take(page.items_max()).collect();
    List { items, page, total_count, next: None }
}

fn passes(entry: &Entry, filter: &EntryFilter) -> bool {
    let name = name(entry);
    filter.numbers.iter().all(|number| *number == Some(entry.registration.number))
        && filter.owners.iter().all(|owner| *owner == entry.registration.owner)
        && filter.names.iter().all(|(text, how)| compares(name, text, *how))
}

/// The name that dialects show: one without a label has its client id.
fn name(entry: &Entry) -> &str {
    let label = entry.credential.label.as_deref();
    label.unwrap_or_else(|| entry.credential.client_id.as_str())
}

fn compares(name: &str, text: &str, how: TextMatch) -> bool {
    let ignores_case = matches!(
        how,
        TextMatch::EqualsIgnoreCase
            | TextMatch::StartsWithIgnoreCase
            | TextMatch::ContainsIgnoreCase
            | TextMatch::EndsWithIgnoreCase
    );
    let folded = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    let (name, text) = (folded(name), folded(text));
    match how {
        TextMatch::Equals | TextMatch::EqualsIgnoreCase => name == text,
        TextMatch::StartsWith | TextMatch::StartsWithIgnoreCase => name.starts_with(&text),
        TextMatch::Contains | TextMatch::ContainsIgnoreCase => name.contains(&text),
        TextMatch::EndsWith | TextMatch::EndsWithIgnoreCase => name.ends_with(&text),
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        id::{ClientId, WriteId},
        oidc::{OidcCredential, OidcOptions, Provider, ProviderOptions},
        registration::{Number, Owner, Registration},
        secret::Sealed,
    };

    use super::*;
    use crate::api::operation::Page;

    fn entry(number: u64, name: &str, owner: Owner) -> Entry {
        let version = WriteId::from_bytes([1; 16]);
        let credential = OidcCredential {
            client_id: ClientId::new(format!("client {number}")).expect("a client id"),
            provider: Provider::Google,
            client_secret: Sealed { sealed_by: version, bytes: Vec::new() },
            label: Some(name.to_owned()),
            external_cred_id: None,
            enable_in_authz_server: None,
            options: OidcOptions {
                provider: Provider::Google,
                scopes: Vec::new(),
                specific: ProviderOptions::ScopesOnly,
            },
            version,
        };
        let number = Number(number);
        let registration = Registration { number, owner, ..Registration::of_earlier(version) };
        Entry { credential, registration }
    }

    fn numbers(filter: &EntryFilter) -> (Vec<u64>, usize) {
        let all = vec![
            entry(3, "Alpha", Owner::Organization),
            entry(1, "beta", Owner::System),
            entry(2, "alphabet", Owner::Organization),
        ];
        let list = selected(all, filter);
        let numbers = list.items.iter().map(|entry| entry.registration.number.0).collect();
        (numbers, list.total_count)
    }

    #[test]
    fn a_page_is_what_passes_every_filter_in_order() {
        assert_eq!(numbers(&EntryFilter::default()), (vec![1, 2, 3], 3));
        let descending = EntryFilter { descending: true, ..EntryFilter::default() };
        assert_eq!(numbers(&descending), (vec![3, 2, 1], 3));
        let by_name = EntryFilter { by_name: true, ..EntryFilter::default() };
        assert_eq!(numbers(&by_name), (vec![3, 2, 1], 3));
        let page = Page { limit: Some(1), offset: 1, after: None };
        assert_eq!(numbers(&EntryFilter { page, ..EntryFilter::default() }), (vec![2], 3));
        let named = |text: &str, how| EntryFilter {
            names: vec![(text.to_owned(), how)],
            ..EntryFilter::default()
        };
        assert_eq!(numbers(&named("alpha", TextMatch::StartsWith)), (vec![2], 1));
        assert_eq!(numbers(&named("ALPHA", TextMatch::StartsWithIgnoreCase)), (vec![2, 3], 2));
        assert_eq!(numbers(&named("bet", TextMatch::Contains)), (vec![1, 2], 2));
        assert_eq!(numbers(&named("ta", TextMatch::EndsWith)), (vec![1], 1));
        let both = EntryFilter {
            owners: vec![Owner::Organization],
            ..named("a", TextMatch::ContainsIgnoreCase)
        };
        assert_eq!(numbers(&both), (vec![2, 3], 2));
        let one = EntryFilter { numbers: vec![Some(Number(1))], ..EntryFilter::default() };
        assert_eq!(numbers(&one), (vec![1], 1));
        let none = EntryFilter { numbers: vec![None], ..EntryFilter::default() };
        assert_eq!(numbers(&none), (vec![], 0));
    }
}
