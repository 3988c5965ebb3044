//! Contract 1.1 and 1.5: routes, methods, both versions of HTTP, and the probes.

use std::collections::BTreeSet;

use concordat_tests::{http::Request, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{OIDC, assert_failure, caller, demo, draft, one};

#[tokio::test]
async fn an_unknown_route_is_404_in_plain_text() {
    let caller = caller("routes").await;
    caller.create(&draft("kept")).await;
    for path in [
        "/",
        "/organizations/",
        "/organizations/sso/oidc",
        "/organizations/sso/oidc/provider-credentials/",
        "/organizations/sso/oidc/provider-credentials/a/b",
        "/organizations/sso/oidc/provider-credentials/kept/",
        "/Organizations/sso/oidc/provider-credentials",
        "//organizations/sso/oidc/provider-credentials",
        "/api/organizations/sso/oidc/provider-credentials",
        "/v1/writes",
        "/v1/writes/",
        "/v1/unknown",
        "/livez/",
    ] {
        for request in [caller.request("GET", path), Request::new("DELETE", path)] {
            let answer = caller.send(&request).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            assert_eq!(answer.text().trim_end(), "404 page not found", "{path}");
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/plain"), "{path}: {answer:?}");
        }
    }
    // The envelope distinguishes an unknown id on a known route from it.
    assert_failure(&caller.get("unknown").await, 404);
}

#[tokio::test]
async fn a_wrong_method_is_405_and_says_which_are_right() {
    let caller = caller("methods").await;
    caller.create(&draft("kept")).await;
    let kept = one("kept");
    for (path, right, wrong) in [
        (
            OIDC,
            ["GET", "HEAD", "POST"].as_slice(),
            ["PUT", "PATCH", "DELETE", "OPTIONS"].as_slice(),
        ),
        (&kept, &["GET", "HEAD", "PATCH", "DELETE"], &["PUT", "POST", "TRACE"]),
        ("/organizations", &["GET", "HEAD", "DELETE"], &["PUT", "POST", "PATCH"]),
        ("/v1/writes/x", &["GET", "HEAD"], &["POST", "DELETE"]),
        ("/v1/organizations", &["GET", "HEAD", "POST"], &["DELETE"]),
        ("/v1/cluster", &["GET", "HEAD", "PATCH"], &["POST"]),
        ("/v1/cluster/nodes", &["GET", "HEAD"], &["POST"]),
        ("/v1/cluster/nodes/x", &["PATCH", "DELETE"], &["GET", "PUT"]),
        ("/v1/cluster/regions", &["GET", "HEAD", "POST"], &["DELETE"]),
        ("/v1/cluster/regions/x", &["PATCH", "DELETE"], &["GET", "PUT"]),
        ("/v1/demo/cut", &["POST"], &["GET"]),
        ("/livez", &["GET", "HEAD"], &["POST"]),
        ("/readyz", &["GET", "HEAD"], &["DELETE"]),
        ("/metrics", &["GET", "HEAD"], &["PUT"]),
    ] {
        for method in wrong {
            let before = caller.everything().await;
            // The route is checked before authentication: no key is needed for this answer.
            for request in [caller.request(method, path), Request::new(method, path)] {
                let answer = caller.send(&request.json_text("{}")).await;
                assert_failure(&answer, 405);
                let allowed = answer.header("allow").expect("Allow");
                let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
                assert_eq!(allowed, right.iter().copied().collect(), "{method} {path}");
            }
            assert_eq!(caller.everything().await, before);
        }
    }
}

#[tokio::test]
async fn probes_need_no_key() {
    for url in demo().await.all_urls() {
        for path in ["/livez", "/readyz", "/readyz?verbose", "/readyz?for=reads"] {
            let answer = Request::new("GET", path).send(&url).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer = Request::new("HEAD", path).send(&url).await;
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}: {answer:?}");
        }
        wait::eventually("it is ready for writes", async || {
            let answer = Request::new("GET", "/readyz?for=writes&verbose").send(&url).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await;
        let answer = Request::new("GET", "/readyz?for=everything").send(&url).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let answer = Request::new("GET", "/metrics").send(&url).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.header("content-type").is_some_and(|it| it.starts_with("text/plain")));
        let page = answer.text();
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.len() > 10, "{page}");
        for line in samples {
            let (name, value) = line.rsplit_once(' ').unwrap_or_default();
            assert!(name.starts_with("concordat_"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_node_lives_on() {
    let url = demo().await.url(0, 0);
    let long = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [
        b"\0\0\0\0\0\0\0\0\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
        b"POST /v1/organizations HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/organizations HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        long.as_bytes(),
    ] {
        let answer = concordat_tests::http::exchange(url, bytes, false).await;
        let answer = answer.expect("a refusal");
        assert!(matches!(answer.status, 400 | 431), "{answer:?}");
        assert_failure(&answer, answer.status);
        assert_eq!(Request::new("GET", "/livez").send(url).await.status, 200);
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let address = demo().await.url(0, 0).trim_start_matches("http://").to_owned();
    // Indexed fields are of the static table: GET, http; the path is a literal.
    let mut fields = vec![0x82, 0x86, 0x04, 6];
    fields.extend_from_slice(b"/livez");
    fields.extend_from_slice(&[0x01, 9]);
    fields.extend_from_slice(b"concordat");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, 0x5, 1, &fields));
    let answered = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == HEADERS {
                return payload;
            }
        }
    };
    let fields = timeout(wait::LIMIT, answered).await.expect("an answer");
    assert_eq!(fields.first(), Some(&0x88), ":status 200 of the static table: {fields:?}");
}
