//! Requests of every call: the actions that they become, and the words in which they are refused.

use concordat_proto::{
    limits,
    oidc::ClaimMapping,
    registration::{
        AutoLinking, CredentialChange, CredentialState, CredentialTarget, Number, Owner, Styling,
    },
    secret::Secret,
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use proptest::prelude::*;

use super::{Part, Service, routes};
use crate::api::{
    draft::ChangeDraft,
    operation::{Action, CredentialRead, CredentialWrite, EntryFilter, TextMatch},
    outcome::Malformed,
    request::Input,
};

const PARTS: [Part; 4] = [Part::Legacy, Part::Deactivate, Part::Reactivate, Part::Generic];

/// A call by its method and its path after the service's prefix, with an id or a body.
fn call(service: Service, name: &str, id: &str, body: &str) -> Result<Action, Malformed> {
    let prefix = match service {
        Service::Admin => "/admin/v1",
        Service::Management => "/management/v1",
    };
    let (method, path) = name.split_once(' ').expect("a method and a path");
    let path = format!("{prefix}{path}");
    let route = PARTS
        .iter()
        .flat_map(|part| routes::of(service, *part))
        .find(|route| route.method.as_str() == method && route.path == path)
        .expect("a route");
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let headers = &HeaderMap::from_iter([json]);
    let body = body.as_bytes();
    (route.parse)(&Input { path_parameter: id, query: "", headers, body })
}

fn draft(action: Action) -> (CredentialTarget, ChangeDraft) {
    match action {
        Action::CredentialWrite(
            CredentialWrite::EntryCreate(target, draft)
            | CredentialWrite::EntryChange(target, draft, _),
        ) => (target, *draft),
        other @ (Action::CredentialRead(_)
        | Action::CredentialWrite(_)
        | Action::Receipt(_)
        | Action::OperatorRead(_)
        | Action::DomainClaim(_)
        | Action::KeyWrite(_)
        | Action::OwnOrgWrite(_)
        | Action::OrgWrite(_)
        | Action::ClusterWrite(_)
        | Action::Demo(_)) => panic!("no draft: {other:?}"),
    }
}

fn filter(service: Service, name: &str, body: &str) -> EntryFilter {
    match call(service, name, "", body) {
        Ok(Action::CredentialRead(CredentialRead::Entries(filter))) => filter,
        other => panic!("no filter: {other:?}"),
    }
}

const ADD: &str = "POST /idps/generic_oidc";
const UPDATE: &str = "PUT /idps/generic_oidc/{id}";
const ADD_LEGACY: &str = "POST /idps/oidc";
const UPDATE_CONFIG: &str = "PUT /idps/{id}/oidc_config";
const UPDATE_LEGACY: &str = "PUT /idps/{id}";
const SEARCH: &str = "POST /idps/templates/_search";
const SEARCH_LEGACY: &str = "POST /idps/_search";

/// A good message as members of JSON, with one of them replaced or added.
fn with(message: &[(&str, &str)], name: &str, value: &str) -> String {
    let kept = message.iter().filter(|(known, _)| *known != name);
    let all = kept.copied().chain([(name, value)]);
    let all: Vec<String> = all.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", all.join(","))
}

const GENERIC: [(&str, &str); 4] = [
    ("name", "\"Acme\""),
    ("issuer", "\"https://idp.example\""),
    ("clientId", "\"c\""),
    ("clientSecret", "\"s\""),
];

#[test]
fn the_published_example_is_a_change_of_every_field() {
    let body = r#"{"name": "Google", "issuer": "https://accounts.google.com/", "clientId": "client-id",
        "clientSecret": "secret", "scopes": ["openid", "profile", "email"],
        "providerOptions": {"isLinkingAllowed": true, "isCreationAllowed": true,
        "isAutoCreation": true, "isAutoUpdate": true,
        "autoLinking": "AUTO_LINKING_OPTION_UNSPECIFIED"}, "isIdTokenMapping": true, "usePkce": true}"#;
    let (target, draft) = draft(call(Service::Management, UPDATE, "7", body).expect("a change"));
    assert_eq!(target, CredentialTarget::Number(Number(7)));
    assert_eq!(draft.client_secret, Some(Secret::new("secret".to_owned())));
    let change = draft.change;
    assert_eq!(change.label, Some(Some("Google".to_owned())));
    assert_eq!(change.issuer.as_deref(), Some("https://accounts.google.com/"));
    assert_eq!(change.client_id.expect("one").as_str(), "client-id");
    assert_eq!(change.scopes.expect("some"), ["openid", "profile", "email"]);
    let provisioning = change.provisioning.expect("some");
    assert!(provisioning.is_linking_allowed && provisioning.is_auto_update);
    assert_eq!(
        (change.generic.use_pkce, change.generic.is_id_token_mapping),
        (Some(true), Some(true))
    );
    assert!(change.oidc_only && !change.refuse_unchanged);
}

