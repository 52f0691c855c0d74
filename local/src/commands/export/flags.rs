//! What is said of an export.

use clap::Args;

use crate::commands::stack::Stack;

/// Where it goes, and how.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) stack: Stack,
    #[command(flatten)]
    pub(crate) wishes: Wishes,
}

/// What is said of an export beside where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Wishes {
    /// Exports once more, though that was done before
    #[arg(long)]
    pub(crate) again: bool,
    /// Puts this folder's pepper in the place of the stack's, if its tables are empty
    #[arg(long)]
    pub(crate) replace_pepper: bool,
}
