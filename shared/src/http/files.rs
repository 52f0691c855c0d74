//! Files over the network: they go through in pieces and are never in memory whole.

use std::io::Cursor;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::{Answer, Http, Outgoing, Trouble, Wire, begin, read};
use crate::media::HEAD;

/// What came back, with its body in a file.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// How many bytes the body has.
    pub size: u64,
    /// The first of them, at most [`HEAD`].
    pub head: Vec<u8>,
    /// SHA-256 over all of them.
    pub digest: [u8; 32],
}

/// Why a body is not in its file.
#[derive(Debug, thiserror::Error)]
pub enum NoFile {
    /// It did not come.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// It is longer than was wanted.
    #[error("the far side sends more than is taken")]
    TooLarge,
    /// It could not be written.
    #[error("a file cannot be written")]
    Disk(#[from] std::io::Error),
}

/// Writes a body piece by piece, and knows what it wrote.
struct Spool<'a> {
    file: &'a mut File,
    cap: u64,
    size: u64,
    head: Vec<u8>,
    digest: Sha256,
}

impl<'a> Spool<'a> {
    async fn new(file: &'a mut File, cap: u64) -> Result<Self, NoFile> {
        file.set_len(0).await?;
        file.rewind().await?;
        Ok(Self {
            file,
            cap,
            size: 0,
            head: Vec::new(),
            digest: Sha256::new(),
        })
    }

    fn whole(self, status: u16, headers: HeaderMap) -> Downloaded {
        Downloaded {
            status,
            headers,
            size: self.size,
            head: self.head,
            digest: self.digest.finalize().into(),
        }
    }

    async fn take(&mut self, piece: &[u8]) -> Result<(), NoFile> {
        self.size += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if self.size > self.cap {
            return Err(NoFile::TooLarge);
        }
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(room));
        self.digest.update(piece);
        self.file.write_all(piece).await?;
        Ok(())
    }
}

/// Writes what comes in pieces into a file, at most `cap` bytes, instead of what was in it.
pub async fn collect(
    file: &mut File,
    cap: u64,
    mut pieces: impl Stream<Item = Result<Bytes, Trouble>> + Unpin,
) -> Result<Downloaded, NoFile> {
    let mut spool = Spool::new(file, cap).await?;
    while let Some(piece) = pieces.next().await {
        spool.take(&piece?).await?;
    }
    spool.file.flush().await?;
    Ok(spool.whole(200, HeaderMap::new()))
}

impl Http {
    /// Sends a request and writes what comes back into a file, at most `cap` bytes, instead of
    /// what was in it. Redirects are not followed.
    pub async fn download(
        &self,
        request: Outgoing,
        file: &mut File,
        cap: u64,
    ) -> Result<Downloaded, NoFile> {
        if !self.allowed.may_reach(&request.url) {
            return Err(Trouble::Forbidden.into());
        }
        let timeout = request.timeout;
        let mut spool = Spool::new(file, cap).await?;
        let fetched = async {
            let (status, headers) = match &self.wire {
                Wire::Network(made) => {
                    let client = self.client(made);
                    let client = client.map_err(|error| Trouble::NotSent(Some(error)))?;
                    let response = begin(client, request).await?;
                    let head = (response.status().as_u16(), response.headers().clone());
                    let mut pieces = response.bytes_stream();
                    while let Some(piece) = pieces.next().await {
                        let lost = |error: reqwest::Error| Trouble::Lost(Some(error.without_url()));
                        spool.take(&piece.map_err(lost)?).await?;
                    }
                    head
                }
                #[cfg(feature = "embedded")]
                Wire::InProcess(peers) => {
                    let answer = peers(request).await?;
                    spool.take(&answer.body).await?;
                    (answer.status, answer.headers)
                }
            };
            spool.file.flush().await?;
            Ok::<_, NoFile>((status, headers))
        };
        let (status, headers) = match tokio::time::timeout(timeout, fetched).await {
            Ok(fetched) => fetched?,
            Err(_) => return Err(Trouble::Lost(None).into()),
        };
        Ok(spool.whole(status, headers))
    }

    /// Sends a request whose body is a file of `size` bytes, and waits for its answer.
    pub async fn upload(&self, request: Outgoing, file: File, size: u64) -> Result<Answer, NoFile> {
        let nothing = String::new();
        self.upload_within(request, nothing.clone(), (file, size), nothing)
            .await
    }

    /// The same with some words before the file and after it.
    pub async fn upload_within(
        &self,
        mut request: Outgoing,
        before: String,
        (file, size): (File, u64),
        after: String,
    ) -> Result<Answer, NoFile> {
        if !self.allowed.may_reach(&request.url) {
            return Err(Trouble::Forbidden.into());
        }
        let timeout = request.timeout;
        let words = u64::try_from(before.len() + after.len()).unwrap_or(u64::MAX);
        let length = size.saturating_add(words);
        request
            .headers
            .insert(http::header::CONTENT_LENGTH, length.into());
        let (before, after) = (Cursor::new(before), Cursor::new(after));
        // A file that grows while it is read does not lengthen the body.
        let mut body = before.chain(file.take(size)).chain(after);
        let sent = async {
            match &self.wire {
                Wire::Network(made) => {
                    let client = self.client(made);
                    let client = client.map_err(|error| Trouble::NotSent(Some(error)))?;
                    let sent = client
                        .request(request.method, request.url)
                        .headers(request.headers)
                        .body(reqwest::Body::wrap_stream(ReaderStream::new(body)))
                        .send();
                    read(super::arrived(sent.await)?).await
                }
                #[cfg(feature = "embedded")]
                Wire::InProcess(peers) => {
                    let read = body.read_to_end(&mut request.body).await;
                    read.map_err(|_| Trouble::NotSent(None))?;
                    peers(request).await
                }
            }
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Trouble::Lost(None).into()),
        }
    }
}
