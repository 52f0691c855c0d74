//! Both ends of a move, and the secrets that go along.

use std::collections::BTreeMap;
use std::path::Path;

use magpie::config::Settings;
use magpie::secrets::{self, ADMIN_KEY, PEPPER, SecretFile, Secrets, Version};
use magpie::store::embedded::Engine;
use magpie::store::{self, Store};

use super::ExportError;
use crate::demo;
use crate::folder::Folder;
use crate::machine::TABLES;

/// The folder that is moved.
pub(super) struct Here {
    pub(super) store: Store,
    secrets: BTreeMap<String, String>,
}

/// The stack that it is moved to.
pub(super) struct There {
    pub(super) store: Store,
    secrets: Secrets,
}

impl Here {
    pub(super) fn open(folder: &Folder) -> Result<Self, ExportError> {
        let engine = Engine::at_rest(&folder.store())?;
        let mut secrets = SecretFile::open(&folder.secrets())?.all();
        // The simulated WeChat's own.
        secrets.remove(demo::SECRET);
        Ok(Self {
            store: Store::new(engine.client(), TABLES.0, TABLES.1),
            secrets,
        })
    }
}

impl There {
    pub(super) fn reach(stack: &Settings) -> Self {
        let https = store::Https::new();
        let client = store::patient_client(&stack.aws, &https);
        Self {
            store: Store::new(client, stack.messages.clone(), stack.control.clone()),
            secrets: Secrets::Manager {
                client: secrets::patient_client(&stack.aws, &https),
                prefix: stack.secrets_prefix.clone(),
            },
        }
    }
}

/// Sees that no other secrets are there, the pepper aside. Says the version of
/// another pepper, if there is one.
pub(super) async fn look(here: &Here, there: &There) -> Result<Option<Version>, ExportError> {
    let mut other = 0;
    let mut pepper = None;
    for (name, text) in &here.secrets {
        match there.secrets.versioned(name).await? {
            Some((version, found)) if found != *text && name == PEPPER => pepper = Some(version),
            Some((_, found)) if found != *text => other += 1,
            _ => {}
        }
    }
    if other > 0 {
        return Err(ExportError::Secrets(other));
    }
    Ok(pepper)
}

/// Whether the folder has a pepper.
pub(super) fn has_pepper(here: &Here) -> bool {
    here.secrets.contains_key(PEPPER)
}

/// Puts the pepper, if it is not there, or in the place of one that is.
pub(super) async fn put_pepper(
    here: &Here,
    there: &There,
    instead: Option<&Version>,
) -> Result<(), ExportError> {
    let Some(pepper) = here.secrets.get(PEPPER) else {
        return Ok(());
    };
    let put = match instead {
        Some(_) => there.secrets.replace(PEPPER, instead, pepper).await?,
        None => put(there, PEPPER, pepper).await?,
    };
    if put {
        Ok(())
    } else {
        Err(ExportError::Pepper)
    }
}

/// Puts the secrets that are missing. Says how many there are.
pub(super) async fn put_secrets(here: &Here, there: &There) -> Result<usize, ExportError> {
    let mut other = 0;
    for (name, text) in &here.secrets {
        if !put(there, name, text).await? {
            other += 1;
        }
    }
    if other > 0 {
        return Err(ExportError::Secrets(other));
    }
    Ok(here.secrets.len())
}

/// Takes the folder's admin key along, if it has one. Says whether it opens the
/// stack's console: one that was made there stays.
pub(super) async fn put_admin_key(path: &Path, there: &There) -> Result<bool, ExportError> {
    match std::fs::read_to_string(path) {
        Ok(key) if !key.trim().is_empty() => put(there, ADMIN_KEY, key.trim()).await,
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ExportError::AdminKey(error))
        }
        _ => Ok(false),
    }
}

/// Puts a secret if it is missing. Says whether it is there now.
async fn put(there: &There, name: &str, text: &str) -> Result<bool, ExportError> {
    if there.secrets.replace(name, None, text).await? {
        return Ok(true);
    }
    Ok(there.secrets.get(name).await?.as_deref() == Some(text))
}
