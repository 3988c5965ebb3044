//! A plain HTTP/1.1 client that sends any request, ill-formed or not, one connection per request.
//!
//! Reading continues beside writing: a node may answer, and hang up, before it has read everything.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::document;
pub use crate::message::{Request, Response};
use crate::message::{malformed, parse};

/// For an answer: longer than the longest consistency timeout that a test asks for.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

impl Request {
    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer, or none that is understood.
    pub async fn try_send(&self, url: &str) -> io::Result<Response> {
        exchange(url, &self.to_bytes(), self.method() == "HEAD").await
    }

    /// Sends it and reads the whole answer, which must be one that the API's document describes.
    ///
    /// # Panics
    /// When there is no answer, or none that is understood, or another one.
    pub async fn send(&self, url: &str) -> Response {
        match self.try_send(url).await {
            Ok(response) => {
                if let Err(why) = document::check(self, &response) {
                    panic!("{self:?}: not as docs/openapi.json has it: {why}: {response:?}");
                }
                response
            }
            Err(error) => panic!("{self:?} to {url}: {error}"),
        }
    }
}

/// Sends any bytes and reads an answer.
///
/// # Errors
/// When there is no answer, or none that is understood.
pub async fn exchange(url: &str, bytes: &[u8], headless: bool) -> io::Result<Response> {
    let work = async {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        let read = async {
            let mut buffer = Vec::new();
            loop {
                if let Some(response) = parse(&buffer, headless)? {
                    return Ok(response);
                }
                if reader.read_buf(&mut buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        let write = async {
            // It may have been answered already; only the answer counts.
            let _ = writer.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        tokio::select! { response = read => response, () = write => Err(malformed("unreachable")) }
    };
    match timeout(ANSWER_LIMIT, work).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within a minute")),
    }
}
