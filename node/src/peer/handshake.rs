//! The handshake of two nodes before the first frame, as HTTP headers: `GET /peer/v1` with an
//! upgrade to `concordat-peer/1`, answered by 101 or by a refusal with a text.
//!
//! Pure: it knows names, not connections. Until nodes have certificates a name is only a claim. It
//! protects from mistakes (a wrong cluster, an address that moved on), not from attackers.

use concordat_cluster::raft::transport::Channel;
use concordat_proto::id::{ClusterId, NodeId};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

const PATH: &str = "/peer/v1";
const PROTOCOL: &str = "concordat-peer/1";
const CLUSTER: &str = "concordat-cluster";
const NODE: &str = "concordat-node";
const TO: &str = "concordat-to";
const CHANNEL: &str = "concordat-channel";
const JOIN: &str = "concordat-join";

/// A node's cluster and its own name.
pub(super) type Identity = (ClusterId, NodeId);

/// Why a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    /// A member to a member.
    Member { from: Identity, to: NodeId, channel: Channel },
    /// A node that asks to join; a member of a cluster names its cluster.
    Join { cluster: Option<ClusterId> },
}

/// Why it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Control => "control",
        Channel::Propose => "propose",
        Channel::Append => "append",
        Channel::Bulk => "bulk",
    }
}

fn channel_of(name: &str) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| channel_name(*channel) == name)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The request that asks for the upgrade.
pub(super) fn render_request<B: Default>(
    address: &str,
    hello: Hello,
) -> Result<Request<B>, http::Error> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(PATH)
        .header(header::HOST, address)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, PROTOCOL);
    let request = match hello {
        Hello::Join { cluster } => {
            let request = request.header(JOIN, "1");
            match cluster {
                Some(cluster) => request.header(CLUSTER, cluster.to_string()),
                None => request,
            }
        }
        Hello::Member { from: (cluster, node), to, channel } => request
            .header(CLUSTER, cluster.to_string())
            .header(NODE, node.to_string())
            .header(TO, to.to_string())
            .header(CHANNEL, channel_name(channel)),
    };
    request.body(B::default())
}

/// The request's purpose, if this node grants it.
pub(super) fn parse_request<B>(
    request: &Request<B>,
    own: Option<Identity>,
) -> Result<Hello, Refusal> {
    let refuse = |status, text: &str| Refusal { status, text: text.to_owned() };
    if request.uri().path() != PATH {
        return Err(refuse(StatusCode::NOT_FOUND, "peer protocol only"));
    }
    let headers = request.headers();
    let upgrades = text(headers, header::UPGRADE.as_str());
    if request.method() != Method::GET || upgrades != Some(PROTOCOL) {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, "unsupported peer protocol version"));
    }
    let foreign = |own: ClusterId| {
        let text = format!("this node belongs to cluster {own}");
        Refusal { status: StatusCode::FORBIDDEN, text }
    };
    if text(headers, JOIN) == Some("1") {
        let cluster: Option<ClusterId> = text(headers, CLUSTER).and_then(|it| it.parse().ok());
        // A member that has lost its way must not end up in another cluster.
        return match (cluster, own) {
            (Some(theirs), Some((own, _))) if theirs != own => Err(foreign(own)),
            _ => Ok(Hello::Join { cluster }),
        };
    }
    let malformed = |_| refuse(StatusCode::BAD_REQUEST, "a malformed name");
    let named = |name| text(headers, name).unwrap_or_default();
    let cluster: ClusterId = named(CLUSTER).parse().map_err(malformed)?;
    let node: NodeId = named(NODE).parse().map_err(malformed)?;
    let to: NodeId = named(TO).parse().map_err(malformed)?;
    let channel = channel_of(named(CHANNEL))
        .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "an unknown channel"))?;
    let (own_cluster, own_node) = own.ok_or_else(|| {
        refuse(StatusCode::SERVICE_UNAVAILABLE, "this node has not joined a cluster")
    })?;
    if cluster != own_cluster {
        return Err(foreign(own_cluster));
    }
    if to != own_node {
        let text = format!("this address belongs to node {own_node}");
        return Err(Refusal { status: StatusCode::CONFLICT, text });
    }
    Ok(Hello::Member { from: (cluster, node), to, channel })
}

