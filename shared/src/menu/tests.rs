use serde_json::json;

use super::*;

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn places(flaws: Vec<Flaw>) -> Vec<String> {
    flaws.into_iter().map(|flaw| flaw.place).collect()
}

fn menu(value: &Value) -> Result<Value, Vec<String>> {
    let read = Menu::read(fields(value)).map_err(places)?;
    Ok(serde_json::to_value(read).unwrap_or_default())
}

fn with(button: &Value) -> Result<Value, Vec<String>> {
    menu(&json!({ "button": [button] }))
}

#[test]
fn every_type_goes_to_wechat_as_it_came() {
    for (kind, fields) in [
        ("click", json!({ "key": "k" })),
        ("scancode_push", json!({ "key": "k" })),
        ("scancode_waitmsg", json!({ "key": "k" })),
        ("pic_sysphoto", json!({ "key": "k" })),
        ("pic_photo_or_album", json!({ "key": "k" })),
        ("pic_weixin", json!({ "key": "k" })),
        ("location_select", json!({ "key": "k" })),
        ("view", json!({ "url": "https://shop.example/门店?a=1" })),
        (
            "miniprogram",
            json!({ "url": "http://a.b", "appid": "wx286b93c14bbf93aa", "pagepath": "p/index" }),
        ),
        ("media_id", json!({ "media_id": "m-1_2" })),
        ("view_limited", json!({ "media_id": "m" })),
        ("article_id", json!({ "article_id": "a" })),
        ("article_view_limited", json!({ "article_id": "a" })),
    ] {
        let mut button = json!({ "name": "名字", "type": kind });
        for (name, value) in fields.as_object().unwrap() {
            button[name] = value.clone();
        }
        let top = json!({ "button": [button] });
        assert_eq!(menu(&top), Ok(top), "{kind}");
        let sub = json!({ "button": [{ "name": "更多", "sub_button": [button] }] });
        assert_eq!(menu(&sub), Ok(sub), "{kind}");
        for name in fields.as_object().unwrap().keys() {
            for wrong in [json!(""), json!(" "), json!(1), json!("x".repeat(1025))] {
                let mut faulty = button.clone();
                faulty[name] = wrong;
                assert_eq!(with(&faulty), Err(vec![format!("button[0].{name}")]));
            }
            let mut faulty = button.clone();
            faulty.as_object_mut().unwrap().remove(name);
            assert_eq!(with(&faulty), Err(vec![format!("button[0].{name}")]));
        }
        let mut faulty = button.clone();
        faulty["color"] = json!("red");
        assert_eq!(with(&faulty), Err(vec!["button[0].color".to_owned()]));
    }
}

#[test]
fn limits_are_in_bytes_and_every_flaw_has_its_place() {
    let click = |name: &str| json!({ "name": name, "type": "click", "key": "k" });
    let some = |count: usize| vec![click("a"); count];
    let (a, long) = ("a", "字".repeat(20));
    for (value, expected) in [
        (json!({ "button": some(3) }), vec![]),
        (json!({ "button": some(0) }), vec!["button"]),
        (json!({ "button": some(4) }), vec!["button"]),
        (json!({}), vec!["button"]),
        (json!({ "button": {} }), vec!["button"]),
        (json!({ "button": ["a"] }), vec!["button[0]"]),
        (json!({ "button": [click("五个汉字啊")] }), vec![]),
        (
            json!({ "button": [click("六个汉字啊啊")] }),
            vec!["button[0].name"],
        ),
        (json!({ "button": [click(&a.repeat(16))] }), vec![]),
        (
            json!({ "button": [click(&a.repeat(17))] }),
            vec!["button[0].name"],
        ),
        (json!({ "button": [click("")] }), vec!["button[0].name"]),
        (json!({ "button": [click("a\nb")] }), vec!["button[0].name"]),
        (
            json!({ "button": [{ "name": "a", "sub_button": [click(&long)] }] }),
            vec![],
        ),
        (
            json!({ "button": [click("a"), { "name": "a", "sub_button": [click(&format!("{long}a"))] }] }),
            vec!["button[1].sub_button[0].name"],
        ),
        (
            json!({ "button": [{ "name": "a", "sub_button": some(5) }] }),
            vec![],
        ),
        (
            json!({ "button": [{ "name": "a", "sub_button": some(6) }] }),
            vec!["button[0].sub_button"],
        ),
        (
            json!({ "button": [{ "name": "a", "sub_button": [] }] }),
            vec!["button[0].sub_button"],
        ),
        (
            json!({ "button": [{ "name": "a", "type": "click", "sub_button": some(1) }] }),
            vec!["button[0].type"],
        ),
        (
            json!({ "button": [{ "name": "a", "sub_button": [{ "name": "b", "sub_button": some(1) }] }] }),
            vec!["button[0].sub_button[0].type"],
        ),
        (
            json!({ "button": [{ "name": "a", "type": "dance", "key": "k" }] }),
            vec!["button[0].type"],
        ),
        (
            json!({ "button": [{ "name": "a", "type": "click", "key": a.repeat(129) }] }),
            vec!["button[0].key"],
        ),
        (
            json!({ "button": [{ "name": "a", "type": "view", "url": "ftp://a.b" }] }),
            vec!["button[0].url"],
        ),
        (
            json!({ "button": [{ "name": "a", "type": "view", "url": "https://" }] }),
            vec!["button[0].url"],
        ),
        (
            json!({ "button": [{ "type": "view" }, { "name": 1 }], "menuid": 1 }),
            vec![
                "button[0].name",
                "button[0].url",
                "button[1].name",
                "button[1].type",
                "menuid",
            ],
        ),
    ] {
        let told = menu(&value).err().unwrap_or_default();
        assert_eq!(told, expected, "{value}");
    }
}

#[test]
fn a_conditional_menu_says_for_whom_it_is() {
    let read = |rule: Value| {
        let mut menu = json!({ "button": [{ "name": "a", "type": "click", "key": "k" }] });
        menu["matchrule"] = rule;
        let read = ConditionalMenu::read(fields(&menu)).map_err(places)?;
        assert_eq!(serde_json::to_value(read).unwrap(), menu);
        Ok::<_, Vec<String>>(())
    };
    for (rule, expected) in [
        (json!({ "tag_id": "2" }), vec![]),
        (
            json!({ "tag_id": "2", "client_platform_type": "1", "language": "zh_CN" }),
            vec![],
        ),
        (json!({}), vec!["matchrule"]),
        (json!("2"), vec!["matchrule"]),
        (json!({ "tag_id": 2 }), vec!["matchrule.tag_id"]),
        (
            json!({ "client_platform_type": "4" }),
            vec!["matchrule.client_platform_type"],
        ),
        (json!({ "language": "xx" }), vec!["matchrule.language"]),
        (json!({ "tag_id": "2", "sex": "1" }), vec!["matchrule.sex"]),
    ] {
        let told = read(rule.clone()).err().unwrap_or_default();
        assert_eq!(told, expected, "{rule}");
    }
    let none = ConditionalMenu::read(Map::new()).map_err(places);
    assert_eq!(none.err().unwrap(), ["button", "matchrule"]);
}
