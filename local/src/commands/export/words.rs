//! What a move says: counts, never keys, since these may hold what is personal.

use std::io;

use magpie::secrets::SecretError;
use magpie::store::StoreError;
use magpie::store::embedded::EngineError;
use magpie::store::shape::Table;

use super::rows::Counts;
use crate::folder::FolderError;

/// Why not everything was moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It was moved to another stack.
    #[error(
        "this data folder was moved to another stack on {0}: two stacks would answer customers \
         twice. If that one is given up, say --again"
    )]
    Elsewhere(String),
    /// The engine in this process.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The stores.
    #[error("the move was broken off; repeat it, and it goes on")]
    Store(#[from] StoreError),
    /// The secrets.
    #[error("the secrets cannot be moved; repeat it, and it goes on")]
    Secret(#[from] SecretError),
    /// A table is not one of a stack.
    #[error(
        "the stack's table of {0} cannot be used: {1}. \
         MAGPIE_MESSAGES_TABLE, MAGPIE_CONTROL_TABLE and AWS_REGION say which it is"
    )]
    Table(Table, &'static str),
    /// Another pepper is there, and perhaps customers with it.
    #[error(
        "the stack has another pepper, with which every customer would be another one, and \
         rows in its tables; nothing was written. Take a stack that is new"
    )]
    Pepper,
    /// Another pepper is there that nobody uses.
    #[error(
        "the stack has a pepper of its own, with which every customer would be another one; \
         nothing was written. Its tables are empty: say --replace-pepper, and the one of this \
         folder takes its place"
    )]
    UnusedPepper,
    /// There is none here.
    #[error(
        "there are messages here but no pepper in secrets.json, without which nobody knows whose \
         they are: the folder is damaged; restore a backup"
    )]
    NoPepper,
    /// Other secrets are there.
    #[error(
        "the stack has other secrets for {0} names that are used here, too; they were left as \
         they are. Take a new stack, or remove these channels there"
    )]
    Secrets(usize),
    /// Other rows are there.
    #[error(
        "of the rows here, {messages} of messages and {control} of control are others in the \
         stack; they were left as they are. Either it has gone on with them, or another \
         deployment uses it: take new tables"
    )]
    Rows {
        /// In the table of control.
        control: usize,
        /// In the table of messages.
        messages: usize,
    },
    /// Something is not there, though it was put.
    #[error(
        "of {here} rows here, {there} are there as they are here: something removes or changes \
         them; the channels stay suspended there. Repeat it when nobody is at work there"
    )]
    Missing {
        /// How many there are.
        here: usize,
        /// How many have arrived.
        there: usize,
    },
    /// Channels were changed there.
    #[error(
        "everything is there, but {0} channels were changed there meanwhile and may be \
         suspended: look at /console/channels of the stack"
    )]
    Channels(usize),
    /// The admin key.
    #[error("the file admin-key cannot be read")]
    AdminKey(#[source] io::Error),
}

const NEXT: &str = "Next: lead the callback and desk addresses to the stack, put its address on the \
     accounts' IP allow-lists,\nand after ten minutes invoke its function sweep with \
     {\"walk\": true} (OPERATIONS, \"To AWS\").";

/// It is done.
pub(super) fn done(counts: Option<&Counts>, channels: usize) -> String {
    let Some(counts) = counts else {
        return format!("Everything was there; {channels} channels work there now.\n{NEXT}");
    };
    let Counts {
        control,
        messages,
        secrets,
        admin_key,
    } = counts;
    let key = if *admin_key {
        "The admin key is the one of this folder."
    } else {
        "The admin key is the stack's own (its secret `admin`)."
    };
    format!(
        "Moved and counted there anew: {} of {} rows of messages, {} of {} of control, \
         {secrets} secrets.\n{channels} channels work there now. {key}\n{NEXT}",
        messages.there, messages.here, control.there, control.here,
    )
}

/// It was done before.
pub(super) fn done_before(done: &str) -> String {
    format!(
        "Everything was moved there on {done}; nothing is left to do. --again looks at all of it \
         once more.\n{NEXT}"
    )
}