/// The answer that grants the upgrade, with this node's own names if it has them.
pub(super) fn render_granted<B: Default>(own: Option<Identity>) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
    if let Some((cluster, node)) = own {
        let value = |text: String| HeaderValue::try_from(text).expect("hexadecimal digits");
        headers.insert(CLUSTER, value(cluster.to_string()));
        headers.insert(NODE, value(node.to_string()));
    }
    response
}

/// Checks the answer: whether the upgrade was granted by the node that was meant.
pub(super) fn check_granted<B>(response: &Response<B>, hello: Hello) -> Result<(), String> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("it answered {}", response.status()));
    }
    let headers = response.headers();
    if text(headers, header::UPGRADE.as_str()) != Some(PROTOCOL) {
        return Err("it answered with another protocol".to_owned());
    }
    let Hello::Member { from: (cluster, _), to, .. } = hello else { return Ok(()) };
    let theirs = (text(headers, CLUSTER), text(headers, NODE));
    let wanted = (cluster.to_string(), to.to_string());
    if theirs == (Some(wanted.0.as_str()), Some(wanted.1.as_str())) {
        Ok(())
    } else {
        Err(format!(
            "it identifies as node {} of cluster {}",
            theirs.1.unwrap_or("nameless"),
            theirs.0.unwrap_or("nameless")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: ClusterId = ClusterId::from_bytes([1; 16]);
    const OWN: Identity = (OURS, NodeId(2));

    fn hello(cluster: ClusterId, to: NodeId) -> Hello {
        Hello::Member { from: (cluster, NodeId(1)), to, channel: Channel::Append }
    }

    fn asked(hello: Hello, own: Option<Identity>) -> Result<Hello, StatusCode> {
        let request: Request<()> = render_request("127.0.0.1:1", hello).unwrap();
        parse_request(&request, own).map_err(|refusal| refusal.status)
    }

    #[test]
    fn only_the_node_meant_of_the_same_cluster_grants() {
        let good = hello(OURS, NodeId(2));
        assert_eq!(asked(good, Some(OWN)), Ok(good));
        assert_eq!(asked(good, None), Err(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(asked(hello(OURS, NodeId(3)), Some(OWN)), Err(StatusCode::CONFLICT));
        let foreign = hello(ClusterId::from_bytes([9; 16]), NodeId(2));
        assert_eq!(asked(foreign, Some(OWN)), Err(StatusCode::FORBIDDEN));
        for own in [None, Some(OWN)] {
            for join in [Hello::Join { cluster: None }, Hello::Join { cluster: Some(OURS) }] {
                assert_eq!(asked(join, own), Ok(join));
            }
        }
        let stray = Hello::Join { cluster: Some(ClusterId::from_bytes([9; 16])) };
        assert_eq!(asked(stray, Some(OWN)), Err(StatusCode::FORBIDDEN));
        assert_eq!(asked(stray, None), Ok(stray), "who belongs to none says so itself");
    }

    #[test]
    fn a_malformed_request_is_refused() {
        let good = hello(OURS, NodeId(2));
        let spoil = |name: &'static str, value: &'static str| {
            let mut request: Request<()> = render_request("127.0.0.1:1", good).unwrap();
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            parse_request(&request, Some(OWN)).unwrap_err().status
        };
        assert_eq!(spoil(CLUSTER, "x"), StatusCode::BAD_REQUEST);
        assert_eq!(spoil(NODE, "1"), StatusCode::BAD_REQUEST);
        assert_eq!(spoil(TO, ""), StatusCode::BAD_REQUEST);
        assert_eq!(spoil(CHANNEL, "quick"), StatusCode::BAD_REQUEST);
        assert_eq!(spoil("upgrade", "concordat-peer/2"), StatusCode::UPGRADE_REQUIRED);
        let elsewhere = Request::builder().uri("/").body(()).unwrap();
        assert_eq!(parse_request(&elsewhere, None).unwrap_err().status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_answer_of_another_node_is_no_grant() {
        let good = hello(OURS, NodeId(2));
        let granted = |own| check_granted(&render_granted::<()>(own), good).is_ok();
        assert!(granted(Some(OWN)));
        assert!(!granted(Some((OURS, NodeId(3)))));
        assert!(!granted(Some((ClusterId::from_bytes([9; 16]), NodeId(2)))));
        assert!(!granted(None));
        assert!(check_granted(&render_granted::<()>(None), Hello::Join { cluster: None }).is_ok());
        assert!(check_granted(&Response::new(()), Hello::Join { cluster: None }).is_err());
    }
}
