//! One credential through every dialect, at every region, under both consistencies, while a region is cut
//! off and comes back.
//!
//! What one dialect has written all others show, by the same version. An answer that calls itself current
//! shows nothing older than what had been answered to the same region before the question, or to any region
//! under `all_regions`. A write that has not reached the region that is cut off is answered 408 in its dialect's own
//! body, with the receipt in the headers.

use std::collections::BTreeSet;

use concordat_tests::{
    demo::{Org, REGIONS},
    http::{Request, Response},
    links::Way,
    process_cluster::ClusterOptions,
    recorded::applied,
    wait::within,
};
use serde_json::{Value, json};

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT};

const CREDENTIALS: &str = "/organizations/sso/oidc/provider-credentials";
/// One node of each region.
const DOORS: [usize; 3] = [1, 4, 7];
const FAR_DOOR: usize = 7;
/// How long a receipt is waited for, in seconds, and for what.
const RECEIPT_WAIT: &str = "30&required=all_regions";
const CONSISTENCY: [&str; 2] = ["local_region", "all_regions"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Native,
    Jitsudo,
    Aisquare,
    ZitadelLegacy,
    ZitadelGeneric,
}

use Dialect::{Aisquare, Jitsudo, Native, ZitadelGeneric, ZitadelLegacy};

const DIALECTS: [Dialect; 5] = [Native, Jitsudo, Aisquare, ZitadelLegacy, ZitadelGeneric];

/// The credential, by all its names.
struct Subject {
    org: Org,
    /// ZITADEL's id.
    number: String,
    /// As it was written last.
    client_id: String,
    /// The write that made it what it is, which is its version.
    version: String,
    /// Counts the writes, so that each writes something else.
    writes: u32,
}

impl Dialect {
    /// A request with what it wants as credentials.
    fn request(self, method: &str, target: &str, org: &Org) -> Request {
        let request = Request::new(method, target);
        match self {
            Native => {
                request.header("SlashID-OrgID", &org.id).header("SlashID-API-Key", &org.api_key)
            }
            Jitsudo => request.header("X-Tenant-ID", &org.id).header("X-API-Key", &org.api_key),
            Aisquare | ZitadelLegacy | ZitadelGeneric => {
                request.header("Authorization", &format!("Bearer {}", org.api_key))
            }
        }
    }

    fn read(self, subject: &Subject) -> Request {
        let target = match self {
            Native => format!("{CREDENTIALS}/{}", subject.client_id),
            Jitsudo => "/v1/oidc-config".to_owned(),
            Aisquare => "/api/v1/enterprises/oidc/config/".to_owned(),
            ZitadelLegacy => format!("/admin/v1/idps/{}", subject.number),
            ZitadelGeneric => format!("/management/v1/idps/templates/{}", subject.number),
        };
        self.request("GET", &target, &subject.org)
    }

    /// A write of a client id, or of a label where the client id is the resource's name.
    fn write(self, subject: &Subject, client_id: &str) -> Request {
        let (number, secret) = (&subject.number, "a-secret-of-sixteen");
        let (method, target, body) = match self {
            Native => {
                let target = format!("{CREDENTIALS}/{}", subject.client_id);
                ("PATCH", target, json!({"label": format!("label {}", subject.writes)}))
            }
            Jitsudo => (
                "PUT",
                "/v1/oidc-config".to_owned(),
                json!({"issuer_url": "https://idp.example", "client_id": client_id,
                    "client_secret": secret, "scopes": ["openid"]}),
            ),
            Aisquare => (
                "POST",
                "/api/v1/enterprises/oidc/config/".to_owned(),
                json!({"client_id": client_id, "client_secret": secret}),
            ),
            ZitadelLegacy => (
                "PUT",
                format!("/admin/v1/idps/{number}/oidc_config"),
                json!({"issuer": "https://idp.example", "clientId": client_id}),
            ),
            ZitadelGeneric => (
                "PUT",
                format!("/management/v1/idps/generic_oidc/{number}"),
                json!({"name": client_id, "issuer": "https://idp.example", "clientId": client_id}),
            ),
        };
        self.request(method, &target, &subject.org).json(&body)
    }

    /// The client id in an answer to [`Self::read`].
    fn client_id(self, body: &Value) -> &Value {
        match self {
            Native => &body["result"]["client_id"],
            Jitsudo | Aisquare => &body["client_id"],
            ZitadelLegacy => &body["idp"]["oidcConfig"]["clientId"],
            ZitadelGeneric => &body["idp"]["config"]["oidc"]["clientId"],
        }
    }

    /// The members that the body of any of its errors has, and the value of one of them for a status.
    fn error(self, status: u16) -> (&'static [&'static str], &'static str, Value) {
        let is_late = status == 408;
        match self {
            Native => (&["errors", "meta"], "", Value::Null),
            Jitsudo => (
                &["code", "message"],
                "code",
                json!(if is_late { "timeout" } else { "unavailable" }),
            ),
            Aisquare => (&["detail"], "", Value::Null),
            ZitadelLegacy | ZitadelGeneric => {
                (&["code", "message"], "code", json!(if is_late { 4 } else { 14 }))
            }
        }
    }

    /// The body is one of its own errors and of no other dialect.
    fn require_error(self, response: &Response) {
        let body = response.json();
        let members: BTreeSet<&str> =
            body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let (wanted, member, value) = self.error(response.status);
        assert_eq!(members, wanted.iter().copied().collect(), "{self:?}: {response:?}");
        if !member.is_empty() {
            assert_eq!(body[member], value, "{self:?}: {response:?}");
        }
    }
}