#[test]
fn what_a_change_leaves_out_is_zero_afterwards_but_the_secret() {
    let body = r#"{"name":" a ","issuer":" b ","client_id":" c ","client_secret":""}"#;
    let (_, draft) = draft(call(Service::Admin, UPDATE, "7", body).expect("a change"));
    assert_eq!(draft.client_secret, None);
    let CredentialChange { label, issuer, client_id, scopes, generic, provisioning, .. } =
        draft.change;
    assert_eq!(label, Some(Some("a".to_owned())));
    assert_eq!(issuer.as_deref(), Some("b"));
    assert_eq!(client_id.expect("one").as_str(), "c");
    assert_eq!(scopes, Some(Vec::new()));
    assert_eq!((generic.use_pkce, generic.is_id_token_mapping), (Some(false), Some(false)));
    assert_eq!(generic.display_name_mapping, None, "it is not of this message");
    assert_eq!(provisioning, Some(Default::default()));
    assert_eq!(
        (draft.change.state, draft.change.styling, draft.change.auto_register),
        (None, None, None)
    );
}

#[test]
fn a_service_owns_what_is_made_under_it() {
    for (service, owner) in
        [(Service::Admin, Owner::System), (Service::Management, Owner::Organization)]
    {
        for name in [ADD, ADD_LEGACY] {
            let body = with(&GENERIC, "providerOptions", "{\"auto_linking\":2}");
            let (target, draft) = draft(call(service, name, "", &body).expect("a new one"));
            assert_eq!(target, CredentialTarget::New(owner));
            assert_eq!(draft.client_secret, Some(Secret::new("s".to_owned())));
            if name == ADD {
                let linking = draft.change.provisioning.expect("some").auto_linking;
                assert_eq!(linking, AutoLinking::Email);
            }
        }
    }
}

#[test]
fn older_configurations_are_changed_in_parts() {
    let body = r#"{"issuer":"i","clientId":"c","displayNameMapping":"OIDC_MAPPING_FIELD_EMAIL",
        "usernameMapping":1,"name":"ignored"}"#;
    let (_, config) = draft(call(Service::Admin, UPDATE_CONFIG, "7", body).expect("a change"));
    let change = config.change;
    assert!(change.oidc_only && change.refuse_unchanged && change.label.is_none());
    assert_eq!(change.generic.display_name_mapping, Some(ClaimMapping::Email));
    assert_eq!(change.generic.username_mapping, Some(ClaimMapping::PreferredUsername));
    assert_eq!(change.generic.use_pkce, None, "it is not of this message");
    assert_eq!(change.provisioning, None);

    let body = r#"{"name":"n","stylingType":"STYLING_TYPE_GOOGLE","autoRegister":true}"#;
    let (_, look) = draft(call(Service::Admin, UPDATE_LEGACY, "7", body).expect("a change"));
    let expected = CredentialChange {
        label: Some(Some("n".to_owned())),
        styling: Some(Styling::Google),
        auto_register: Some(true),
        ..CredentialChange::default()
    };
    assert_eq!(look.change, expected);

    for (name, state) in [
        ("POST /idps/{id}/_deactivate", CredentialState::Inactive),
        ("POST /idps/{id}/_reactivate", CredentialState::Active),
    ] {
        for body in ["", "{}", r#"{"idpId":"9"}"#] {
            let (target, draft) =
                draft(call(Service::Management, name, "7", body).expect("a change"));
            assert_eq!(target, CredentialTarget::Number(Number(7)));
            assert_eq!(draft.change.state, Some(state));
            assert!(draft.change.refuse_unchanged && !draft.change.oidc_only);
        }
        assert!(call(Service::Admin, name, "7", "[]").is_err());
    }
}

