//! Template messages and subscribe notifications: what an account may send at any time.
//!
//! Invariant: a notice that is refused is shown nowhere and uses up no subscription; one that
//! was sent is told of in a push of its own.
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/Subscription_Messages/api.html>

use std::collections::VecDeque;

use magpie::notice::{Way, fields_of, unfit};
use serde::Serialize;
use serde_json::{Value, json};

use super::account::Account;
use super::act::Refused;
use super::answer::{self, Fault};
use super::attachment::Attachment;
use super::customer::Content;
use super::push::{Callback, Push, element, event};
use super::send;
use super::wechat::WeChat;

/// How long a notice is known by the caller's own id.
const KNOWN_MS: i64 = 600_000;
/// How many of those ids are kept.
const KEPT: usize = 1_000;
/// The first id that a notice gets, less one.
const FIRST: u64 = 200_163_835;

pub(super) const TEMPLATE_SIZE: Fault = Fault::new(40036, "invalid template_id size");
pub(super) const TEMPLATE: Fault = Fault::new(40037, "invalid template_id");
pub(super) const NO_SUBSCRIPTION: Fault = Fault::new(43101, "user refuse to accept the msg");
pub(super) const ARGUMENT: Fault = Fault::new(47003, "argument invalid!");

/// A template of an account's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Template {
    /// How its notices go out.
    pub way: Way,
    /// WeChat's id of it.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// What it says, with its fields as `{{thing1.DATA}}`.
    pub content: String,
    /// An example of it.
    pub example: String,
}

/// What an account has of notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    pub(crate) templates: Vec<Template>,
    /// The ids under which the caller has sent notices of late: to whom, when, and WeChat's.
    known: VecDeque<(String, String, i64, u64)>,
    sent: u64,
    /// What is to be told of notices that were sent: of whom, and the elements.
    results: Vec<(String, String)>,
}

impl Notices {
    fn find(&self, way: Way, id: &str) -> Option<&Template> {
        let mut all = self.templates.iter();
        all.find(|template| template.way == way && template.id == id)
    }

    /// `GET /cgi-bin/template/get_all_private_template`.
    pub(crate) fn private(&self) -> Value {
        let list = self.templates.iter().filter(|t| t.way == Way::Template);
        let list: Vec<_> = list
            .map(|t| {
                json!({ "template_id": t.id, "title": t.title, "primary_industry": "",
                    "deputy_industry": "", "content": t.content, "example": t.example })
            })
            .collect();
        json!({ "template_list": list })
    }

    /// `GET /wxaapi/newtmpl/gettemplate`.
    pub(crate) fn subscriptions(&self) -> Value {
        let list = self.templates.iter().filter(|t| t.way == Way::Subscribe);
        let list: Vec<_> = list
            .map(|t| {
                json!({ "priTmplId": t.id, "title": t.title, "content": t.content,
                    "example": t.example, "type": 2 })
            })
            .collect();
        json!({ "errcode": 0, "errmsg": "ok", "data": list })
    }

    fn known(&self, now_ms: i64, open_id: &str, id: &str) -> Option<u64> {
        let mut all = self.known.iter();
        let known = all.find(|(to, own, at, _)| {
            to == open_id && own == id && now_ms.saturating_sub(*at) < KNOWN_MS
        });
        known.map(|(_, _, _, msgid)| *msgid)
    }
}

/// `POST /cgi-bin/message/template/send` and `…/subscribe/bizsend`.
pub(crate) fn send(
    now_ms: i64,
    account: &mut Account,
    way: Way,
    body: &[u8],
) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let open_id = text("touser").to_owned();
    let customer = account.customer(&open_id).ok_or(answer::OPEN_ID)?;
    let (following, left) = (
        customer.following,
        customer.subscriptions_to(text("template_id")),
    );
    let template = match text("template_id") {
        "" => return Err(TEMPLATE_SIZE),
        id => account.notices.find(way, id).ok_or(TEMPLATE)?,
    };
    match way {
        Way::Template if !following => return Err(answer::NOT_FOLLOWING),
        Way::Subscribe if left == 0 => return Err(NO_SUBSCRIPTION),
        _ => {}
    }
    let words = filled(template, body.get("data"))?;
    let link = if way == Way::Template { "url" } else { "page" };
    let attachment = Attachment::Notice {
        title: template.title.clone(),
        text: words,
        url: text(link).to_owned(),
        app_id: page(body.get("miniprogram"))?,
    };
    let own = text("client_msg_id").to_owned();
    if let Some(msgid) = account.notices.known(now_ms, &open_id, &own) {
        return Ok(done(way, msgid));
    }
    let template_id = template.id.clone();
    account.notices.sent += 1;
    let msgid = FIRST + account.notices.sent;
    if way == Way::Template && !own.is_empty() {
        let known = &mut account.notices.known;
        known.push_back((open_id.clone(), own, now_ms, msgid));
        if known.len() > KEPT {
            known.pop_front();
        }
    }
    let told = result(way, &template_id, msgid);
    account.notices.results.push((open_id.clone(), told));
    if let Some(customer) = account.customer_mut(&open_id) {
        if way == Way::Subscribe {
            customer.subscriptions.insert(template_id, left - 1);
        }
        customer.show(
            now_ms,
            Content::Theirs {
                text: format!("[{}]", way.word()),
                choices: Vec::new(),
                attachment: Some(attachment),
                agent: None,
                by_ai: false,
            },
        );
    }
    Ok(done(way, msgid))
}

