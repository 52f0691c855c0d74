//! Files that WeChat gives out: what customers send, for three days.
//!
//! Errors come with HTTP status 200 and a body in JSON, films as JSON with their address:
//! the first byte tells, whatever the header says.
//! <https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/Get_temporary_materials.html>

use std::time::Duration;

use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tracing::warn;
use url::Url;

use super::api::{Api, Token};
use crate::http::{Downloaded, NoFile, Outgoing, Trouble};

/// The longest answer that is no file, in bytes.
const WORDS: u64 = 64 * 1024;
/// The hosts by which WeChat shows pictures and films: these and those below them.
const HOSTS: [&str; 3] = ["qpic.cn", "qq.com", "qlogo.cn"];

/// Why WeChat gave no file.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It says so with this code.
    #[error("WeChat gives no file and answers {0}")]
    Code(i64),
    /// It answers with this HTTP status.
    #[error("WeChat gives no file and answers with status {0}")]
    Status(u16),
    /// The address is none of WeChat's.
    #[error("the address of a file is none of WeChat's")]
    Foreign,
    /// It did not come, or not whole.
    #[error(transparent)]
    File(#[from] NoFile),
}

#[derive(Deserialize)]
struct Words {
    #[serde(default)]
    errcode: i64,
    video_url: Option<String>,
}

impl Api<'_> {
    /// Fetches what a customer has sent into a file, at most `cap` bytes.
    pub async fn media(
        &self,
        token: &Token,
        id: &str,
        file: &mut File,
        cap: u64,
        span: Duration,
    ) -> Result<Downloaded, Refused> {
        let mut url = self.url("/cgi-bin/media/get").ok_or(Refused::Foreign)?;
        url.query_pairs_mut()
            .append_pair("access_token", token.expose())
            .append_pair("media_id", id);
        let request = Outgoing::get(url, span);
        let got = self.http.download(request, file, cap).await?;
        if got.status != 200 {
            return Err(Refused::Status(got.status));
        }
        if got.head.first() != Some(&b'{') || got.size > WORDS {
            return Ok(got);
        }
        let mut text = Vec::new();
        file.rewind().await.map_err(NoFile::Disk)?;
        file.read_to_end(&mut text).await.map_err(NoFile::Disk)?;
        let Ok(words) = serde_json::from_slice::<Words>(&text) else {
            return Ok(got);
        };
        match words.video_url {
            Some(address) => shown(self, &address, file, cap, span).await,
            None => Err(Refused::Code(words.errcode)),
        }
    }
}

/// Fetches what WeChat shows at an address without a token. Plain HTTP is not spoken, but to
/// where the channel's API is itself, such as a simulated one.
pub async fn shown(
    api: &Api<'_>,
    address: &str,
    file: &mut File,
    cap: u64,
    span: Duration,
) -> Result<Downloaded, Refused> {
    let mut url = Url::parse(address).map_err(|_| Refused::Foreign)?;
    // What an operator lists for desks is nothing that a push may name.
    let own = Url::parse(api.base).is_ok_and(|base| base.origin() == url.origin());
    if !own {
        let host = url.host_str().unwrap_or_default();
        let ours = HOSTS.iter().any(|known| {
            let below = host.strip_suffix(known);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        });
        if !ours {
            warn!(
                host,
                "a file is said to lie at a host that is none of WeChat's"
            );
        }
        if !ours || url.port().is_some() || url.set_scheme("https").is_err() {
            return Err(Refused::Foreign);
        }
    }
    let got = api.http.download(Outgoing::get(url, span), file, cap).await;
    match got {
        Ok(got) if got.status == 200 => Ok(got),
        Ok(got) => Err(Refused::Status(got.status)),
        Err(NoFile::Trouble(Trouble::Forbidden)) => Err(Refused::Foreign),
        Err(error) => Err(error.into()),
    }
}
