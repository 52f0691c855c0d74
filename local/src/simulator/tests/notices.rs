//! Template messages and subscribe notifications.

use magpie::notice::Way;
use serde_json::{Value, json};

use super::super::view::View;
use super::*;

const TEMPLATE: &str = "POST /cgi-bin/message/template/send";
const SUBSCRIBE: &str = "POST /cgi-bin/message/subscribe/bizsend";

fn with_templates() -> (WeChat, String, String) {
    let (mut wechat, ming, token) = start();
    for (way, id) in [(Way::Template, "tpl"), (Way::Subscribe, "sub")] {
        let template = Template {
            way,
            id: id.to_owned(),
            title: "回复提醒".to_owned(),
            content: "内容：{{thing1.DATA}}\n数量：{{number2.DATA}}".to_owned(),
            example: String::new(),
        };
        wechat.add_template(APP, template).unwrap();
    }
    (wechat, ming, token)
}

fn about(wechat: &mut WeChat, request: &str, token: &str, body: &Value) -> Value {
    let request = format!("{request}?access_token={token}");
    let body = if request.starts_with("GET") {
        String::new()
    } else {
        body.to_string()
    };
    let answer = call(wechat, NOW, &request, body.as_bytes());
    serde_json::from_slice(&answer.body).unwrap()
}

fn notice(to: &str, id: &str, thing: &str) -> Value {
    json!({ "touser": to, "template_id": id,
        "data": { "thing1": { "value": thing }, "number2": { "value": "3" } } })
}

#[test]
fn a_template_message_is_shown_and_told_of() {
    let (mut wechat, ming, token) = with_templates();
    let mut said = notice(&ming, "tpl", "书");
    said["client_msg_id"] = json!("one");
    let first = about(&mut wechat, TEMPLATE, &token, &said);
    assert_eq!(first["errcode"], 0);
    // The same id within ten minutes is the same message.
    let again = about(&mut wechat, TEMPLATE, &token, &said);
    assert_eq!(again, first);
    let customer = wechat.customer(APP, &ming).unwrap();
    assert_eq!(customer.received().collect::<Vec<_>>(), ["[template]"]);
    let shown = serde_json::to_value(&customer.bubbles.back().unwrap().content).unwrap();
    assert_eq!(shown["attachment"]["text"], "内容：书\n数量：3");
    let told = wechat.results(NOW);
    assert_eq!(told.len(), 1);
    let body = String::from_utf8(told[0].body.clone()).unwrap();
    assert!(
        body.contains("<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event>"),
        "{body}"
    );
    assert!(
        body.contains("<Status><![CDATA[success]]></Status>"),
        "{body}"
    );
    assert!(wechat.results(NOW).is_empty());
}

#[test]
fn what_is_no_notice_is_refused() {
    let (mut wechat, ming, token) = with_templates();
    let stranger = wechat.add_customer(APP, "陌生人").unwrap();
    let with = |name: &str, value: Value| {
        let mut body = notice(&ming, "tpl", "书");
        body[name] = value;
        body
    };
    let long = "长".repeat(201);
    for (body, code) in [
        (with("touser", json!("nobody")), 40003),
        (with("template_id", json!("")), 40036),
        (with("template_id", json!("other")), 40037),
        (with("template_id", json!("sub")), 40037),
        (notice(&stranger, "tpl", "书"), 43004),
        (with("data", json!({ "thing1": { "value": "书" } })), 47003),
        (with("data", json!([])), 47001),
        (notice(&ming, "tpl", ""), 47003),
        (notice(&ming, "tpl", &long), 47003),
        (
            with(
                "data",
                json!({ "thing1": { "value": 1 }, "number2": { "value": "1" } }),
            ),
            47001,
        ),
        (with("miniprogram", json!({})), 40013),
    ] {
        let answer = about(&mut wechat, TEMPLATE, &token, &body);
        assert_eq!(answer["errcode"], code, "{body}");
    }
    let answer = about(
        &mut wechat,
        TEMPLATE,
        "bad token",
        &notice(&ming, "tpl", "书"),
    );
    assert_eq!(answer["errcode"], 40014);
    assert!(wechat.results(NOW).is_empty());
    assert_eq!(wechat.customer(APP, &ming).unwrap().received().count(), 0);
}

#[test]
fn a_notification_takes_a_subscription() {
    let (mut wechat, ming, token) = with_templates();
    let said = notice(&ming, "sub", "书");
    let refused = |wechat: &mut WeChat| about(wechat, SUBSCRIBE, &token, &said)["errcode"].clone();
    assert_eq!(refused(&mut wechat), 43101);
    let answers = |accept| Act::Subscribe {
        template: "sub".to_owned(),
        accept,
    };
    let push = wechat.act(NOW, APP, &ming, &answers(true)).unwrap();
    let body = String::from_utf8(push.body).unwrap();
    assert!(
        body.contains("<SubscribeStatusString><![CDATA[accept]]>"),
        "{body}"
    );
    assert_eq!(refused(&mut wechat), 0);
    assert_eq!(refused(&mut wechat), 43101, "it was used up");
    let told = String::from_utf8(wechat.results(NOW)[0].body.clone()).unwrap();
    assert!(told.contains("<ErrorStatus><![CDATA[success]]>"), "{told}");
    wechat.act(NOW, APP, &ming, &answers(true)).unwrap();
    wechat.act(NOW, APP, &ming, &answers(false)).unwrap();
    assert_eq!(refused(&mut wechat), 43101);
    // The types of fields are WeChat's.
    wechat.act(NOW, APP, &ming, &answers(true)).unwrap();
    let long = notice(&ming, "sub", &"长".repeat(21));
    assert_eq!(
        about(&mut wechat, SUBSCRIBE, &token, &long)["errcode"],
        47003
    );
    let unknown = Act::Subscribe {
        template: "tpl".to_owned(),
        accept: true,
    };
    let refused = wechat.act(NOW, APP, &ming, &unknown).unwrap_err();
    assert_eq!(refused, Refused::NoTemplate);
    let view = serde_json::to_value(View::new(&wechat, NOW)).unwrap();
    let account = &view["accounts"][0];
    assert_eq!(account["templates"][0]["id"], "sub");
    assert_eq!(account["customers"][0]["subscriptions"]["sub"], 1);
}

#[test]
fn both_lists_are_told_as_wechat_tells_them() {
    let (mut wechat, _, token) = with_templates();
    let list = "GET /cgi-bin/template/get_all_private_template";
    let list = about(&mut wechat, list, &token, &json!({}));
    assert_eq!(list["template_list"][0]["template_id"], "tpl");
    let list = about(
        &mut wechat,
        "GET /wxaapi/newtmpl/gettemplate",
        &token,
        &json!({}),
    );
    assert_eq!(list["data"][0]["priTmplId"], "sub");
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}
