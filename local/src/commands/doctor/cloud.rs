//! A stack in AWS: its tables, its stream and who listens to it, its secrets.

use magpie::bridge::check::{Finding, OK, Words, check_pepper};
use magpie::bridge::{Bell, Bridge};
use magpie::clock::{Chance, Clock};
use magpie::config::Settings;
use magpie::console::KEY_MIN;
use magpie::http::Http;
use magpie::invoke::{Listening, NoAnswer, listening};
use magpie::secrets::{self, ADMIN_KEY, Secrets};
use magpie::store::shape::{Shape, Table};
use magpie::store::{self, Https, Store, StoreError};
use url::Url;

use super::api::Api;
use super::{Asked, Report, broken};

/// Looks at what a stack consists of. Gives a bridge over it, and the admin key if it
/// has one.
pub(super) async fn look(stack: &Settings, report: &mut Report) -> (Bridge, Option<String>) {
    let https = Https::new();
    let client = store::fair_client(&stack.aws, &https);
    let bridge = Bridge::new(
        Store::new(client, stack.messages.clone(), stack.control.clone()),
        Secrets::Manager {
            client: secrets::fair_client(&stack.aws, &https),
            prefix: stack.secrets_prefix.clone(),
        },
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
        let stream = shape.ok().and_then(|shape| shape.stream);
        if let Some(stream) = stream.filter(|_| table == Table::Messages) {
            let heard = heard(&listening(&stack.aws, &https, &stream).await);
            report.tell("tables", &heard);
        }
    }
    let pepper = match check_pepper(&bridge).await {
        Ok(found) => found.unwrap_or_else(|| Finding::new("pepper", NO_PEPPER)),
        Err(error) => broken("pepper", &error),
    };
    report.tell("secrets", &pepper);
    let (key, found) = match bridge.secrets.get(ADMIN_KEY).await {
        Ok(Some(key)) if key.len() >= KEY_MIN => (Some(key), Finding::new(ADMIN_KEY, HAS_KEY)),
        Ok(_) => (None, Finding::new(ADMIN_KEY, NO_KEY)),
        Err(error) => (None, broken(ADMIN_KEY, &error)),
    };
    report.tell("secrets", &found);
    (bridge, key)
}

/// Asks the stack's API, if there is a key for it, which channels it has; the tables
/// otherwise. `None` if nobody says.
pub(super) async fn ask(
    bridge: Bridge,
    key: Option<String>,
    base: &Url,
    report: &mut Report,
) -> Option<Asked> {
    let found = match key.map(|key| Api::new(base.clone(), key)) {
        None => Finding::new("api", KEPT),
        Some(api) => match api.channels().await {
            Ok(ids) => {
                report.tell("magpie", &api.answers());
                return Some(Asked::Running(Box::new(api), bridge.secrets, ids));
            }
            Err(found) => found,
        },
    };
    report.tell("magpie", &found);
    match bridge.store.channel_ids().await {
        Ok(ids) => Some(Asked::Kept(Box::new(bridge), ids)),
        Err(error) => {
            report.tell("tables", &broken("channels", &error));
            None
        }
    }
}

const NO_PEPPER: Words<'static> = (
    "missing",
    "缺少 pepper：请恢复它。换新值会让所有顾客变成新顾客。",
    "What hides open ids is missing: restore it. With another one every customer would be a \
     new one.",
);
const HAS_KEY: Words<'static> = (OK, "管理密钥完整。", "The admin key is there.");
const NO_KEY: Words<'static> = (
    "weak",
    "管理密钥缺失或不足 16 个字符：请写入新的密钥。",
    "The admin key is missing or shorter than 16 characters: put another one.",
);
const KEPT: Words<'static> = (
    "not_asked",
    "未询问管理接口：没有管理密钥，或该地址不可信，密钥不会发往那里。请先解决上面的问题。",
    "The stack's API was not asked: there is no admin key, or none is sent to such an address. \
     Mend what stands above first.",
);

fn shaped(table: Table, shape: &Result<Shape, StoreError>) -> Vec<Finding> {
    let name = table.to_string();
    let found = |code: &str, zh: &str, en: &str| Finding::new(&name, (code, zh, en));
    match shape {
        Err(error) => vec![broken(&name, error)],
        Ok(Shape {
            misfit: Some(misfit),
            ..
        }) => {
            let zh = format!("此表与模板不符，请恢复：{misfit}。");
            let en = format!("This is not the table that the template makes: {misfit}. Mend it.");
            vec![found("misfit", &zh, &en)]
        }
        Ok(Shape { lacks, .. }) => {
            let fits = found(OK, "表结构正确。", "It is as the template makes it.");
            let lacks = lacks.iter().map(|lack| {
                let zh = format!("可以使用，但缺少保护，请按模板恢复：{lack}。");
                let en = format!("It works, and {lack}: protect it as the template does.");
                found("unprotected", &zh, &en)
            });
            std::iter::once(fits).chain(lacks).collect()
        }
    }
}

/// Whether the table's stream is listened to.
fn heard(listening: &Result<Listening, NoAnswer>) -> Finding {
    let words = match listening {
        Ok(Listening::Yes) => (
            OK,
            "有函数在读取数据流。",
            "A function listens to the stream.",
        ),
        Ok(Listening::Troubled) => (
            "mapping_troubled",
            "数据流的事件源映射报告问题：请在 Lambda 中查看上次处理结果，通常是函数角色的权限。",
            "Lambda reports a problem with the stream's mapping: see its last result there. Most \
             often the function's role may not read the stream.",
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
            let zh = format!("无法询问 Lambda，请允许 lambda:ListEventSourceMappings：{error}。");
            let en =
                format!("Lambda does not say ({error}): allow lambda:ListEventSourceMappings.");
            return Finding::new("stream", ("unreadable", &zh, &en));
        }
    };
    Finding::new("stream", words)
}
