//! `user/…` and `tags/…`: what an account is told of the people who follow it, and what it
//! notes of them.
//!
//! Invariant: a call that is refused changes nothing. Nobody's name is told.
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/User_Tag_Management.html>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::Account;
use super::answer::{self, Fault};
use super::call::Call;
use super::send;

/// The shortest remark that is too long, in characters.
const REMARK: usize = 30;
/// The longest name of a tag, in bytes: its error says so, other pages say characters.
const NAME: usize = 30;
/// How many tags an account may have.
const TAGS: usize = 100;
/// How many tags somebody may have.
const TAGS_OF_ONE: usize = 20;
/// How many people may be tagged at once.
const AT_ONCE: usize = 50;
/// A tag that so many have is not deleted.
const MANY: usize = 100_000;
/// The tag that every account has, …
const STAR: (u32, &str) = (2, "星标组");
/// … and the first one of its own.
const FIRST: u32 = 100;

const LIST_SIZE: Fault = Fault::new(40032, "invalid openid list size");
const TOO_MANY_TAGS: Fault = Fault::new(45056, "too many tag now, no need to add new");
const TOO_MANY_PEOPLE: Fault = Fault::new(45057, "can't delete the tag that has too many fans");
const SYSTEM_TAG: Fault = Fault::new(45058, "can't modify sys tag");
const TAGGED_ENOUGH: Fault = Fault::new(45059, "can not tag this user with so many tag");
const TAG_NAME: Fault = Fault::new(45157, "invalid tag name");
const TAG_NAME_SIZE: Fault = Fault::new(45158, "tag name too long");
const NO_TAG: Fault = Fault::new(45159, "invalid tag id");
const ANOTHERS: Fault = Fault::new(49003, "not match openid with appid");

/// The tags that an account has made.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    own: Vec<(u32, String)>,
    /// How many were ever made: no id comes twice.
    made: u32,
}

impl Tags {
    /// `POST /cgi-bin/tags/create`.
    pub(crate) fn create(&mut self, body: &[u8]) -> Result<Value, Fault> {
        let body = send::parse(body)?;
        let name = self.name(&body, None)?;
        if self.own.len() >= TAGS {
            return Err(TOO_MANY_TAGS);
        }
        let id = FIRST + self.made;
        self.made += 1;
        self.own.push((id, name.clone()));
        Ok(json!({ "tag": { "id": id, "name": name } }))
    }

    /// `POST /cgi-bin/tags/update`.
    pub(crate) fn rename(&mut self, body: &[u8]) -> Result<Value, Fault> {
        let body = send::parse(body)?;
        let id = self.own_id(&body)?;
        let name = self.name(&body, Some(id))?;
        for (_, known) in self.own.iter_mut().filter(|(known, _)| *known == id) {
            known.clone_from(&name);
        }
        Ok(ok())
    }

    fn knows(&self, id: u32) -> bool {
        id == STAR.0 || self.own.iter().any(|(known, _)| *known == id)
    }

    /// The tag of a body that its account may change.
    fn own_id(&self, body: &Value) -> Result<u32, Fault> {
        let id = number(body.pointer("/tag/id")).ok_or(NO_TAG)?;
        if id <= STAR.0 {
            return Err(SYSTEM_TAG);
        }
        Some(id).filter(|id| self.knows(*id)).ok_or(NO_TAG)
    }

    /// The name of a body, which no other tag than `of` has.
    fn name(&self, body: &Value, of: Option<u32>) -> Result<String, Fault> {
        let name = body.pointer("/tag/name").and_then(Value::as_str);
        let name = name.filter(|name| !name.is_empty()).ok_or(TAG_NAME)?;
        if name.len() > NAME {
            return Err(TAG_NAME_SIZE);
        }
        let mut others = self.own.iter().filter(|(id, _)| Some(*id) != of);
        if name == STAR.1 || others.any(|(_, other)| other == name) {
            return Err(TAG_NAME);
        }
        Ok(name.to_owned())
    }
}

fn ok() -> Value {
    json!({ "errcode": 0, "errmsg": "ok" })
}

fn number(value: Option<&Value>) -> Option<u32> {
    value?.as_u64()?.try_into().ok()
}