fn is_current(response: &Response) -> bool {
    response.header("concordat-read").is_some_and(|mark| mark.starts_with("current"))
}

/// A write's receipt: in the body of the native dialect, in the headers of the others.
#[derive(Debug)]
struct Receipt {
    is_committed: bool,
    write_id: String,
    applied: BTreeSet<String>,
}

impl Receipt {
    fn of(dialect: Dialect, response: &Response) -> Self {
        if dialect == Native {
            let receipt = &response.json()["meta"]["consistency"];
            return Self {
                is_committed: receipt["outcome"] == "committed",
                write_id: receipt["write_id"].as_str().unwrap_or_default().to_owned(),
                applied: applied(receipt).into_iter().collect(),
            };
        }
        let line = response.header("concordat-consistency").unwrap_or_default();
        let is_in = |region: &&str| line.contains(&format!("{region}:applied"));
        Self {
            is_committed: line.contains("outcome=committed"),
            write_id: response.header("concordat-write-id").unwrap_or_default().to_owned(),
            applied: REGIONS.iter().copied().filter(is_in).map(str::to_owned).collect(),
        }
    }

    fn is_in(&self, region: usize) -> bool {
        self.applied.contains(REGIONS[region])
    }
}

struct Matrix {
    fleet: Fleet,
    subject: Subject,
}

impl Matrix {
    async fn start() -> Self {
        let options = ClusterOptions { has_links: true, ..ClusterOptions::default() };
        let fleet = Fleet::start_with(options).await;
        let org = Org { id: fleet.org.id.clone(), api_key: fleet.org.api_key.clone() };
        let url = fleet.cluster.url(DOORS[0]);
        let all = |request: Request| request.header("SlashID-Required-Consistency", "all_regions");
        let made = Jitsudo.request("PUT", "/v1/oidc-config", &org).json(&json!({
            "issuer_url": "https://idp.example", "client_id": "first",
            "client_secret": "a-secret-of-sixteen", "scopes": ["openid"],
        }));
        let made = all(made).send(url).await;
        assert_eq!(made.status, 200, "{made:?}");
        for (method, target, body) in [
            ("POST", "/api/v1/enterprises/claim/", json!({"domain": "matrix.example"})),
            ("PUT", "/v1/bindings/aisquare", json!({"client_id": "first"})),
        ] {
            let dialect = if method == "POST" { Aisquare } else { Native };
            let done = all(dialect.request(method, target, &org).json(&body)).send(url).await;
            assert!((200..300).contains(&done.status), "{done:?}");
        }
        let search = ZitadelGeneric.request("POST", "/management/v1/idps/templates/_search", &org);
        let found = search.json(&json!({})).send(url).await.json();
        let number = found["result"][0]["id"].as_str().expect("an id").to_owned();
        let read = Jitsudo.request("GET", "/v1/oidc-config", &org).send(url).await;
        let version = read.header("etag").expect("a version").trim_matches('"').to_owned();
        let client_id = "first".to_owned();
        Self { fleet, subject: Subject { org, number, client_id, version, writes: 0 } }
    }

    /// Writes through a node; the answer of a write that was carried out is remembered.
    async fn write(
        &mut self,
        dialect: Dialect,
        node: usize,
        required: &str,
        seconds: u32,
    ) -> (Response, Receipt) {
        self.subject.writes += 1;
        let client_id = match dialect {
            Native => self.subject.client_id.clone(),
            Jitsudo | Aisquare | ZitadelLegacy | ZitadelGeneric => {
                format!("{dialect:?}-{}", self.subject.writes)
            }
        };
        let request = dialect
            .write(&self.subject, &client_id)
            .header("SlashID-Required-Consistency", required)
            .header("SlashID-Required-Consistency-Timeout", &seconds.to_string());
        let response = request.send(self.fleet.cluster.url(node)).await;
        let receipt = Receipt::of(dialect, &response);
        if receipt.is_committed {
            (self.subject.version, self.subject.client_id) = (receipt.write_id.clone(), client_id);
        }
        (response, receipt)
    }

    async fn read(&self, dialect: Dialect, node: usize) -> Response {
        dialect.read(&self.subject).send(self.fleet.cluster.url(node)).await
    }

    /// Whether an answer shows the last write.
    fn shows(&self, dialect: Dialect, response: &Response) -> bool {
        let version = response.header("etag").map(|etag| etag.trim_matches('"'));
        if response.status != 200 || version != Some(self.subject.version.as_str()) {
            return false;
        }
        assert_eq!(*dialect.client_id(&response.json()), self.subject.client_id, "{response:?}");
        true
    }

