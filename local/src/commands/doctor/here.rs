//! A Magpie on this machine: its data folder, and whether it runs.

use std::io::ErrorKind;
use std::sync::LazyLock;

use magpie::bridge::check::{Finding, OK, Words, check_pepper};
use magpie::bridge::{Bell, Bridge};
use magpie::channel::Channel;
use magpie::clock::{Chance, Clock};
use magpie::http::Http;
use magpie::message::ChannelId;
use magpie::secrets::{Secrets, named_channel};
use magpie::store::embedded::Engine;
use magpie::store::{self, Https, Store};
use url::Url;

use super::api::Api;
use super::{Asked, Report, broken, chain};
use crate::folder::{self, Folder, FolderError};
use crate::machine::{Failure, TABLES, secrets};
use crate::settings::Settings;

/// Looks at the data folder, and finds who is to be asked. `listens` is where a
/// Magpie with these settings is found from here.
pub(super) async fn look(settings: &Settings, listens: Url, report: &mut Report) -> Option<Asked> {
    let found = match found(settings, listens).await {
        Ok(found) => found,
        Err(failure) => {
            report.tell("data", &failed(&failure));
            return None;
        }
    };
    report.tell("data", &Finding::new("folder", WHOLE));
    match found {
        Found::Running(api, secrets) => {
            match api.channels().await {
                Ok(ids) => {
                    report.tell("magpie", &api.answers());
                    Some(Asked::Running(Box::new(api), secrets, ids))
                }
                Err(found) => {
                    report.tell("magpie", &found);
                    // Whatever keeps it from telling its channels: their secrets name
                    // them, and their callbacks can be looked at.
                    named(&secrets).map(|ids| Asked::Unheard(secrets, ids))
                }
            }
        }
        Found::Stopped(bridge, channels) => {
            report.tell("magpie", &Finding::new("runs", STOPPED));
            match check_pepper(&bridge).await {
                Ok(Some(found)) => {
                    report.tell("data", &found);
                }
                Ok(None) => {}
                Err(error) => {
                    report.tell("data", &broken("pepper", &error));
                }
            }
            Some(Asked::StandIn(bridge, channels))
        }
    }
}

const WHOLE: Words<'static> = (OK, "数据目录完好。", "The data folder is whole.");
const STOPPED: Words<'static> = (
    "stopped",
    "Magpie 没有运行：请启动。以下检查由本进程代替它进行。",
    "Magpie does not run on this folder: start it. This process stands in for it below.",
);

/// What was found of a Magpie.
enum Found {
    /// It runs, and its secrets lie here.
    Running(Api, Secrets),
    /// It does not: what its channels are, and a bridge with its secrets and no store.
    Stopped(Box<Bridge>, Vec<Channel>),
}

/// Takes the folder, if nobody has it, for as long as it takes to read the channels:
/// whoever starts Magpie meanwhile is kept out.
async fn found(settings: &Settings, listens: Url) -> Result<Found, Failure> {
    let path = &settings.data;
    let own_store = settings.aws.dynamodb_endpoint.is_none();
    if own_store {
        folder::begun(path)?;
    } else if !path.exists() {
        // Taking it would make it.
        return Err(FolderError::Empty(path.clone()).into());
    }
    folder::whole(path)?;
    folder::format::read(path).map_err(FolderError::from)?;
    // Only other stores than our own are reached by it.
    let https = LazyLock::new(Https::new);
    let folder = match Folder::take(path) {
        Ok(folder) => folder,
        Err(FolderError::Taken(_)) => {
            let key = match &settings.admin_key {
                Some(key) => key.clone(),
                None => folder::admin_key(path)?.unwrap_or_default(),
            };
            let secrets = secrets(settings, &path.join(folder::SECRETS), &https)?;
            return Ok(Found::Running(Api::new(listens, key), secrets));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(moved) = folder::moved::read(path)?
        && !settings.despite_export
    {
        return Err(FolderError::Moved {
            path: path.clone(),
            when: moved.begun,
        }
        .into());
    }
    let client = if own_store {
        Engine::at_rest(&folder.store())?.client()
    } else {
        store::client(&settings.aws, &https)
    };
    let channels = channels(&Store::new(client, TABLES.0, TABLES.1)).await?;
    let secrets = secrets(settings, &folder.secrets(), &https)?;
    drop(folder);
    let nothing = Store::new(Engine::in_memory()?.client(), TABLES.0, TABLES.1);
    let bridge = Bridge::new(
        nothing,
        secrets,
        Http::network(settings.allowed.clone()),
        Clock::System,
        Chance::System,
        Bell::Stream,
    );
    Ok(Found::Stopped(Box::new(bridge), channels))
}

async fn channels(store: &Store) -> Result<Vec<Channel>, Failure> {
    let mut channels = Vec::new();
    for id in store.channel_ids().await? {
        let channel = store.channel(&id).await?;
        channels.extend(channel.filter(|channel| !channel.deleted));
    }
    Ok(channels)
}

/// The channels whose secrets lie in a file. `None` if they lie elsewhere.
fn named(secrets: &Secrets) -> Option<Vec<ChannelId>> {
    let Secrets::File(file) = secrets else {
        return None;
    };
    let names = file.all().into_keys();
    Some(names.filter_map(|name| named_channel(&name)).collect())
}

fn failed(failure: &Failure) -> Finding {
    let denied = match failure {
        Failure::Folder(FolderError::Unusable(_, error)) => {
            error.kind() == ErrorKind::PermissionDenied
        }
        _ => false,
    };
    let why = chain(failure);
    let words = if denied {
        (
            "denied",
            "无权访问数据目录：请以运行 Magpie 的用户执行。",
            "This user may not look into the data folder: be the one as whom Magpie runs.",
        )
    } else {
        (
            "unusable",
            &*format!("数据目录无法使用：{why}。"),
            &*format!("The data folder cannot be used: {why}."),
        )
    };
    Finding::new("folder", words)
}
