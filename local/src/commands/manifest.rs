//! What a backup says of itself: its first file.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::folder::format::{self, FormatError};
use crate::folder::{ADMIN_KEY, SECRETS, STORE, moved};
use crate::text::hex;

/// The name of the first file.
pub(crate) const FILE: &str = "manifest.json";
/// The name of the second: the first one's digest, as `sha256sum` reads it.
pub(crate) const DIGEST: &str = "manifest.sha256";
/// The longest manifest, in bytes.
pub(crate) const LONGEST: u64 = 64 * 1024;
/// What every manifest begins with.
const KIND: &str = "magpie-backup";

/// The parts that there may be, in their order: files of the data folder.
pub(crate) const PARTS: [&str; 4] = [STORE, SECRETS, ADMIN_KEY, moved::FILE];

/// The manifest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    kind: String,
    /// The format of the data.
    pub(crate) format: u32,
    /// The version that made it.
    pub(crate) magpie: String,
    /// When, in RFC 3339.
    pub(crate) made: String,
    /// What follows.
    pub(crate) parts: Vec<Part>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Its name, one of [`PARTS`].
    pub(crate) name: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// The SHA-256 of these.
    pub(crate) sha256: String,
}

/// What every version's manifest has.
#[derive(Deserialize)]
struct Beginning {
    kind: String,
    format: u32,
}

/// Why a manifest is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadManifest {
    /// It is none, or of other parts.
    #[error("its manifest is not one of Magpie's")]
    Foreign,
    /// It is of a newer version.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Manifest {
    pub(crate) fn new(format: u32, made: String, parts: Vec<Part>) -> Self {
        Self {
            kind: KIND.to_owned(),
            format,
            magpie: env!("CARGO_PKG_VERSION").to_owned(),
            made,
            parts,
        }
    }

    pub(crate) fn write(&self) -> io::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a manifest: the format first, since a newer one may say more.
    pub(crate) fn read(json: &[u8]) -> Result<Self, BadManifest> {
        let Beginning { kind, format } =
            serde_json::from_slice(json).map_err(|_| BadManifest::Foreign)?;
        if kind != KIND || format == 0 {
            return Err(BadManifest::Foreign);
        }
        format::known(format, || "the backup".to_owned())?;
        let manifest: Self = serde_json::from_slice(json).map_err(|_| BadManifest::Foreign)?;
        let mut known = PARTS.iter();
        let in_order = manifest
            .parts
            .iter()
            .all(|part| known.any(|name| *name == part.name));
        let first = manifest.parts.first();
        if in_order && first.is_some_and(|part| part.name == STORE) {
            Ok(manifest)
        } else {
            Err(BadManifest::Foreign)
        }
    }
}

/// What the file with the manifest's digest says.
pub(crate) fn digest_line(json: &[u8]) -> String {
    format!("{}  {FILE}\n", hex(&Sha256::digest(json)))
}

/// Adds up what passes through it.
pub(crate) struct Summed<R> {
    from: R,
    sum: Sha256,
    size: u64,
}

impl<R: Read> Summed<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            sum: Sha256::new(),
            size: 0,
        }
    }

    /// The part that has passed.
    pub(crate) fn part(self, name: &str) -> Part {
        Part {
            name: name.to_owned(),
            size: self.size,
            sha256: hex(&self.sum.finalize()),
        }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.sum.update(buffer.get(..count).unwrap_or_default());
        self.size += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> Part {
        Summed::new(io::empty()).part(name)
    }

    fn check(names: &[&str], fits: bool) {
        let parts = names.iter().map(|name| part(name)).collect();
        let manifest = Manifest::new(1, "2026-11-26T09:00:00.000Z".to_owned(), parts);
        let read = Manifest::read(&manifest.write().unwrap());
        assert_eq!(read.ok(), fits.then_some(manifest), "{names:?}");
    }

    #[test]
    fn parts_are_files_of_the_folder_in_their_order() {
        check(&["store.db"], true);
        check(&["store.db", "secrets.json", "admin-key", "exported"], true);
        check(&["store.db", "admin-key"], true);
        check(&[], false);
        check(&["secrets.json"], false);
        check(&["secrets.json", "store.db"], false);
        check(&["store.db", "store.db"], false);
        check(&["store.db", "../secrets.json"], false);
        check(&["store.db", "/etc/passwd"], false);
        check(&["store.db", "lock"], false);
    }

    /// What was written under the first format is read for ever.
    #[test]
    fn a_stored_manifest() {
        let stored = br#"{"kind":"magpie-backup","format":1,"magpie":"0.1.0","made":"2026-11-26T09:00:00.000Z","parts":[{"name":"store.db","size":3,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]}"#;
        let read = Manifest::read(stored).unwrap();
        let abc = Summed::new(&b"abc"[..]);
        let mut abc = abc;
        io::copy(&mut abc, &mut io::sink()).unwrap();
        assert_eq!(read.parts, [abc.part("store.db")]);
        assert_eq!((read.format, read.magpie.as_str()), (1, "0.1.0"));
    }

    #[test]
    fn what_is_none() {
        for (json, words) in [
            ("", "not one of Magpie's"),
            ("[]", "not one of Magpie's"),
            (r#"{"kind":"other","format":9}"#, "not one of Magpie's"),
            (
                r#"{"kind":"magpie-backup","format":0}"#,
                "not one of Magpie's",
            ),
            (
                r#"{"kind":"magpie-backup","format":1}"#,
                "not one of Magpie's",
            ),
            (
                r#"{"kind":"magpie-backup","format":2,"more":true}"#,
                "the backup is of format 2",
            ),
        ] {
            let refused = Manifest::read(json.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(words), "{json}: {refused}");
        }
    }
}
