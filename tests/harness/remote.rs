//! An engine of AWS's protocols in another process, asked by the tests themselves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::REGION;

/// The address of an engine: `http://127.0.0.1:8000`.
#[derive(Clone, Debug)]
pub(crate) struct Remote(String);

impl Remote {
    /// The engine at the address that this variable names, if it is set.
    pub(crate) fn named(variable: &str) -> Option<Remote> {
        magpie::config::variable(variable).map(Remote)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.0
    }

    /// Asks and waits: a test that looks has nothing else to do. `target` is such as
    /// `DynamoDB_20120810.Scan`.
    pub(crate) fn call(&self, target: &str, input: &Value) -> Result<Value, String> {
        let (_, host) = self.0.split_once("://").unwrap();
        let host = host.trim_end_matches('/');
        let body = input.to_string();
        let service = target.split(['.', '_']).next().unwrap().to_lowercase();
        // The engines read the scope of a signature and check no more.
        let scope = format!("HARNESS/20260101/{REGION}/{service}/aws4_request");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-amz-json-1.1\r\nx-amz-target: {target}\r\n\
             x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={scope}, SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let body = if chunked {
            joined(body)
        } else {
            body.to_owned()
        };
        if head.split(' ').nth(1) == Some("200") {
            Ok(serde_json::from_str(&body).unwrap_or_default())
        } else {
            Err(body)
        }
    }
}

/// A body in chunks, as one.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        let Some((chunk, rest)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            break;
        };
        body.push_str(chunk);
        chunks = rest.trim_start_matches("\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    #[test]
    fn chunks_are_joined() {
        assert_eq!(super::joined("2\r\n{}\r\n3\r\n你\r\n0\r\n\r\n"), "{}你");
    }
}
