//! A stack in AWS: its tables, its stream and who listens to it, its secrets.

use magpie::bridge::check::{Finding, OK, Words, check_pepper};
use magpie::bridge::{Bell, Bridge};
use magpie::clock::{Chance, Clock};
use magpie::config::Settings;
use magpie::http::Http;
use magpie::invoke::{Listening, listening};
use magpie::secrets::{self, Secrets};
use magpie::store::shape::{Shape, Table};
use magpie::store::{self, Https, Store, StoreError};
use url::Url;

use super::api::Api;
use super::{Asked, Report, broken};

/// The name of the admin key below the prefix.
const ADMIN: &str = "admin";
/// The shortest admin key, in bytes: who guesses has all the time.
const KEY_MIN: usize = 16;

/// Looks at what a stack consists of that is found at `base`, and finds who is to be
/// asked.
pub(super) async fn look(stack: &Settings, base: &Url, report: &mut Report) -> Asked {
    let https = Https::new();
    let client = store::client(&stack.aws, &https);
    let secrets = || Secrets::Manager {
        client: secrets::client(&stack.aws, &https),
        prefix: stack.secrets_prefix.clone(),
    };
    let bridge = Bridge::new(
        Store::new(client, stack.messages.clone(), stack.control.clone()),
        secrets(),
        Http::network(stack.allowed.clone()),
        Clock::System,
        Chance::System,
        Bell::Stream,
    );
    for table in [Table::Messages, Table::Control] {
        let shape = bridge.store.shape(table).await;
        for found in shaped(table, &shape) {
            report.tell("tables", &found);
        }
        if table == Table::Messages
            && let Ok(Shape {
                stream: Some(stream),
                ..
            }) = shape
        {
            report.tell("tables", &heard(stack, &https, &stream).await);
        }
    }
    let pepper = check_pepper(&bridge).await;
    let pepper = pepper.map(|found| found.unwrap_or_else(|| Finding::new("pepper", NO_PEPPER)));
    let pepper = pepper.unwrap_or_else(|error| broken("pepper", &error));
    report.tell("secrets", &pepper);
    let key = admin_key(&bridge.secrets).await;
    let key = match key {
        Ok(key) => key,
        Err(found) => {
            report.tell("secrets", &found);
            return Asked::Kept(bridge);
        }
    };
    let whole = (OK, "管理密钥完整。", "The admin key is there.");
    report.tell("secrets", &Finding::new(ADMIN, whole));
    let api = Api::new(base.clone(), key);
    let runs = match api.channels().await {
        Ok(_) => api.answers(),
        Err(found) => found,
    };
    if report.tell("magpie", &runs) {
        Asked::Running(api, secrets())
    } else {
        Asked::Kept(bridge)
    }
}

const NO_PEPPER: Words<'static> = (
    "missing",
    "缺少 pepper：请恢复它。换新值会让所有顾客变成新顾客。",
    "What hides open ids is missing: restore it. With another one every customer would be a \
     new one.",
);

async fn admin_key(secrets: &Secrets) -> Result<String, Finding> {
    let key = match secrets.get(ADMIN).await {
        Ok(key) => key.unwrap_or_default(),
        Err(error) => return Err(broken(ADMIN, &error.into())),
    };
    if key.len() < KEY_MIN {
        let words = (
            "weak",
            "管理密钥缺失或不足 16 个字符：请写入新的密钥。",
            "The admin key is missing or shorter than 16 characters: put another one.",
        );
        return Err(Finding::new(ADMIN, words));
    }
    Ok(key)
}

fn shaped(table: Table, shape: &Result<Shape, StoreError>) -> Vec<Finding> {
    let name = table.to_string();
    let found = |code: &str, zh: &str, en: &str| Finding::new(&name, (code, zh, en));
    match shape {
        Err(error) => {
            let (zh, en) = (
                format!("无法查看：{error}。"),
                format!("It cannot be seen: {error}."),
            );
            vec![found("unreadable", &zh, &en)]
        }
        Ok(Shape {
            misfit: Some(misfit),
            ..
        }) => {
            let zh = format!("此表与模板不符，请恢复：{misfit}。");
            let en = format!("This is not the table that the template makes: {misfit}. Mend it.");
            vec![found("misfit", &zh, &en)]
        }
        Ok(Shape { unprotected, .. }) => {
            let fits = found(OK, "表结构正确。", "It is as the template makes it.");
            let lacks = unprotected.map(|lack| {
                let zh = format!("保护措施缺失，请按模板恢复：{lack}。");
                let en = format!("It works, and {lack}: protect it as the template does.");
                found("unprotected", &zh, &en)
            });
            std::iter::once(fits).chain(lacks).collect()
        }
    }
}

/// Whether the table's stream is listened to.
async fn heard(stack: &Settings, https: &Https, stream: &str) -> Finding {
    let words = match listening(&stack.aws, https, stream).await {
        Ok(Listening::Yes) => (
            OK,
            "deliver 在读取数据流。",
            "A function listens to the stream.",
        ),
        Ok(Listening::Off) => (
            "mapping_off",
            "数据流的事件源映射已停用：请在 Lambda 中启用，否则消息要等巡检才会送出。",
            "The stream's mapping is off: turn it on in Lambda. Until then messages wait for \
             the walk.",
        ),
        Ok(Listening::No) => (
            "no_mapping",
            "没有函数读取此表的数据流：请重新部署。恢复的表有新的数据流。",
            "No function listens to the stream: deploy again. A restored table has a stream of \
             its own.",
        ),
        Err(error) => {
            let (zh, en) = (
                format!("无法查看：{error}。"),
                format!("It cannot be seen: {error}."),
            );
            return Finding::new("stream", ("unreadable", &zh, &en));
        }
    };
    Finding::new("stream", words)
}