#[test]
fn an_id_is_the_decimal_text_of_a_number() {
    let target = |id: &str| match call(Service::Admin, "DELETE /idps/templates/{id}", id, "") {
        Ok(Action::CredentialWrite(CredentialWrite::EntryDelete(target))) => Ok(target),
        Ok(other) => panic!("{other:?}"),
        Err(malformed) => Err(malformed.to_string()),
    };
    let number = |number| Ok(CredentialTarget::Number(Number(number)));
    assert_eq!(target("9007199254740991"), number(9_007_199_254_740_991));
    assert_eq!(target("%37"), number(7));
    for nobody in ["0", "07", "+7", "-7", "7 ", "seven", "9007199254740992", &"9".repeat(200)] {
        assert_eq!(target(&nobody.replace(' ', "%20")), number(0), "{nobody}");
    }
    let told = |id: &str| target(id).unwrap_err();
    assert_eq!(
        told(&"9".repeat(201)),
        "invalid DeleteProviderRequest.Id: value length must be between 1 and 200 runes, inclusive"
    );
    assert_eq!(told("%20"), "ID missing (INSTANCE-9djf8)");
    assert_eq!(told("%zz"), "the id in the path is badly encoded");
}

fn told(service: Service, name: &str, body: &str) -> String {
    match call(service, name, "7", body) {
        Err(malformed) => malformed.to_string(),
        Ok(action) => panic!("{name} takes {body}: {action:?}"),
    }
}

fn quoted(text: &str, times: usize) -> String {
    format!("\"{}\"", text.repeat(times))
}

fn scopes(count: usize, length: usize) -> String {
    let all: Vec<String> = (0..count).map(|place| format!("\"{place:0length$}\"")).collect();
    format!("[{}]", all.join(","))
}

fn refuses_generic(field: &str, value: &str, reason: &str) {
    let body = with(&GENERIC, field, value);
    let expected = format!("invalid UpdateGenericOIDCProviderRequest.{reason}");
    assert_eq!(told(Service::Management, UPDATE, &body), expected);
    let expected = format!("invalid AddGenericOIDCProviderRequest.{reason}");
    assert_eq!(told(Service::Admin, ADD, &body), expected);
}

#[test]
fn generic_fields_have_their_lengths() {
    let length = "value length must be between 1 and 200 runes, inclusive";
    for (field, value, named) in [
        ("name", "\"\"".to_owned(), "Name"),
        ("name", quoted("ü", 201), "Name"),
        ("issuer", "null".to_owned(), "Issuer"),
        ("clientId", quoted("c", 201), "ClientId"),
    ] {
        refuses_generic(field, &value, &format!("{named}: {length}"));
    }
    let item = "value length must be between 1 and 100 runes, inclusive";
    refuses_generic("scopes", "[\"a\",\"\"]", &format!("Scopes[1]: {item}"));
    refuses_generic("scopes", &scopes(1, 101), &format!("Scopes[0]: {item}"));
    let count = "Scopes: value must contain no more than 20 item(s)";
    refuses_generic("scopes", &scopes(21, 3), count);
    let secret = with(&GENERIC, "clientSecret", &quoted("s", 1001));
    assert_eq!(
        told(Service::Management, UPDATE, &secret),
        "invalid UpdateGenericOIDCProviderRequest.ClientSecret: value length must be at most 1000 \
         runes"
    );
    assert_eq!(
        told(Service::Management, ADD, &with(&GENERIC, "clientSecret", "\"\"")),
        "invalid AddGenericOIDCProviderRequest.ClientSecret: value length must be between 1 and \
         1000 runes, inclusive"
    );
    for (field, value) in [
        ("name", quoted("ü", 200)),
        ("clientSecret", quoted("𝄞", 1000)),
        ("scopes", scopes(20, 100)),
    ] {
        let body = with(&GENERIC, field, &value);
        assert!(call(Service::Admin, ADD, "", &body).is_ok(), "{field}");
    }
}

