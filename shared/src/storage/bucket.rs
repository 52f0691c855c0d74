//! Files in a bucket of S3, by its REST interface: four calls, signed by AWS's own library.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
//!
//! Invariant: S3 checks what it takes against the digest of what we fetched. How long a
//! file is kept, its tag says to the rules of the bucket (`template.yaml`).

use std::fmt::Write as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

use super::{Door, Spool, Spooled, StorageError, class};
use crate::config::Aws;
use crate::http::{Http, NoFile, Outgoing};
use crate::media::{HEAD, Place};
use crate::moment::Moment;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// How long an address that S3 serves is good: its holder was checked just before.
const LINK: Duration = Duration::from_mins(5);
/// How many files are forgotten at a time.
const LISTED: &str = "40";
/// The tag that says how many days a file is kept.
pub(super) const TAG: &str = "keep";

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    address: Url,
    region: String,
    credentials: Credentials,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").finish_non_exhaustive()
    }
}

/// What is sent and how it is signed.
struct Ask<'a> {
    method: Method,
    url: Url,
    headers: &'a [(&'static str, &'a str)],
    body: SignableBody<'a>,
    /// Whether the signature stands in the address, and for how long.
    link: Option<Duration>,
}

impl Bucket {
    /// A bucket at this address.
    #[must_use]
    pub fn new(mut address: Url, aws: &Aws) -> Self {
        if !address.path().ends_with('/') {
            let path = format!("{}/", address.path());
            address.set_path(&path);
        }
        Self {
            address,
            region: aws.region.clone(),
            credentials: crate::store::credentials(aws),
        }
    }

    pub(super) fn origin(&self) -> String {
        self.address.origin().ascii_serialization()
    }

    fn url(&self, place: &Place) -> Result<Url, StorageError> {
        let url = self.address.join(place.as_str());
        url.map_err(|_| StorageError::Unsigned)
    }

    pub(super) async fn keep(
        &self,
        http: &Http,
        place: &Place,
        spooled: &Spooled,
        days: u32,
        now: Moment,
        patience: Duration,
    ) -> Result<(), StorageError> {
        let digest = spooled.of.digest.iter();
        let digest = digest.fold(String::new(), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let tag = format!("{TAG}={}", class(days));
        let request = self.signed(
            now,
            Ask {
                method: Method::PUT,
                url: self.url(place)?,
                headers: &[
                    ("content-type", place.format().mime()),
                    ("x-amz-tagging", &tag),
                ],
                body: SignableBody::Precomputed(digest),
                link: None,
            },
        )?;
        let request = Outgoing {
            timeout: patience,
            ..request
        };
        let file = tokio::fs::File::from_std(spooled.file.handle()?);
        let answer = http.upload(request, file, spooled.of.size).await?;
        match answer.status {
            200 => Ok(()),
            status => Err(StorageError::Refused(status)),
        }
    }

    /// The address of a file for somebody who may have it, good for some minutes.
    pub(super) fn link(
        &self,
        method: &Method,
        place: &Place,
        disposition: &str,
        now: Moment,
    ) -> Result<Url, StorageError> {
        let mut url = self.url(place)?;
        // Whoever opens it in a browser sees a picture, and never a page.
        url.query_pairs_mut()
            .append_pair("response-content-type", place.format().mime())
            .append_pair("response-content-disposition", disposition)
            .append_pair("response-cache-control", "private,max-age=300");
        let ask = Ask {
            // S3 takes no other method than the one that was signed.
            method: method.clone(),
            url,
            headers: &[],
            body: SignableBody::UnsignedPayload,
            link: Some(LINK),
        };
        Ok(self.signed(now, ask)?.url)
    }

    /// Where a file of exactly this size may be brought, for some minutes.
    pub(super) fn door(
        &self,
        place: &Place,
        size: u64,
        days: u32,
        now: Moment,
    ) -> Result<Door, StorageError> {
        let (length, tag) = (size.to_string(), format!("{TAG}={}", class(days)));
        let mime = place.format().mime();
        let ask = Ask {
            method: Method::PUT,
            url: self.url(place)?,
            headers: &[
                ("content-length", &length),
                ("content-type", mime),
                ("x-amz-tagging", &tag),
            ],
            body: SignableBody::UnsignedPayload,
            link: Some(LINK),
        };
        let url = self.signed(now, ask)?.url;
        // Its length every client says by itself.
        let headers = vec![("content-type", mime.to_owned()), ("x-amz-tagging", tag)];
        Ok(Door { url, headers })
    }

    /// How long a file is and how it begins.
    pub(super) async fn peek(
        &self,
        http: &Http,
        place: &Place,
        now: Moment,
    ) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
        let range = format!("bytes=0-{}", HEAD.saturating_sub(1));
        let ask = Ask {
            method: Method::GET,
            url: self.url(place)?,
            headers: &[("range", &range)],
            body: SignableBody::Bytes(&[]),
            link: None,
        };
        let answer = http.send(self.signed(now, ask)?).await;
        let answer = answer.map_err(NoFile::Trouble)?;
        match answer.status {
            206 => {
                let range = answer.headers.get("content-range");
                let size = range.and_then(|range| range.to_str().ok()?.rsplit_once('/'));
                let size = size.and_then(|(_, size)| size.parse().ok());
                let size = size.ok_or(StorageError::Unreadable)?;
                Ok(Some((size, answer.body)))
            }
            // An empty one has no first byte.
            416 => Ok(Some((0, Vec::new()))),
            // Who may not list is told 403 of what is not there.
            403 | 404 => Ok(None),
            status => Err(StorageError::Refused(status)),
        }
    }

