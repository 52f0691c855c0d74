//! Notices: how they are sent, and by which templates an account may send them.
//!
//! Errors come with HTTP status 200 and an `errcode`. Calls:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/Subscription_Messages/api.html>

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::Ask;
use super::api::{Api, Sent, Token};
use crate::message::OpenId;
use crate::notice::{Notice, Way};

/// The templates by which an account may send template messages.
#[derive(Debug, Deserialize)]
pub struct Templates {
    /// Each of them.
    pub template_list: Vec<Template>,
}

/// The templates to which people may subscribe.
#[derive(Debug, Deserialize)]
pub struct Subscriptions {
    /// Each of them.
    #[serde(default)]
    pub data: Vec<Template>,
}

/// A template of an account's.
#[derive(Debug, Deserialize)]
pub struct Template {
    /// WeChat's id of it.
    #[serde(alias = "priTmplId")]
    pub template_id: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
    /// What it says, with its fields as `{{thing1.DATA}}`.
    #[serde(default)]
    pub content: String,
    /// An example of it.
    #[serde(default)]
    pub example: String,
    /// 2 if a subscription is used up by one notification, 3 if it lasts.
    #[serde(default, rename = "type")]
    pub life: Option<u8>,
}

impl Ask {
    /// For the templates of template messages.
    #[must_use]
    pub fn templates() -> Self {
        Self::get("/cgi-bin/template/get_all_private_template")
    }

    /// For the templates of subscribe notifications.
    #[must_use]
    pub fn subscriptions() -> Self {
        Self::get("/wxaapi/newtmpl/gettemplate")
    }
}

/// What a notice says, without whom it is for. `id` is ours.
pub(super) fn value(notice: &Notice, id: &str) -> Value {
    let mut message = Map::new();
    let plain = |text: &str| -> String {
        let plain = text.chars().filter(|c| *c == '\n' || !c.is_control());
        plain.collect()
    };
    let data = notice.data.iter();
    let data: Map<_, _> = data
        .map(|(name, text)| (name.clone(), json!({ "value": plain(text) })))
        .collect();
    message.insert("template_id".to_owned(), json!(notice.template_id));
    let (link, own) = match notice.way {
        Way::Template => ("url", Some(id)),
        Way::Subscribe => ("page", None),
    };
    if let Some(url) = &notice.url {
        message.insert(link.to_owned(), json!(url));
    }
    if let Some(page) = &notice.mini_program {
        let path = page.path.as_deref().unwrap_or_default();
        let page = json!({ "appid": page.app_id, "pagepath": path });
        message.insert("miniprogram".to_owned(), page);
    }
    if let Some(id) = own {
        message.insert("client_msg_id".to_owned(), json!(id));
    }
    message.insert("data".to_owned(), Value::Object(data));
    Value::Object(message)
}

impl Api<'_> {
    /// Sends a notice to a customer.
    pub(super) async fn notify(
        &self,
        token: &Token,
        to: &OpenId,
        notice: &Notice,
        id: &str,
    ) -> Sent {
        let path = match notice.way {
            Way::Template => "/cgi-bin/message/template/send",
            Way::Subscribe => "/cgi-bin/message/subscribe/bizsend",
        };
        let mut message = value(notice, id);
        if let Some(message) = message.as_object_mut() {
            message.insert("touser".to_owned(), json!(to.expose()));
        }
        self.post(path, token, &message).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::MiniProgram;

    #[test]
    fn what_goes_out() {
        let fields = [("thing1", "好\u{7}的")];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let notice = |way| Notice {
            way,
            template_id: "tpl".into(),
            title: Some("回复".into()),
            data: fields.into_iter().map(owned).collect(),
            url: Some("https://a.example".into()),
            mini_program: Some(MiniProgram {
                app_id: "wx1".into(),
                path: None,
            }),
        };
        let data = json!({"thing1": {"value": "好的"}});
        let page = json!({"appid": "wx1", "pagepath": ""});
        assert_eq!(
            value(&notice(Way::Template), "id-0"),
            json!({"template_id": "tpl", "url": "https://a.example", "miniprogram": page,
                "client_msg_id": "id-0", "data": data})
        );
        assert_eq!(
            value(&notice(Way::Subscribe), "id-0"),
            json!({"template_id": "tpl", "page": "https://a.example", "miniprogram": page,
                "data": data})
        );
    }

    #[test]
    fn both_lists_are_read() {
        let private = r#"{"template_list":[{"template_id":"a","title":"领取奖金提醒",
            "primary_industry":"IT科技","content":"{{result.DATA}}","example":"x"}]}"#;
        let list: Templates = serde_json::from_str(private).unwrap();
        assert_eq!(
            (
                list.template_list[0].template_id.as_str(),
                list.template_list[0].life
            ),
            ("a", None)
        );
        let new = r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"b","title":"报名结果",
            "content":"{{name1.DATA}}","example":"x","type":2}]}"#;
        let list: Subscriptions = serde_json::from_str(new).unwrap();
        assert_eq!(
            (list.data[0].template_id.as_str(), list.data[0].life),
            ("b", Some(2))
        );
    }
}
