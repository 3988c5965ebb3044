//! Probes a node on this machine, for a container's health check: an image without a shell has no
//! other program for it.
//!
//! One request, one answer, a few seconds: it never waits for a node, and changes nothing.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// For each step: connecting, asking, reading.
const STEP_TIME_MAX: Duration = Duration::from_secs(3);
/// The limit of an answer; a node's own is a few lines.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// The address of a node on its own machine, from its listen address.
fn own(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

/// The node's answer to a path, if that is 200.
///
/// # Errors
/// When it does not answer in time, or with anything else.
pub(crate) fn ask(listen: SocketAddr, path: &str) -> io::Result<String> {
    let address = own(listen);
    let mut stream = TcpStream::connect_timeout(&address, STEP_TIME_MAX)?;
    stream.set_read_timeout(Some(STEP_TIME_MAX))?;
    stream.set_write_timeout(Some(STEP_TIME_MAX))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200 ") {
        return Ok(body.to_owned());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("it answered {status:?}: {}", body.trim_end())))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers once, and returns the request.
    fn answering(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let count = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..count]).into_owned()
        });
        (address, served)
    }

    #[test]
    fn only_200_is_well() {
        let (at, served) = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
        assert_eq!(ask(at, "/livez").unwrap(), "ok\n");
        assert!(served.join().unwrap().starts_with("GET /livez HTTP/1.1\r\n"));
        for (answer, told) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nno leader\n", "no leader"),
            ("SSH-2.0-x\r\n", "SSH"),
            ("", "\"\""),
        ] {
            let (at, served) = answering(answer);
            let error = ask(at, "/readyz").unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            served.join().unwrap();
        }
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(nobody, "/livez").is_err());
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_here() {
        let own = |text: &str| own(text.parse().unwrap()).to_string();
        assert_eq!(own("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(own("[::]:8080"), "[::1]:8080");
        assert_eq!(own("192.0.2.1:8080"), "192.0.2.1:8080");
    }
}
