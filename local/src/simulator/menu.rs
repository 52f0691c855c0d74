//! `menu/…`: what everybody sees below the chat, and what only some see.
//!
//! Invariant: a menu that is refused changes nothing. No material was ever made here, so
//! that every id of some is a wrong one.
//! <https://developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::send;

/// To how many domains the addresses of a menu may lead.
const DOMAINS: usize = 3;
/// The longest key, in bytes.
const KEY: usize = 128;
/// The longest address, in bytes.
const URL: usize = 1_024;

const COUNT: Fault = Fault::new(40016, "invalid button size");
const LEVELS: Fault = Fault::new(40022, "invalid sub button level");
const SUB_COUNT: Fault = Fault::new(40023, "invalid sub button size");
const NONE: Fault = Fault::new(46003, "menu no exist");
const NO_SUCH: Fault = Fault::new(65301, "menuid not exist");
const NO_DEFAULT: Fault = Fault::new(65303, "there is no selfmenu, please create selfmenu first");
const NO_RULE: Fault = Fault::new(65304, "match rule empty");
const NO_BUTTON: Fault = Fault::new(65307, "conditional menu is empty");
const TOO_MANY_DOMAINS: Fault = Fault::new(65316, "over domain limit of urls");

/// What differs between the levels: the longest name, and what faults are called.
struct Level {
    name_max: usize,
    name: Fault,
    kind: Fault,
    key: Fault,
    url: Fault,
    domain: Fault,
}

const TOP: Level = Level {
    name_max: 16,
    name: Fault::new(40018, "invalid button name size"),
    kind: Fault::new(40017, "invalid button type"),
    key: Fault::new(40019, "invalid button key size"),
    url: Fault::new(40020, "invalid button url size"),
    domain: Fault::new(40055, "invalid button url domain"),
};
const SUB: Level = Level {
    name_max: 60,
    name: Fault::new(40025, "invalid sub button name size"),
    kind: Fault::new(40024, "invalid sub button type"),
    key: Fault::new(40026, "invalid sub button key size"),
    url: Fault::new(40027, "invalid sub button url size"),
    domain: Fault::new(40054, "invalid sub button url domain"),
};

/// The menus of an account.
#[derive(Debug, Default)]
pub(crate) struct Menus {
    button: Option<Value>,
    /// With their ids, in the order of their arrival.
    conditional: Vec<(u64, Value)>,
}

impl Menus {
    /// What phones show: the buttons for everybody. Nobody here has what a rule asks for.
    pub(crate) fn for_everybody(&self) -> Option<&Value> {
        self.button.as_ref()
    }

    /// `POST /cgi-bin/menu/create`.
    pub(crate) fn create(&mut self, body: &[u8]) -> Result<Value, Fault> {
        let body = send::parse(body)?;
        self.button = Some(buttons(&body)?);
        Ok(ok())
    }

    /// `GET /cgi-bin/menu/get`.
    pub(crate) fn get(&self) -> Result<Value, Fault> {
        let button = self.button.as_ref().ok_or(NONE)?;
        let mut shown = json!({ "menu": { "button": button } });
        if !self.conditional.is_empty() {
            let each = self.conditional.iter().map(|(id, menu)| {
                let mut menu = menu.clone();
                if let Some(fields) = menu.as_object_mut() {
                    fields.insert("menuid".to_owned(), (*id).into());
                }
                menu
            });
            let each: Vec<_> = each.collect();
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("conditionalmenu".to_owned(), each.into());
            }
        }
        Ok(shown)
    }

    /// `GET /cgi-bin/menu/delete`: the conditional ones go, too.
    pub(crate) fn delete(&mut self) -> Value {
        *self = Self::default();
        ok()
    }

    /// `POST /cgi-bin/menu/addconditional`.
    pub(crate) fn add(&mut self, body: &[u8]) -> Result<Value, Fault> {
        let body = send::parse(body)?;
        let rule = body.get("matchrule").and_then(Value::as_object);
        let rule = rule.filter(|rule| !rule.is_empty()).ok_or(NO_RULE)?;
        if body.get("button").is_none() {
            return Err(NO_BUTTON);
        }
        let button = buttons(&body)?;
        if self.button.is_none() {
            return Err(NO_DEFAULT);
        }
        let last = self.conditional.last().map_or(208_396_900, |(id, _)| *id);
        let menu = json!({ "button": button, "matchrule": rule });
        self.conditional.push((last + 1, menu));
        Ok(json!({ "menuid": (last + 1).to_string() }))
    }

    /// `POST /cgi-bin/menu/delconditional`.
    pub(crate) fn remove(&mut self, body: &[u8]) -> Result<Value, Fault> {
        let body = send::parse(body)?;
        let id = body.get("menuid").and_then(Value::as_str);
        let id: Option<u64> = id.and_then(|id| id.parse().ok());
        let before = self.conditional.len();
        self.conditional.retain(|(known, _)| Some(*known) != id);
        if self.conditional.len() == before {
            return Err(NO_SUCH);
        }
        Ok(ok())
    }
}