/// `GET /cgi-bin/user/info`.
pub(crate) fn info(account: &Account, call: &Call<'_>) -> Result<Value, Fault> {
    let open_id = call.parameter("openid").unwrap_or_default();
    let customer = account.customer(&open_id).ok_or(answer::OPEN_ID)?;
    if !customer.following {
        return Ok(json!({ "subscribe": 0, "openid": open_id }));
    }
    // The group is the first tag; it is what tags were before they were many.
    let group = customer.tags.first().copied().unwrap_or(0);
    Ok(json!({
        "subscribe": 1, "openid": open_id, "nickname": "", "sex": 0, "language": "zh_CN",
        "city": "", "province": "", "country": "", "headimgurl": "",
        "subscribe_time": customer.came.at_ms / 1_000, "remark": customer.remark,
        "groupid": group, "tagid_list": customer.tags,
        "subscribe_scene": customer.came.way, "qr_scene": 0,
        "qr_scene_str": customer.came.scene,
    }))
}

/// `POST /cgi-bin/user/info/updateremark`. Which code a long remark is refused with nobody
/// has documented.
pub(crate) fn remark(account: &mut Account, body: &[u8]) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let open_id = body.get("openid").and_then(Value::as_str);
    let customer = open_id.and_then(|open_id| account.customer_mut(open_id));
    let customer = customer.ok_or(answer::OPEN_ID)?;
    let remark = body.get("remark").and_then(Value::as_str);
    let remark = remark.ok_or(answer::DATA_FORMAT)?;
    if remark.chars().count() >= REMARK {
        return Err(answer::TOO_LONG);
    }
    remark.clone_into(&mut customer.remark);
    Ok(ok())
}

/// `GET /cgi-bin/tags/get`.
pub(crate) fn tags(account: &Account) -> Value {
    let own = account.tags.own.iter();
    let all = std::iter::once(STAR).chain(own.map(|(id, name)| (*id, name.as_str())));
    let each: Vec<_> = all
        .map(|(id, name)| json!({ "id": id, "name": name, "count": having(account, id) }))
        .collect();
    json!({ "tags": each })
}

fn having(account: &Account, id: u32) -> usize {
    let people = account.customers.iter();
    people.filter(|one| one.tags.contains(&id)).count()
}

/// `POST /cgi-bin/tags/delete`.
pub(crate) fn delete(account: &mut Account, body: &[u8]) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let id = account.tags.own_id(&body)?;
    if having(account, id) > MANY {
        return Err(TOO_MANY_PEOPLE);
    }
    account.tags.own.retain(|(known, _)| *known != id);
    for customer in &mut account.customers {
        customer.tags.retain(|tag| *tag != id);
    }
    Ok(ok())
}

/// The people whom a call is about that is about several.
pub(super) fn named(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let list = body.get("openid_list").and_then(Value::as_array);
    let list = list.into_iter().flatten().take(AT_ONCE);
    list.filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// `POST /cgi-bin/tags/members/batchtagging` and `…/batchuntagging`. `known` are those of
/// the list who follow any account.
pub(crate) fn tag(
    account: &mut Account,
    body: &[u8],
    known: &BTreeSet<String>,
    on: bool,
) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let list = body.get("openid_list").and_then(Value::as_array);
    let list = list.ok_or(LIST_SIZE)?;
    if !(1..=AT_ONCE).contains(&list.len()) {
        return Err(LIST_SIZE);
    }
    let id = number(body.get("tagid")).ok_or(NO_TAG)?;
    if !account.tags.knows(id) {
        return Err(NO_TAG);
    }
    let mut people = Vec::new();
    for open_id in list {
        let open_id = open_id.as_str().ok_or(answer::OPEN_ID)?;
        let customer = account
            .customer(open_id)
            .ok_or(if known.contains(open_id) {
                ANOTHERS
            } else {
                answer::OPEN_ID
            })?;
        if on && customer.tags.len() >= TAGS_OF_ONE && !customer.tags.contains(&id) {
            return Err(TAGGED_ENOUGH);
        }
        people.push(open_id.to_owned());
    }
    for open_id in people {
        if let Some(customer) = account.customer_mut(&open_id) {
            customer.tags.retain(|tag| *tag != id);
            customer.tags.extend(on.then_some(id));
        }
    }
    Ok(ok())
}
