//! The SDK with nodes of which one executes requests and never answers: the call succeeds through
//! the next one, in time, and the write is done once.

use std::time::Duration;

use concordat_client::{Client, ClientError, Provider, RequiredConsistency, Secret};
use concordat_tests::wait::within;
use tokio::{
    io::{copy, sink},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::world::{SECRET, caller, demo};

/// The caller's timeout: several times the cost of a silent endpoint.
const TIMEOUT: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(60);

/// An address from which requests reach a node, and to which no answer comes back.
async fn swallows_answers(of: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let target = of.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(target).await else { return };
                let ((mut from_near, _to_near), (mut from_far, mut to_far)) =
                    (near.into_split(), far.into_split());
                let mut nowhere = sink();
                // Both continue until an end closes.
                let _ = tokio::join!(
                    copy(&mut from_near, &mut to_far),
                    copy(&mut from_far, &mut nowhere)
                );
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_through_a_node_that_never_answers_is_done_once() {
    let (demo, caller) = (demo().await, caller("hung endpoint").await);
    let hung = swallows_answers(&caller.urls[0]).await;
    let client = Client::builder()
        .endpoints([&hung, &caller.urls[0], &caller.urls[1]])
        .org(caller.org.id.parse().unwrap(), Secret::new(caller.org.api_key.clone()))
        .operator_key(Secret::new(demo.operator_key.clone()))
        .default_timeout(TIMEOUT)
        .build()
        .unwrap();
    let began = Instant::now();
    // Done twice, the second one would be a 409.
    let create = client.oidc().create("hung", Secret::new(SECRET.to_owned()), Provider::Google);
    let all = RequiredConsistency::AllRegions;
    let created = create.consistency(all).send().await.unwrap();
    assert!(created.receipt.achieved && began.elapsed() < TIMEOUT);

    // A first call each time: nothing is known of the endpoints.
    let fresh = || {
        let id = caller.org.id.parse().unwrap();
        Client::builder()
            .endpoints([&hung, &caller.urls[1]])
            .org(id, Secret::new(caller.org.api_key.clone()))
            .operator_key(Secret::new(demo.operator_key.clone()))
            .default_timeout(TIMEOUT)
            .build()
            .unwrap()
    };
    let made = fresh();
    let made = made.organizations().create("made through a hung endpoint").send().await.unwrap();
    let id = &made.organization.id;
    within("the organization is there, once", LIMIT, async || {
        let listed = fresh().organizations().list().send().await.map_err(|e| e.to_string())?;
        let named =
            listed.items.iter().filter(|org| org.org_name.starts_with("made through a hung"));
        let ids: Vec<_> = named.map(|org| &org.id).collect();
        if ids == [id] { Ok(()) } else { Err(format!("{ids:?}")) }
    })
    .await;
    // The answer that came is of the write that was done: its key opens the organization.
    let owner = fresh().with_org(*id, made.api_key);
    assert!(owner.oidc().list().send().await.unwrap().items.is_empty());

    // A refusal through the next endpoint counts too.
    let again = fresh();
    let again = again.oidc().create("hung", Secret::new(SECRET.to_owned()), Provider::Google);
    let error = again.send().await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: 409, .. }), "{error:?}");
}
