//! The mark of a folder that was moved to AWS: what lies in it lives there now.

use std::io;
use std::path::Path;

use magpie::secrets::write_private;
use serde::{Deserialize, Serialize};

use super::FolderError;

/// The file.
pub(crate) const FILE: &str = "exported";

/// Where to, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// Where it lives now.
    pub(crate) target: Target,
    /// When the move began, in RFC 3339.
    pub(crate) begun: String,
    /// When everything was there, and nothing was left to be moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copied: Option<String>,
    /// When the channels were let go there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) done: Option<String>,
}

/// Tables and secrets of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// The region.
    pub(crate) region: String,
    /// Another address of `DynamoDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The table of messages.
    pub(crate) messages: String,
    /// The table of control.
    pub(crate) control: String,
    /// What the names of secrets begin with.
    pub(crate) secrets_prefix: String,
}

/// The mark of a folder, if it has one.
pub(crate) fn read(folder: &Path) -> Result<Option<Moved>, FolderError> {
    let unusable = |error| FolderError::Unusable(folder.to_owned(), error);
    match std::fs::read(folder.join(FILE)) {
        Ok(json) => {
            let moved = serde_json::from_slice(&json);
            moved.map(Some).map_err(|error| unusable(error.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(error)),
    }
}

/// Marks a folder.
pub(crate) fn write(folder: &Path, moved: &Moved) -> Result<(), FolderError> {
    let unusable = |error| FolderError::Unusable(folder.to_owned(), error);
    let json = serde_json::to_vec_pretty(moved).map_err(|error| unusable(error.into()))?;
    write_private(&folder.join(FILE), &json).map_err(unusable)
}
