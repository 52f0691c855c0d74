//! The calls about the people who follow an account: what WeChat tells of one of them, the
//! remark that stands in a name's place, and tags.
//!
//! Since 2021-12-27 WeChat tells neither names nor pictures. Calls:
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/Get_users_basic_information_UnionID.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/Configuring_user_notes.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/User_Tag_Management.html>

use serde::Deserialize;
use serde_json::json;

use super::account::Ask;
use crate::message::OpenId;
use crate::people::TagId;

/// What WeChat tells of somebody. Of who does not follow it tells nothing but that.
#[derive(Deserialize)]
pub struct UserInfo {
    /// 1 for who follows, 0 for who does not.
    pub subscribe: i64,
    /// When they followed, in seconds since 1970; 0 if that is not told.
    #[serde(default)]
    pub subscribe_time: i64,
    /// How they came, in WeChat's word.
    #[serde(default)]
    pub subscribe_scene: String,
    /// The scene of the QR code that they came by, where it is a number; else 0.
    #[serde(default)]
    pub qr_scene: i64,
    /// The same where it is a text.
    #[serde(default)]
    pub qr_scene_str: String,
    /// The language of their WeChat, such as `zh_CN`.
    #[serde(default)]
    pub language: String,
    /// Who they are in all accounts of one owner, where those are bound together.
    #[serde(default)]
    pub unionid: String,
    /// Their name: empty, unless WeChat begins to tell it again.
    #[serde(default)]
    pub nickname: String,
    /// What was noted of them.
    #[serde(default)]
    pub remark: String,
    /// Their tags.
    #[serde(default)]
    pub tagid_list: Vec<u32>,
}

/// A tag of the account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// How many people have it.
    #[serde(default)]
    pub count: u64,
}

/// All tags of the account.
#[derive(Debug, Deserialize)]
pub struct Tags {
    /// In WeChat's order.
    pub tags: Vec<Tag>,
}

/// A tag that was made.
#[derive(Debug, Deserialize)]
pub struct TagMade {
    /// It.
    pub tag: Tag,
}

impl Ask {
    /// For what WeChat tells of somebody. `lang` is `zh_CN` or `en`.
    #[must_use]
    pub fn user_info(who: &OpenId, lang: &str) -> Self {
        Self::get("/cgi-bin/user/info")
            .with("openid", who.expose())
            .with("lang", lang)
    }

    /// For another remark on somebody; an empty one is none.
    #[must_use]
    pub fn remark(who: &OpenId, remark: &str) -> Self {
        let body = json!({ "openid": who.expose(), "remark": remark });
        Self::post("/cgi-bin/user/info/updateremark", &body)
    }

    /// For the account's tags.
    #[must_use]
    pub fn tags() -> Self {
        Self::get("/cgi-bin/tags/get")
    }

    /// For one more tag.
    #[must_use]
    pub fn tag(name: &str) -> Self {
        Self::post("/cgi-bin/tags/create", &json!({ "tag": { "name": name } }))
    }

    /// For another name of a tag.
    #[must_use]
    pub fn tag_named(tag: TagId, name: &str) -> Self {
        let body = json!({ "tag": { "id": tag.number(), "name": name } });
        Self::post("/cgi-bin/tags/update", &body)
    }

    /// For one tag less.
    #[must_use]
    pub fn no_tag(tag: TagId) -> Self {
        let body = json!({ "tag": { "id": tag.number() } });
        Self::post("/cgi-bin/tags/delete", &body)
    }

    /// For a tag on somebody, or off them.
    #[must_use]
    pub fn tagged(who: &OpenId, tag: TagId, on: bool) -> Self {
        let path = if on {
            "/cgi-bin/tags/members/batchtagging"
        } else {
            "/cgi-bin/tags/members/batchuntagging"
        };
        let body = json!({ "openid_list": [who.expose()], "tagid": tag.number() });
        Self::post(path, &body)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::account::{Denied, read};
    use super::*;
    use crate::http::Answer;

    fn told(body: &str) -> Result<UserInfo, Denied> {
        read(&Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        })
    }

    #[test]
    fn what_wechat_tells_of_somebody() {
        let info = told(
            r#"{"subscribe":1,"openid":"o1","language":"zh_CN","subscribe_time":1434093047,
            "unionid":"u1","remark":"老客户","groupid":0,"tagid_list":[128,2],
            "subscribe_scene":"ADD_SCENE_QR_CODE","qr_scene":98765,"qr_scene_str":""}"#,
        );
        let info = info.unwrap();
        assert_eq!((info.subscribe, info.tagid_list), (1, vec![128, 2]));
        assert_eq!((info.qr_scene, &*info.qr_scene_str), (98_765, ""));
        assert_eq!((&*info.nickname, &*info.remark), ("", "老客户"));
        let left = told(r#"{"subscribe":0,"openid":"o1"}"#).unwrap();
        assert_eq!((left.subscribe, left.subscribe_time), (0, 0));
        for silent in [r#"{"errcode":0,"errmsg":"ok"}"#, r#"{"subscribe":"yes"}"#] {
            assert!(
                matches!(told(silent), Err(Denied::Silent(None))),
                "{silent}"
            );
        }
    }

    #[test]
    fn what_goes_out() {
        let who = OpenId::new("o1");
        for (ask, expected) in [
            (
                Ask::user_info(&who, "en"),
                "GET /cgi-bin/user/info openid=o1&lang=en ",
            ),
            (
                Ask::remark(&who, "老\"客"),
                r#"POST /cgi-bin/user/info/updateremark  {"openid":"o1","remark":"老\"客"}"#,
            ),
            (Ask::tags(), "GET /cgi-bin/tags/get  "),
            (
                Ask::tag("VIP"),
                r#"POST /cgi-bin/tags/create  {"tag":{"name":"VIP"}}"#,
            ),
            (
                Ask::tag_named(TagId::new(134), "VIP"),
                r#"POST /cgi-bin/tags/update  {"tag":{"id":134,"name":"VIP"}}"#,
            ),
            (
                Ask::no_tag(TagId::new(134)),
                r#"POST /cgi-bin/tags/delete  {"tag":{"id":134}}"#,
            ),
            (
                Ask::tagged(&who, TagId::new(134), true),
                r#"POST /cgi-bin/tags/members/batchtagging  {"openid_list":["o1"],"tagid":134}"#,
            ),
            (
                Ask::tagged(&who, TagId::new(134), false),
                r#"POST /cgi-bin/tags/members/batchuntagging  {"openid_list":["o1"],"tagid":134}"#,
            ),
        ] {
            assert_eq!(ask.told(), expected);
            assert!(!format!("{ask:?}").contains("o1"), "{ask:?}");
        }
    }
}