    /// Fetches a file.
    pub(super) async fn fetch(
        &self,
        http: &Http,
        place: &Place,
        spool: Spool,
        now: Moment,
        patience: Duration,
    ) -> Result<Option<Spooled>, StorageError> {
        let ask = Ask {
            method: Method::GET,
            url: self.url(place)?,
            headers: &[],
            body: SignableBody::Bytes(&[]),
            link: None,
        };
        let request = Outgoing {
            timeout: patience,
            ..self.signed(now, ask)?
        };
        let mut file = tokio::fs::File::from_std(spool.handle()?);
        let cap = place.format().sort().cap();
        let of = http.download(request, &mut file, cap).await?;
        match of.status {
            200 => Ok(Some(Spooled { file: spool, of })),
            403 | 404 => Ok(None),
            status => Err(StorageError::Refused(status)),
        }
    }

    /// Forgets some files below a path; says whether none was left.
    pub(super) async fn forget_some(
        &self,
        http: &Http,
        within: &str,
        now: Moment,
    ) -> Result<bool, StorageError> {
        let keys = self.list(http, within, now).await?;
        for key in &keys {
            // Whatever lies there: somebody may have brought it.
            let url = self.address.join(key);
            let ask = Ask {
                method: Method::DELETE,
                url: url.map_err(|_| StorageError::Unreadable)?,
                headers: &[],
                body: SignableBody::Bytes(&[]),
                link: None,
            };
            let sent = http.send(self.signed(now, ask)?).await;
            match sent.map_err(NoFile::Trouble)?.status {
                200 | 204 => {}
                status => return Err(StorageError::Refused(status)),
            }
        }
        Ok(keys.is_empty())
    }

    /// Some of the keys below a path; none if there are none.
    async fn list(
        &self,
        http: &Http,
        within: &str,
        now: Moment,
    ) -> Result<Vec<String>, StorageError> {
        let mut url = self.address.clone();
        url.query_pairs_mut()
            .append_pair("list-type", "2")
            .append_pair("max-keys", LISTED)
            .append_pair("prefix", &format!("{within}/"));
        let ask = Ask {
            method: Method::GET,
            url,
            headers: &[],
            body: SignableBody::Bytes(&[]),
            link: None,
        };
        let answer = http.send(self.signed(now, ask)?).await;
        let answer = answer.map_err(NoFile::Trouble)?;
        match answer.status {
            200 => keys(&answer.body).ok_or(StorageError::Unreadable),
            status => Err(StorageError::Refused(status)),
        }
    }

    fn signed(&self, now: Moment, ask: Ask<'_>) -> Result<Outgoing, StorageError> {
        let mut settings = SigningSettings::default();
        // S3 takes paths as they are.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        if let Some(span) = ask.link {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(span);
        } else {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now.system_time())
            .settings(settings)
            .build()
            .map_err(|_| StorageError::Unsigned)?
            .into();
        let headers = ask.headers.iter().map(|(name, value)| (*name, *value));
        let signable =
            SignableRequest::new(ask.method.as_str(), ask.url.as_str(), headers, ask.body)
                .map_err(|_| StorageError::Unsigned)?;
        let signed = sign(signable, &parameters).map_err(|_| StorageError::Unsigned)?;
        let (instructions, _) = signed.into_parts();
        let mut request = Outgoing::get(ask.url, CALL);
        request.method = ask.method;
        for (name, value) in ask.headers {
            request = request.with(name, value);
        }
        apply(&instructions, &mut request.url, &mut request.headers);
        Ok(request)
    }
}

fn apply(instructions: &SigningInstructions, url: &mut Url, headers: &mut HeaderMap) {
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
}

/// The keys of a list (`ListBucketResult`).
fn keys(body: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::from_reader(body);
    let mut keys = Vec::new();
    let mut inside = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => inside = start.local_name().as_ref() == "Key",
            // Our keys have no character that XML writes otherwise.
            Event::Text(text) if inside => keys.push(text.into_inner().into_owned()),
            Event::End(_) => inside = false,
            Event::Eof => return Some(keys),
            _ => {}
        }
    }
}