fn ok() -> Value {
    json!({ "errcode": 0, "errmsg": "ok" })
}

/// The buttons of a menu as they are shown: with an empty list where none is opened.
fn buttons(body: &Value) -> Result<Value, Fault> {
    let mut domains = BTreeSet::new();
    let buttons = body.get("button").and_then(Value::as_array).ok_or(COUNT)?;
    if !(1..=3).contains(&buttons.len()) {
        return Err(COUNT);
    }
    let mut shown = Vec::new();
    for button in buttons {
        let opens = button.get("sub_button").and_then(Value::as_array);
        let opens: &[Value] = opens.map(Vec::as_slice).unwrap_or_default();
        if opens.len() > 5 {
            return Err(SUB_COUNT);
        }
        if opens.is_empty() {
            shown.push(leaf(button, &TOP, &mut domains)?);
            continue;
        }
        let name = named(button, &TOP)?;
        let mut subs = Vec::new();
        for sub in opens {
            if sub
                .get("sub_button")
                .and_then(Value::as_array)
                .is_some_and(|more| !more.is_empty())
            {
                return Err(LEVELS);
            }
            subs.push(leaf(sub, &SUB, &mut domains)?);
        }
        shown.push(json!({ "name": name, "sub_button": subs }));
    }
    if domains.len() > DOMAINS {
        return Err(TOO_MANY_DOMAINS);
    }
    Ok(shown.into())
}

fn named<'a>(button: &'a Value, level: &Level) -> Result<&'a str, Fault> {
    let name = button
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if (1..=level.name_max).contains(&name.len()) {
        Ok(name)
    } else {
        Err(level.name.clone())
    }
}

fn leaf(button: &Value, level: &Level, domains: &mut BTreeSet<String>) -> Result<Value, Fault> {
    named(button, level)?;
    let text = |name: &str| button.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "click" | "scancode_push" | "scancode_waitmsg" | "pic_sysphoto" | "pic_photo_or_album"
        | "pic_weixin" | "location_select" => {
            if !(1..=KEY).contains(&text("key").len()) {
                return Err(level.key.clone());
            }
        }
        kind @ ("view" | "miniprogram") => {
            let url = text("url");
            if !(1..=URL).contains(&url.len()) {
                return Err(level.url.clone());
            }
            domains.insert(domain(url).ok_or_else(|| level.domain.clone())?);
            if kind == "miniprogram" && text("appid").is_empty() {
                return Err(answer::APP_ID);
            }
            if kind == "miniprogram" && text("pagepath").is_empty() {
                return Err(answer::DATA_FORMAT);
            }
        }
        "media_id" | "view_limited" | "article_id" | "article_view_limited" => {
            return Err(answer::MEDIA_ID);
        }
        _ => return Err(level.kind.clone()),
    }
    let mut shown = button.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("sub_button".to_owned(), json!([]));
    }
    Ok(shown)
}

/// The domain of an address of the web.
fn domain(url: &str) -> Option<String> {
    let schemes = ["https://", "http://"];
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme))?;
    let domain = rest.split(['/', '?', '#', ':']).next()?;
    (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
}