#[test]
fn what_cannot_be_stored_is_told_in_the_same_form() {
    let (control, mask) = (
        "value must not contain control characters",
        "value must be the secret itself, not what is shown in its place",
    );
    for (field, value, reason) in [
        ("clientId", "\"a\\u0007\"", format!("ClientId: {control}")),
        ("clientId", "\"..\"", "ClientId: value must be other than . and ..".to_owned()),
        ("issuer", "\"a\\tb\"", format!("Issuer: {control}")),
        ("clientSecret", "\"********\"", format!("ClientSecret: {mask}")),
        ("clientSecret", "\"[redacted]\"", format!("ClientSecret: {mask}")),
    ] {
        refuses_generic(field, value, &reason);
    }
    let scope = "Scopes[0]: value must be a scope of 1 to 256 characters without white space";
    refuses_generic("scopes", "[\"a b\"]", scope);
    let linking = "ProviderOptions: embedded message failed validation | caused by: invalid \
                   Options.AutoLinking: value must be one of the defined enum values";
    refuses_generic("providerOptions", "{\"autoLinking\":3}", linking);
}

#[test]
fn white_space_is_no_text() {
    for (field, add, update) in [
        ("name", "Sgtj5", "Dvf4f"),
        ("issuer", "Hz6zj", "BDfr3"),
        ("clientId", "fb5jm", "Db3bs"),
        ("clientSecret", "Sfdf4", "Sfdf4"),
    ] {
        let body = with(&GENERIC, field, "\" \\t\"");
        for (service, prefix) in [(Service::Admin, "INST"), (Service::Management, "ORG")] {
            for (name, id) in [(ADD, add), (UPDATE, update), (ADD_LEGACY, add)] {
                let expected = format!("Errors.Invalid.Argument ({prefix}-{id})");
                assert_eq!(told(service, name, &body), expected, "{field}");
            }
        }
    }
}

#[test]
fn the_first_wrong_field_is_named_in_the_order_of_the_message() {
    let both = "{\"clientSecret\":\"\"}";
    for (service, expected) in [
        (Service::Admin, "invalid UpdateIDPOIDCConfigRequest.Issuer: "),
        (Service::Management, "invalid UpdateOrgIDPOIDCConfigRequest.ClientId: "),
    ] {
        let told = told(service, UPDATE_CONFIG, both);
        assert!(told.starts_with(expected), "{told}");
    }
    let told_add = |body: &str| told(Service::Management, ADD_LEGACY, body);
    assert!(told_add("{}").starts_with("invalid AddOrgOIDCIDPRequest.Name: "));
    let body = with(&GENERIC, "stylingType", "2");
    let expected =
        "invalid AddOrgOIDCIDPRequest.StylingType: value must be one of the defined enum values";
    assert_eq!(told_add(&body), expected);
    let body = with(&GENERIC, "usernameMapping", "3");
    let expected = "invalid AddOrgOIDCIDPRequest.UsernameMapping: value must be one of the defined enum values";
    assert_eq!(told_add(&body), expected);
    let secret = with(&GENERIC, "clientSecret", &quoted("s", 201));
    assert_eq!(
        told_add(&secret),
        "invalid AddOrgOIDCIDPRequest.ClientSecret: value length must be between 1 and 200 runes, inclusive"
    );
    assert_eq!(
        told(Service::Admin, UPDATE_CONFIG, &secret),
        "invalid UpdateIDPOIDCConfigRequest.ClientSecret: value length must be at most 200 runes"
    );
    let many: Vec<String> = (0..=limits::SCOPES_MAX).map(|it| format!("\"{it}\"")).collect();
    let body = with(&GENERIC, "scopes", &format!("[{}]", many.join(",")));
    let expected =
        "invalid AddOrgOIDCIDPRequest.Scopes: value must contain no more than 64 item(s)";
    assert_eq!(told_add(&body), expected);
    assert_eq!(
        told(Service::Admin, UPDATE_LEGACY, "{}"),
        "invalid UpdateIDPRequest.Name: value length must be between 1 and 200 runes, inclusive"
    );
}

