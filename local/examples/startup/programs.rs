//! The programs that are measured, as they are deployed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::events::Kind;
use crate::{Flags, Outcome};

/// A program on the disk.
pub(crate) struct Program {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    /// Bytes on the disk.
    pub(crate) size: usize,
    /// Bytes of its deflated form, which is what an upload of it weighs.
    pub(crate) zipped: usize,
}

impl Program {
    /// All of them, or those that the flags name, and always `bare`, which
    /// comes first.
    pub(crate) fn all(flags: &Flags) -> Outcome<Vec<Self>> {
        let folder = match &flags.programs {
            Some(folder) => folder.clone(),
            None => build()?,
        };
        let wanted = |kind: &Kind| {
            let named = || flags.only.iter().any(|name| name == kind.program());
            *kind == Kind::Bare || flags.only.is_empty() || named()
        };
        let kinds = Kind::ALL.into_iter().filter(wanted);
        kinds.map(|kind| Self::read(&folder, kind)).collect()
    }

    fn read(folder: &Path, kind: Kind) -> Outcome<Self> {
        let name = format!("{}{}", kind.program(), std::env::consts::EXE_SUFFIX);
        let path = match kind {
            Kind::Bare => folder.join("examples").join(name),
            _ => folder.join(name),
        };
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&bytes)?;
        Ok(Self {
            name: kind.name(),
            kind,
            path,
            size: bytes.len(),
            zipped: deflated.finish()?.len(),
        })
    }
}

/// Builds the functions, then `bare`. In one command cargo would give the
/// functions the features of one machine.
fn build() -> Outcome<PathBuf> {
    for what in [
        ["magpie-functions", "--bins"].as_slice(),
        &["magpie-local", "--example", "bare"],
    ] {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "-p"])
            .args(what)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()?;
        if !built.success() {
            return Err(format!("the programs cannot be built: {built}").into());
        }
    }
    // This program lies in the folder `examples` beside them.
    let this = std::env::current_exe()?;
    let release = this.parent().and_then(Path::parent);
    Ok(release.ok_or("this program lies nowhere")?.to_owned())
}
