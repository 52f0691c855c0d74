//! A Magpie on this machine: its data folder, and whether it runs.

use std::sync::LazyLock;

use magpie::bridge::check::{Finding, OK, check_pepper};
use magpie::bridge::{Bell, Bridge};
use magpie::clock::{Chance, Clock};
use magpie::http::Http;
use magpie::store::embedded::Engine;
use magpie::store::{self, Https, Store};
use url::Url;

use super::api::Api;
use super::{Asked, Report, broken};
use crate::folder::{self, Folder, FolderError};
use crate::machine::{Failure, TABLES, secrets};
use crate::settings::Settings;

/// Looks at the data folder, and finds who is to be asked. `listens` is where a
/// Magpie with these settings is found from here.
pub(super) async fn look(settings: &Settings, listens: Url, report: &mut Report) -> Option<Asked> {
    let asked = match found(settings, listens) {
        Ok(asked) => asked,
        Err(failure) => {
            report.tell("data", &failed(&failure));
            return None;
        }
    };
    let words = (OK, "数据目录完好。", "The data folder is whole.");
    report.tell("data", &Finding::new("folder", words));
    match &asked {
        Asked::Running(api, _) => {
            let runs = match api.channels().await {
                Ok(_) => api.answers(),
                Err(found) => found,
            };
            if !report.tell("magpie", &runs) {
                return None;
            }
        }
        Asked::StandIn(bridge) | Asked::Kept(bridge) => {
            let words = (
                "stopped",
                "Magpie 没有运行：请启动。以下检查由本进程代替它进行。",
                "Magpie does not run on this folder: start it. This process stands in for it below.",
            );
            report.tell("magpie", &Finding::new("runs", words));
            let pepper = check_pepper(bridge).await;
            match pepper.map_err(|error| broken("pepper", &error)) {
                Ok(Some(found)) | Err(found) => {
                    report.tell("data", &found);
                }
                Ok(None) => {}
            }
        }
    }
    Some(asked)
}

/// Takes the folder if nobody has it.
fn found(settings: &Settings, listens: Url) -> Result<Asked, Failure> {
    let path = &settings.data;
    folder::begun(path)?;
    folder::whole(path)?;
    folder::format::read(path).map_err(FolderError::from)?;
    if let Some(moved) = folder::moved::read(path)? {
        return Err(FolderError::Moved {
            path: path.clone(),
            when: moved.begun,
        }
        .into());
    }
    // Only other stores than our own are reached by it.
    let https = LazyLock::new(Https::new);
    match Folder::take(path) {
        Ok(folder) => {
            let client = match settings.aws.dynamodb_endpoint {
                Some(_) => store::client(&settings.aws, &https),
                None => Engine::at_rest(&folder.store())?.client(),
            };
            let bridge = Bridge::new(
                Store::new(client, TABLES.0, TABLES.1),
                secrets(settings, &folder.secrets(), &https)?,
                Http::network(settings.allowed.clone()),
                Clock::System,
                Chance::System,
                Bell::Stream,
            );
            Ok(Asked::StandIn(bridge))
        }
        Err(FolderError::Taken(_)) => {
            let key = match &settings.admin_key {
                Some(key) => key.clone(),
                None => folder::admin_key(path)?.unwrap_or_default(),
            };
            let secrets = secrets(settings, &path.join(folder::SECRETS), &https)?;
            Ok(Asked::Running(Api::new(listens, key), secrets))
        }
        Err(error) => Err(error.into()),
    }
}

fn failed(failure: &Failure) -> Finding {
    let words = (
        "unusable",
        &*format!("数据目录无法使用：{failure}"),
        &*format!("The data folder cannot be used: {failure}."),
    );
    Finding::new("folder", words)
}
