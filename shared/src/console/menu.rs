//! The account's menu: what WeChat has of it, and another one instead.
//!
//! Invariant: nothing goes to WeChat that is against its limits.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::{Answered, Fault, Problem, Refusal, empty, json};
use super::{Call, channels};
use crate::bridge::account::Unanswered;
use crate::menu::{ConditionalMenu, Flaw, Menu};
use crate::message::ChannelId;
use crate::wechat::account::{Ask, Denied, Done, MenuMade, Menus, NO_MENU};

/// The menu of a body, or everything that is wrong with it.
fn read<T>(
    call: &Call<'_>,
    read: impl FnOnce(Map<String, Value>) -> Result<T, Vec<Flaw>>,
) -> Result<T, Refusal> {
    let fault = |flaw: Flaw| Fault::new(flaw.place, flaw.zh, flaw.en);
    read(call.fields()?.unread())
        .map_err(|flaws| Problem::fields(flaws.into_iter().map(fault).collect()).into())
}

/// `GET /api/channels/{id}/menu`.
pub(super) async fn get(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Shown {
        menu: Option<Value>,
        conditional: Vec<Value>,
    }
    let channel = channels::there(call.bridge, id).await?;
    let asked: Result<Menus, _> = call.bridge.ask_of_account(&channel, &Ask::menus()).await;
    let shown = match asked {
        Ok(menus) => Shown {
            menu: Some(tidy(menus.menu)),
            conditional: menus.conditional.into_iter().map(tidy).collect(),
        },
        Err(Unanswered::Denied(Denied::Refused { code: NO_MENU, .. })) => Shown {
            menu: None,
            conditional: Vec::new(),
        },
        Err(other) => return Err(other.into()),
    };
    json(StatusCode::OK, &shown)
}

/// `PUT /api/channels/{id}/menu`.
pub(super) async fn put(call: &Call<'_>, id: &ChannelId) -> Answered {
    let menu = read(call, Menu::read)?;
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::menu(&menu);
    let Done {} = call.bridge.ask_of_account(&channel, &ask).await?;
    tracing::info!(channel = %id, "the account's menu was set");
    Ok(empty())
}

/// `DELETE /api/channels/{id}/menu`: the conditional ones go with it.
pub(super) async fn delete(call: &Call<'_>, id: &ChannelId) -> Answered {
    let channel = channels::there(call.bridge, id).await?;
    let asked: Result<Done, _> = call.bridge.ask_of_account(&channel, &Ask::no_menu()).await;
    match asked {
        Ok(Done {}) => tracing::info!(channel = %id, "the account's menu was deleted"),
        // There was none, as it should be.
        Err(Unanswered::Denied(Denied::Refused { code: NO_MENU, .. })) => {}
        Err(other) => return Err(other.into()),
    }
    Ok(empty())
}

/// `POST /api/channels/{id}/menu/check`: WeChat is not asked.
pub(super) async fn check(call: &Call<'_>, id: &ChannelId) -> Answered {
    read(call, Menu::read)?;
    channels::there(call.bridge, id).await?;
    Ok(empty())
}

/// `POST /api/channels/{id}/menu/conditional`.
pub(super) async fn add(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Added {
        menuid: String,
    }
    let menu = read(call, ConditionalMenu::read)?;
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::conditional_menu(&menu);
    let made: MenuMade = call.bridge.ask_of_account(&channel, &ask).await?;
    let menuid = text(made.menuid);
    tracing::info!(channel = %id, menuid, "a conditional menu was added");
    json(StatusCode::CREATED, &Added { menuid })
}

/// `DELETE /api/channels/{id}/menu/conditional/{menuid}`.
pub(super) async fn remove(call: &Call<'_>, id: &ChannelId, menuid: &str) -> Answered {
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::no_conditional_menu(menuid);
    let Done {} = call.bridge.ask_of_account(&channel, &ask).await?;
    tracing::info!(channel = %id, menuid, "a conditional menu was deleted");
    Ok(empty())
}

/// The id of a conditional menu in an address: a number.
pub(super) fn menu_id(part: &str) -> Option<String> {
    let fits = (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| part.to_owned())
}

/// An id that WeChat writes as a text here and as a number there.
fn text(id: Value) -> String {
    match id {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A menu as it would be set: without the empty lists that WeChat adds, its id a text.
fn tidy(mut menu: Value) -> Value {
    if let Some(id) = menu.get_mut("menuid") {
        *id = text(id.take()).into();
    }
    let buttons = menu.get_mut("button").and_then(Value::as_array_mut);
    for button in buttons.into_iter().flatten() {
        let Some(fields) = button.as_object_mut() else {
            continue;
        };
        let opens = fields.get_mut("sub_button").map(|sub| {
            // WeChat wraps them in another list of theirs.
            if let Some(list) = sub.get_mut("list") {
                *sub = list.take();
            }
            let list = sub.as_array_mut();
            list.is_some_and(|list| {
                for one in list.iter_mut().filter_map(Value::as_object_mut) {
                    one.remove("sub_button");
                }
                !list.is_empty()
            })
        });
        if opens == Some(false) {
            fields.remove("sub_button");
        }
    }
    menu
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_wechat_has_is_shown_as_it_would_be_set() {
        let leaf = |sub: Value| {
            let mut one = json!({ "type": "click", "name": "a", "key": "k" });
            if !sub.is_null() {
                one["sub_button"] = sub;
            }
            one
        };
        let bare = leaf(Value::Null);
        let opens = json!({ "name": "b", "sub_button": [bare] });
        for (kept, expected) in [
            (leaf(json!([])), &bare),
            (
                json!({ "name": "b", "sub_button": [leaf(json!([]))] }),
                &opens,
            ),
            (
                json!({ "name": "b", "sub_button": { "list": [bare] } }),
                &opens,
            ),
        ] {
            let shown = tidy(json!({ "button": [kept], "menuid": 208_396_938 }));
            assert_eq!(
                shown,
                json!({ "button": [expected], "menuid": "208396938" })
            );
        }
        assert_eq!(
            tidy(json!({ "button": 1, "menuid": "7" })),
            json!({ "button": 1, "menuid": "7" })
        );
    }
}