#[test]
fn a_search_is_a_filter() {
    let empty = filter(Service::Admin, SEARCH, "");
    assert!(empty.descending && !empty.by_name);
    assert_eq!((empty.page.limit, empty.page.offset), (Some(100), 0));
    let body = r#"{"query":{"offset":"2","limit":3,"asc":true},"sortingColumn":"IDP_FIELD_NAME_NAME",
        "queries":[{"idpIdQuery":{"id":"7"}},{"idp_id_query":{"id":"x"}},
        {"idpNameQuery":{"name":"A","method":"TEXT_QUERY_METHOD_CONTAINS_IGNORE_CASE"}},
        {"ownerTypeQuery":{"ownerType":"IDP_OWNER_TYPE_SYSTEM"}},{"ownerTypeQuery":{}}]}"#;
    let full = filter(Service::Management, SEARCH_LEGACY, body);
    assert!(full.by_name && !full.descending);
    assert_eq!((full.page.limit, full.page.offset), (Some(3), 2));
    assert_eq!(full.numbers, [Some(Number(7)), None]);
    assert_eq!(full.names, [("A".to_owned(), TextMatch::ContainsIgnoreCase)]);
    assert_eq!(full.owners, [Owner::System, Owner::Organization]);
    assert!(!filter(Service::Management, SEARCH, body).by_name, "it is not of this message");

    let cause = "embedded message failed validation | caused by:";
    for (name, body, expected) in [
        (
            SEARCH,
            r#"{"queries":[{}]}"#,
            format!(
                "invalid ListProvidersRequest.Queries[0]: {cause} invalid ProviderQuery.Query: value is required"
            ),
        ),
        (
            SEARCH,
            r#"{"queries":[{"ownerTypeQuery":{}}]}"#,
            format!(
                "invalid ListProvidersRequest.Queries[0]: {cause} invalid ProviderQuery.Query: value is required"
            ),
        ),
        (
            SEARCH_LEGACY,
            r#"{"queries":[{"idpNameQuery":{"method":8}}]}"#,
            format!(
                "invalid ListIDPsRequest.Queries[0]: {cause} invalid IDPQuery.IdpNameQuery: {cause} invalid IDPNameQuery.Method: value must be one of the defined enum values"
            ),
        ),
        (
            SEARCH_LEGACY,
            r#"{"sortingColumn":2}"#,
            "invalid ListIDPsRequest.SortingColumn: value must be one of the defined enum values"
                .to_owned(),
        ),
        (
            SEARCH,
            r#"{"query":{"limit":1001}}"#,
            "Errors.Query.LimitExceeded (QUERY-4M0fs)".to_owned(),
        ),
        (
            SEARCH,
            r#"{"query":{"offset":-1}}"#,
            "query.offset must be a whole number of 64 bits".to_owned(),
        ),
        (
            SEARCH,
            r#"{"queries":[{"idpIdQuery":{},"idpNameQuery":{}}]}"#,
            "a query may be one of idpIdQuery and idpNameQuery".to_owned(),
        ),
    ] {
        assert_eq!(told(Service::Admin, name, body), expected);
    }
    let long = format!("{{\"queries\":[{{\"idpIdQuery\":{{\"id\":{}}}}}]}}", quoted("1", 201));
    let expected = format!(
        "invalid ListProvidersRequest.Queries[0]: {cause} invalid ProviderQuery.IdpIdQuery: {cause} invalid IDPIDQuery.Id: value length must be at most 200 runes"
    );
    assert_eq!(told(Service::Admin, SEARCH, &long), expected);
}

proptest! {
    #[test]
    fn no_body_panics_and_no_secret_is_repeated(
        secret in "S[A-Za-z0-9]{11,40}",
        place in 0..4_usize,
        name in "\\PC{0,12}",
        linking in "null|1|9|\"x\"|-1",
    ) {
        let text = format!("\"{secret}\"");
        let wrong = [text.clone(), format!("[{text}]"), format!("{{{text}:{text}}}")];
        let value = wrong.get(place).unwrap_or(&text);
        let options = format!("{{\"autoLinking\":{linking}}}");
        let mut message = GENERIC;
        message[3].1 = value;
        let name = serde_json::Value::from(name).to_string();
        message[0].1 = &name;
        for body in [with(&message, "providerOptions", &options), format!("{{{text}")] {
            for (call_name, id) in [(ADD, ""), (UPDATE, "7"), (ADD_LEGACY, ""), (UPDATE_CONFIG, "7")] {
                let shown = format!("{:?}", call(Service::Admin, call_name, id, &body));
                prop_assert!(!shown.contains(&secret), "{shown}");
            }
        }
    }
}
