//! What an agent says here, as a call of the API has it: words, or a kind with its fields.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::problem::{Problem, Refusal};
use super::{Call, wrong};
use crate::bridge::Bridge;
use crate::channel::Channel;
use crate::message::CustomerId;
use crate::reason::Reason;
use crate::rich::{Choice, Draft, File, Manner, Page, Rich, Saying};

/// What was said, before its files were looked for.
pub(super) struct Written {
    saying: Saying,
    draft: Option<Draft>,
    /// The names of files that were brought to the conversation.
    brought: BTreeMap<&'static str, String>,
}

/// Reads what is said. Faults are noted with the fields.
pub(super) fn read(fields: &mut Fields) -> Result<Written, Refusal> {
    let kind = fields.text("kind").unwrap_or_default();
    let kf_account = fields.maybe_parsed(
        "kf_account",
        |text| Manner::is_kf_account(text).then(|| text.to_owned()),
        "应为 名称@公众号，最多 30 个字符",
        "it is name@account, at most 30 characters",
    );
    let mut saying = Saying {
        agent: agent(fields),
        manner: Manner {
            kf_account,
            ai: fields.flag("ai"),
            agent: None,
        },
        ..Saying::default()
    };
    if kind == "text" || fields.is_faulty("kind") {
        saying.words = fields.text("text");
        return Ok(Written {
            saying,
            draft: None,
            brought: BTreeMap::new(),
        });
    }
    let known = Draft::KINDS.iter().find(|(known, _)| *known == kind);
    let Some((_, names)) = known else {
        return Err(Problem::unsendable(Reason::UnsupportedKind).into());
    };
    let mut brought = BTreeMap::new();
    let mut draft = Draft {
        kind,
        ..Draft::default()
    };
    // What is of another kind is left, and is a field that nobody knows.
    for name in *names {
        match *name {
            "media" => draft.media = file(fields, "media", &mut brought),
            "thumb" => draft.thumb = file(fields, "thumb", &mut brought),
            "choices" => draft.choices = choices(fields),
            "data" => draft.data = fields.texts("data"),
            "mini_program" => draft.mini_program = page(fields),
            name => *draft.text_mut(name) = fields.maybe_text(name),
        }
    }
    let is_question = draft.kind == "choice";
    saying.words = draft
        .text
        .clone()
        .filter(|text| !is_question && !text.trim().is_empty());
    Ok(Written {
        saying,
        draft: Some(draft),
        brought,
    })
}

/// The agent's name.
fn agent(fields: &mut Fields) -> Option<String> {
    let mut given = fields.maybe_object("agent")?;
    let name = given.maybe_text("name");
    fields.close(given);
    name
}

/// A file: `{"file"}` of one that was brought to the conversation, `{"url"}` or `{"media_id"}`.
fn file(
    fields: &mut Fields,
    field: &'static str,
    brought: &mut BTreeMap<&'static str, String>,
) -> Option<File> {
    let mut given = fields.maybe_object(field)?;
    let [named, url, media_id] = ["file", "url", "media_id"].map(|name| given.maybe_text(name));
    fields.close(given);
    let all = [&named, &url, &media_id];
    if all.into_iter().flatten().count() != 1 {
        fields.fault(
            field,
            "应恰有 file、url、media_id 之一",
            "it has one of file, url and media_id",
        );
        return None;
    }
    if let Some(name) = named {
        brought.insert(field, name);
        return None;
    }
    media_id.map(File::MediaId).or(url.map(File::Url))
}

/// A page of a mini-program: `{"app_id", "path"}`.
pub(super) fn page(fields: &mut Fields) -> Option<Page> {
    let mut given = fields.maybe_object("mini_program")?;
    let [app_id, path] = ["app_id", "path"].map(|name| given.maybe_text(name));
    fields.close(given);
    Some(Page { app_id, path })
}

fn choices(fields: &mut Fields) -> Vec<Choice> {
    let mut read = Vec::new();
    for mut given in fields.objects("choices").unwrap_or_default() {
        let choice = (given.text("id"), given.text("text"));
        fields.close(given);
        if let (Some(id), Some(text)) = choice {
            read.push(Choice { id, text });
        }
    }
    read
}

impl Written {
    /// What is said, with the files that were brought for this customer.
    pub(super) async fn said(
        self,
        call: &Call<'_>,
        customer: &CustomerId,
        channel: &Channel,
    ) -> Result<Saying, Refusal> {
        let Self {
            mut saying,
            draft,
            brought,
        } = self;
        let Some(mut draft) = draft else {
            return Ok(saying);
        };
        for (field, name) in brought {
            let file = found(call.bridge, customer, channel, field, &name).await?;
            match field {
                "media" => draft.media = Some(file),
                _ => draft.thumb = Some(file),
            }
        }
        match draft.read() {
            None => return Err(Problem::unsendable(Reason::UnsupportedKind).into()),
            Some(Err(wrongs)) => {
                let faults = wrongs
                    .into_iter()
                    .map(|w| super::problem::Fault::new(w.field, w.zh, w.en));
                return Err(Problem::fields(faults.collect()).into());
            }
            Some(Ok(rich)) => saying.rich = Some(rich),
        }
        check(&saying)?;
        Ok(saying)
    }
}

/// What cannot arrive is said at once, where it is known.
fn check(saying: &Saying) -> Result<(), Refusal> {
    use crate::wechat::upload::Role;
    let role = match &saying.rich {
        Some(Rich::Image { .. }) => Role::Image,
        Some(Rich::Voice { .. }) => Role::Voice,
        Some(Rich::Video { .. }) => Role::Video,
        _ => return Ok(()),
    };
    let file = saying.rich.as_ref().and_then(Rich::file);
    let Some(File::Kept { place, size }) = file else {
        return Ok(());
    };
    if role.fits(place.format(), *size) {
        Ok(())
    } else {
        Err(Problem::unsendable(Reason::FileNotTaken).into())
    }
}

async fn found(
    bridge: &Bridge,
    customer: &CustomerId,
    channel: &Channel,
    field: &'static str,
    name: &str,
) -> Result<File, Refusal> {
    let brought = bridge.brought_file(customer, channel, name).await?;
    let Some(brought) = brought else {
        return Err(wrong(
            field,
            "没有这个文件：请先上传",
            "there is no such file: bring it first",
        ));
    };
    if !brought.fits {
        return Err(Problem::unsendable(Reason::FileNotTaken).into());
    }
    Ok(File::Kept {
        place: brought.place,
        size: brought.size,
    })
}
