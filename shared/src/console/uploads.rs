//! Files that agents are going to send: where they are brought first.
//!
//! A gateway in AWS passes on six megabytes at the most, and files are larger: they are
//! brought to where they will lie.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use url::Url;

use super::Call;
use super::answers::of_the_inbox;
use super::conversations::find;
use super::problem::{Answered, Problem, json};
use crate::media::{Format, Sort};
use crate::message::CustomerId;
use crate::reason::Reason;
use crate::rich::NAME;

/// `POST /api/conversations/{customer_id}/files`.
pub(super) async fn begin(call: &Call<'_>, customer: &CustomerId) -> Answered {
    #[derive(Serialize)]
    struct Way {
        method: &'static str,
        url: String,
        headers: BTreeMap<&'static str, String>,
    }
    #[derive(Serialize)]
    struct Begun {
        file: String,
        #[serde(rename = "type")]
        mime: &'static str,
        upload: Way,
    }
    let most = u32::try_from(Sort::File.cap()).unwrap_or(u32::MAX);
    let mut fields = call.fields()?;
    let name = fields.parsed(
        "name",
        |name| ((1..=NAME).contains(&name.chars().count())).then(|| name.to_owned()),
        "应为 1 到 128 个字符的文件名",
        "it is the name of a file, 1 to 128 characters",
    );
    // None is as long as nothing.
    let size = fields.number("size", 1..=most, 0);
    if size == 0 && !fields.is_faulty("size") {
        fields.fault("size", "缺少此字段", "it is missing");
    }
    fields.done()?;
    let known = find(call.bridge, customer).await?;
    of_the_inbox(&known)?;
    let format = name.as_deref().and_then(Format::named);
    let format = format.ok_or_else(|| Problem::unsendable(Reason::FileNotTaken))?;
    let base = Url::parse(&call.outside()).ok();
    let whose = (&known.conversation.customer, known.channel.as_ref());
    let door = call.bridge.door(whose, format, size.into(), base.as_ref());
    let Some((place, door)) = door.await? else {
        return Err(Problem::conflict(
            "no_files",
            "此部署不保存文件：请改用文字。",
            "This deployment keeps no files: use text instead.",
        )
        .into());
    };
    let begun = Begun {
        file: place.file().to_owned(),
        mime: format.mime(),
        upload: Way {
            method: "PUT",
            url: door.url.into(),
            headers: door.headers.into_iter().collect(),
        },
    };
    json(StatusCode::CREATED, &begun)
}