fn done(way: Way, msgid: u64) -> Value {
    match way {
        Way::Template => json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid }),
        Way::Subscribe => json!({ "errcode": 0, "errmsg": "ok" }),
    }
}

/// What the template says with these values.
fn filled(template: &Template, data: Option<&Value>) -> Result<String, Fault> {
    let data = match data {
        Some(Value::Object(data)) => data,
        None => return Err(ARGUMENT),
        Some(_) => return Err(answer::DATA_FORMAT),
    };
    let mut words = template.content.clone();
    for name in fields_of(&template.content) {
        let value = match data.get(name).map(|field| field.get("value")) {
            Some(Some(Value::String(value))) => value,
            Some(Some(_)) => return Err(answer::DATA_FORMAT),
            _ => return Err(ARGUMENT),
        };
        if unfit(template.way, name, value).is_some() {
            return Err(ARGUMENT);
        }
        words = words.replace(&format!("{{{{{name}.DATA}}}}"), value);
    }
    Ok(words)
}

/// The mini-program that a tap opens; empty if none.
fn page(value: Option<&Value>) -> Result<String, Fault> {
    let Some(value) = value else {
        return Ok(String::new());
    };
    let app_id = value.get("appid").and_then(Value::as_str);
    let app_id = app_id.filter(|app_id| !app_id.is_empty());
    app_id.map(str::to_owned).ok_or(answer::APP_ID)
}

fn result(way: Way, template_id: &str, msgid: u64) -> String {
    match way {
        Way::Template => event(
            "TEMPLATESENDJOBFINISH",
            &format!("<MsgID>{msgid}</MsgID>{}", element("Status", "success")),
        ),
        Way::Subscribe => event(
            "subscribe_msg_sent_event",
            &format!(
                "<SubscribeMsgSentEvent><List>{}<MsgID>{msgid}</MsgID><ErrorCode>0</ErrorCode>{}\
                 </List></SubscribeMsgSentEvent>",
                element("TemplateId", template_id),
                element("ErrorStatus", "success")
            ),
        ),
    }
}

/// What a push says of a customer's answer to a request for a subscription.
pub(crate) fn popup(template_id: &str, accept: bool) -> String {
    let word = if accept { "accept" } else { "reject" };
    event(
        "subscribe_msg_popup_event",
        &format!(
            "<SubscribeMsgPopupEvent><List>{}{}<PopupScene>2</PopupScene></List>\
             </SubscribeMsgPopupEvent>",
            element("TemplateId", template_id),
            element("SubscribeStatusString", word)
        ),
    )
}

impl WeChat {
    /// Gives an account one more template.
    pub fn add_template(&mut self, app_id: &str, template: Template) -> Result<(), Refused> {
        let account = self.account_mut(app_id).ok_or(Refused::UnknownAccount)?;
        account.notices.templates.push(template);
        Ok(())
    }

    /// The pushes that tell what became of notices, of which nobody was told yet.
    pub fn results(&mut self, now_ms: i64) -> Vec<Callback> {
        let mut callbacks = Vec::new();
        for account in &mut self.accounts {
            for (open_id, xml) in std::mem::take(&mut account.notices.results) {
                self.serial += 1;
                let push = Push { xml };
                let (serial, mint) = (self.serial, &mut self.mint);
                callbacks.push(push.seal(now_ms, serial, account, &open_id, mint));
            }
        }
        callbacks
    }
}
