//! Commands beside the running of Magpie: a file each. Without a command Magpie
//! runs.

mod archive;
mod backup;
mod doctor;
mod export;
mod manifest;
mod restore;
mod stack;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use magpie::config::Wrong;

use crate::print;
use crate::settings::Flags;

/// Magpie on one machine: a bridge between `WeChat` and the desk where agents
/// work.
#[derive(Debug, Parser)]
#[command(name = "magpie", version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What Magpie can do beside running.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes everything of the data folder into one new file, also while Magpie runs on it
    Backup {
        /// The file
        file: PathBuf,
    },
    /// Puts a backup into a data folder that is empty or not there yet
    Restore {
        /// The file
        file: PathBuf,
    },
    /// Looks at everything between WeChat and the desks, here or in an AWS stack, and says
    /// what to do
    #[command(after_help = "Flags of Magpie itself stand before the command: \
        magpie --public-url https://magpie.example.com doctor")]
    Doctor(doctor::Flags),
    /// Moves the data of a stopped Magpie into the tables and secrets of an AWS stack
    Export(export::Flags),
}

/// Carries out a command.
pub(crate) async fn run(command: Command, flags: Flags) -> ExitCode {
    let data = flags.data();
    match command {
        Command::Backup { file } => told(backup::backup(&data, &file, flags.elsewhere()).await),
        Command::Restore { file } => told(restore::restore(&file, &data)),
        Command::Doctor(own) => match Box::pin(doctor::doctor(flags, own)).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(wrong) => misled(&wrong),
        },
        Command::Export(flags) => match flags.stack.settings() {
            Ok(stack) => told(export::export(&data, &stack, flags.wishes).await),
            Err(wrong) => misled(&wrong),
        },
    }
}

/// Says what is wrong with the settings.
fn misled(wrong: &Wrong) -> ExitCode {
    print::wrong(wrong);
    ExitCode::from(crate::WRONG)
}

/// Says how it ended.
fn told<E: Error>(done: Result<String, E>) -> ExitCode {
    match done {
        Ok(said) => {
            print::said(&said);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            print::failure(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Brings what a folder lists to the disk.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// A new file that only its owner may read.
fn new_private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
