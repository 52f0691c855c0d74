//! The machine under load: its disk, and the program that runs on it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use url::Url;

use crate::{Flags, Outcome, instant, print};

/// A new folder, gone with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(disk: &Path) -> Outcome<Self> {
        let folder = disk.join(format!("magpie-load-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// What it takes to bring 4 KiB to the disk: the median of many.
    pub(crate) fn fsync(&self) -> Outcome<Duration> {
        let mut file = std::fs::File::create(self.0.join("probe"))?;
        let mut took = Vec::new();
        for _ in 0..200 {
            let begun = instant();
            file.write_all(&[b'm'; 4096])?;
            file.sync_all()?;
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        Ok(print::percentile(&took, 50))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The running program; dropping it kills it.
pub(crate) struct Magpie {
    child: Child,
    pub(crate) base: Url,
}

impl Magpie {
    pub(crate) fn start(flags: &Flags, folder: &Path, allowed: &str, admin: &str) -> Outcome<Self> {
        let this = std::env::current_exe()?;
        let built = this.parent().and_then(Path::parent).unwrap_or(&this);
        let name = format!("magpie{}", std::env::consts::EXE_SUFFIX);
        let program = flags.magpie.clone().unwrap_or_else(|| built.join(name));
        let mut child = Command::new(&program)
            .env_clear()
            .env("MAGPIE_LISTEN", "127.0.0.1:0")
            .env("MAGPIE_DATA", folder.join("data"))
            .env("MAGPIE_DEMO", "0")
            .env("MAGPIE_ADMIN_KEY", admin)
            .env("MAGPIE_ALLOW_ENDPOINTS", allowed)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        // The welcome says where it is.
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let base = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, address) = line.split_once(" · ")?;
            Url::parse(address.trim()).ok()
        });
        // What else it prints must find a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let base = base.ok_or("magpie ended before it said where it is")?;
        Ok(Self { child, base })
    }
}

impl Drop for Magpie {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