    /// Every dialect at these nodes shows the last write, which was sent to node `door`: where it was
    /// promised, in every answer that calls itself current, and elsewhere in time.
    async fn all_show_it(&self, nodes: &[usize], door: usize, required: &str) {
        for node in nodes {
            let is_promised = required == "all_regions" || node / 3 == door / 3;
            for dialect in DIALECTS {
                within("the last write is shown", LIMIT, async || {
                    let seen = self.read(dialect, *node).await;
                    if self.shows(dialect, &seen) {
                        return Ok(());
                    }
                    let version = &self.subject.version;
                    let what = format!("{dialect:?} at node {node}: not {version}: {seen:?}");
                    assert!(
                        !is_promised || !is_current(&seen),
                        "{required} at node {door}: {what}"
                    );
                    Err(what)
                })
                .await;
            }
        }
    }

    fn cut(&self) {
        let (far, others): (Vec<usize>, Vec<usize>) = (FAR.collect(), (0..FAR.start).collect());
        self.fleet.cluster.links().set(&far, &others, Way::CUT);
        self.fleet.cluster.links().set(&others, &far, Way::CUT);
    }

    /// Until a region that was cut off knows that it cannot know.
    async fn is_marked(&self, node: usize) {
        within("the reads of the region that was cut off are marked", LIMIT, async || {
            let seen = self.read(Jitsudo, node).await;
            if is_current(&seen) { Err(format!("{seen:?}")) } else { Ok(()) }
        })
        .await;
    }

    /// Both consistencies while the far region is cut off; returns the writes that are pending there.
    async fn while_cut_off(&mut self) -> Vec<String> {
        let mut pending = Vec::new();
        for dialect in DIALECTS {
            for (required, status) in [("local_region", 200), ("all_regions", 408)] {
                for node in [DOORS[0], DOORS[1]] {
                    let (response, receipt) = self.write(dialect, node, required, 2).await;
                    let what = format!("{dialect:?} {required} at node {node}: {response:?}");
                    assert_eq!(response.status, status, "{what}");
                    assert!(receipt.is_in(node / 3) && !receipt.is_in(2), "{what}");
                    if status == 408 {
                        assert!(receipt.is_in(0) && receipt.is_in(1), "{what}");
                        dialect.require_error(&response);
                    }
                    pending.push(self.subject.version.clone());
                    self.all_show_it(&[DOORS[0], DOORS[1]], node, required).await;
                }
            }
        }
        for dialect in DIALECTS {
            let old = self.read(dialect, FAR_DOOR).await;
            let what = format!("{dialect:?} where it was cut off: {old:?}");
            assert!(!is_current(&old) && !self.shows(dialect, &old), "{what}");
            let proved = dialect.read(&self.subject).header("Concordat-Read-Mode", "current");
            let refused = proved.send(self.fleet.cluster.url(FAR_DOOR)).await;
            assert_eq!(refused.status, 503, "{dialect:?}: {refused:?}");
            dialect.require_error(&refused);
            // It cannot reach where writes begin: certainly not done, or unknown; never reached.
            let (write, receipt) = self.write(dialect, FAR_DOOR, "local_region", 1).await;
            assert!(matches!(write.status, 408 | 503), "{dialect:?}: {write:?}");
            dialect.require_error(&write);
            assert!(receipt.applied.is_empty(), "{dialect:?}: {write:?}");
        }
        pending
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_dialect_writes_all_others_show_at_every_region() {
    let _turn = fleet::turn().await;
    assert!(HOME.contains(&DOORS[0]) && FAR.contains(&FAR_DOOR), "one node of each region");
    let mut matrix = Matrix::start().await;
    matrix.all_show_it(&DOORS, DOORS[0], "all_regions").await;
    for required in CONSISTENCY {
        for node in DOORS {
            for dialect in DIALECTS {
                let (response, _) = matrix.write(dialect, node, required, 30).await;
                assert_eq!(
                    response.status, 200,
                    "{dialect:?} {required} at node {node}: {response:?}"
                );
                matrix.all_show_it(&DOORS, node, required).await;
            }
        }
    }
    matrix.cut();
    matrix.is_marked(FAR_DOOR).await;
    let pending = matrix.while_cut_off().await;
    matrix.fleet.cluster.links().heal();
    // A write that was sent where it could not be answered may still be done: one more comes after it.
    for dialect in DIALECTS {
        let (response, receipt) = matrix.write(dialect, FAR_DOOR, "all_regions", 60).await;
        assert_eq!(response.status, 200, "{dialect:?} once more: {response:?}");
        assert_eq!(receipt.applied.len(), REGIONS.len(), "{response:?}");
        matrix.all_show_it(&DOORS, FAR_DOOR, "all_regions").await;
    }
    for write_id in pending {
        let seen =
            matrix.fleet.receipt(FAR_DOOR, &write_id, RECEIPT_WAIT).await.expect("an answer");
        assert_eq!(seen.status, 200, "{seen:?}");
        let receipt = &seen.body["result"];
        assert_eq!(receipt["achieved"], true, "{write_id}: {receipt}");
    }
    matrix.fleet.agree().await;
}
