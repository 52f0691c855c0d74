//! `magpie doctor`: everything between WeChat and the desks is looked at, on this
//! machine or in a stack, and each line says that it is right or what to do.
//!
//! Invariant: nothing is changed, no customer's message is read and no secret
//! printed. What only a Magpie that runs can know (what WeChat says to its address)
//! is asked of it, over the API's own check; the admin key goes to nobody else.

mod api;
mod callback;
mod cloud;
mod here;

use std::error::Error;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;
use magpie::bridge::check::{Finding, OK, Whose, Words, check, check_secret};
use magpie::bridge::verify::Probe;
use magpie::bridge::{Bridge, Broken};
use magpie::channel::Channel;
use magpie::clock::{Chance, Clock};
use magpie::config::Wrong;
use magpie::message::ChannelId;
use magpie::secrets::Secrets;

use super::stack::Stack;
use crate::machine;
use crate::print;
use crate::settings::{self, Settings};
use api::Api;
use callback::Callback;

/// How many channels are looked at at once: each may wait for three others.
const AT_ONCE: usize = 8;

/// What is looked at.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Looks at this channel alone
    #[arg(long)]
    channel: Option<String>,
    #[command(flatten)]
    stack: Stack,
}

/// Who is asked how the channels fare.
enum Asked {
    /// The Magpie that runs; where its secrets lie; its channels.
    Running(Box<Api>, Secrets, Vec<ChannelId>),
    /// One runs and its API cannot be asked: where its secrets lie, and its channels.
    Unheard(Secrets, Vec<ChannelId>),
    /// None runs, and this process stands in for it: a bridge with its secrets and no
    /// store; its channels.
    StandIn(Box<Bridge>, Vec<Channel>),
    /// One should run and cannot be asked: what is kept is all that can be seen.
    Kept(Box<Bridge>, Vec<ChannelId>),
}

impl Asked {
    fn secrets(&self) -> &Secrets {
        match self {
            Self::Running(_, secrets, _) | Self::Unheard(secrets, _) => secrets,
            Self::StandIn(bridge, _) | Self::Kept(bridge, _) => &bridge.secrets,
        }
    }

    /// The channels that are to be looked at. A Magpie that runs is asked for the one
    /// that is named, known or not.
    fn channels(&self, only: Option<&ChannelId>) -> Vec<ChannelId> {
        let mut ids = match (self, only) {
            (Self::Running(..), Some(only)) => vec![only.clone()],
            (Self::Running(_, _, ids) | Self::Unheard(_, ids) | Self::Kept(_, ids), _) => {
                ids.clone()
            }
            (Self::StandIn(_, channels), _) => channels.iter().map(|one| one.id.clone()).collect(),
        };
        ids.retain(|id| only.is_none_or(|only| only == id));
        ids
    }
}

/// What was found so far.
#[derive(Default)]
struct Report {
    right: usize,
    wrong: usize,
}

impl Report {
    /// Tells a finding about something. Says whether it is right.
    fn tell(&mut self, of: &str, found: &Finding) -> bool {
        let count = if found.ok {
            &mut self.right
        } else {
            &mut self.wrong
        };
        *count += 1;
        print::finding(of, found);
        found.ok
    }

    fn end(&self) -> bool {
        let Self { right, wrong } = self;
        let all = right + wrong;
        print::said(&match wrong {
            0 => format!("All {all} checks are right. {all} 项检查全部正常。"),
            _ => format!(
                "{wrong} of {all} checks say what to do. {all} 项检查中有 {wrong} 项需要处理。"
            ),
        });
        *wrong == 0
    }
}

/// Looks at everything. Says whether all is right.
pub(crate) async fn doctor(flags: settings::Flags, own: Flags) -> Result<bool, Wrong> {
    let Wishes {
        settings,
        stack,
        only,
    } = wishes(flags, &own)?;
    let here = machine::url(settings.listen)
        .map_err(|_| Wrong(vec!["MAGPIE_LISTEN is no address of a URL".to_owned()]))?;
    let base = settings.public_url.clone().unwrap_or_else(|| here.clone());
    let callback = Callback::at(base.clone(), &settings.allowed);
    let mut report = Report::default();
    let (asked, way) = if let Some(stack) = stack {
        let (bridge, key) = cloud::look(&stack, &mut report).await;
        let way = outside(&callback, &mut report).await;
        // Before it is known who answers, the admin key stays here.
        let key = key.filter(|_| way == Way::Trusted);
        let asked = cloud::ask(bridge, key, &base, &mut report).await;
        (asked, way)
    } else {
        let asked = here::look(&settings, here, &mut report).await;
        let way = outside(&callback, &mut report).await;
        (asked, way)
    };
    if let Some(asked) = &asked {
        let ids = asked.channels(only.as_ref());
        if ids.is_empty() {
            let (of, words) = match &only {
                Some(only) => (only.as_str(), NO_SUCH),
                None => ("magpie", NO_CHANNEL),
            };
            report.tell(of, &Finding::new("channel", words));
        }
        let callback = Some(&callback).filter(|_| way != Way::Closed);
        let mut looks = stream::iter(&ids)
            .map(|id| async move { (id, channel(asked, callback, id).await) })
            .buffered(AT_ONCE);
        while let Some((id, all)) = looks.next().await {
            for found in &all {
                report.tell(id.as_str(), found);
            }
        }
    }
    Ok(report.end())
}

const NO_SUCH: Words<'static> = (
    "unknown_channel",
    "没有这个渠道：请检查 --channel。",
    "There is no such channel: check --channel.",
);
const NO_CHANNEL: Words<'static> = (
    OK,
    "还没有渠道：请在 /console/channels/new 接入。",
    "There is no channel yet: connect one at /console/channels/new.",
);
const NOT_ASKED: Words<'static> = (
    "not_asked",
    "未检查接口凭证和客服系统：只有部署本身从其地址访问。请先解决上面的问题。",
    "Neither WeChat nor the desk was asked, since only the stack calls from its address: mend \
     what stands above first.",
);

/// What is wished, all of it right.
struct Wishes {
    settings: Settings,
    stack: Option<magpie::config::Settings>,
    only: Option<ChannelId>,
}

fn wishes(flags: settings::Flags, own: &Flags) -> Result<Wishes, Wrong> {
    let mut wrong = Vec::new();
    let settings = Settings::read(flags.without_demo());
    let stack = own.stack.is_meant().then(|| own.stack.settings());
    let nowhere = |settings: &Settings| settings.public_url.is_none();
    if stack.is_some() && settings.as_ref().is_ok_and(nowhere) {
        let missing = "MAGPIE_PUBLIC_URL is missing: where the stack is found, its output \
                       CallbackBase without the path";
        wrong.push(missing.to_owned());
    }
    let only = own.channel.as_deref().map(ChannelId::parse);
    if only == Some(None) {
        wrong.push("--channel is no channel's id such as shop-a".to_owned());
    }
    match (settings, stack.transpose()) {
        (Ok(settings), Ok(stack)) if wrong.is_empty() => Ok(Wishes {
            settings,
            stack,
            only: only.flatten(),
        }),
        (settings, stack) => {
            let faults = [settings.err(), stack.err()];
            wrong.extend(faults.into_iter().flatten().flat_map(|Wrong(more)| more));
            Err(Wrong(wrong))
        }
    }
}

/// How the way in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Magpie answers, at an address that WeChat would call.
    Trusted,
    /// Somebody answers.
    Open,
    /// Nobody answers, or somebody who keeps Magpie from it.
    Closed,
}

/// Looks at the way in, which all channels have in common.
async fn outside(callback: &Callback, report: &mut Report) -> Way {
    let address = report.tell("callback", &callback.address());
    let name = match callback.name().await {
        Some(name) => report.tell("callback", &name),
        None => true,
    };
    let door = callback.door().await;
    match report.tell("callback", &door) {
        true if address && name => Way::Trusted,
        true => Way::Open,
        // A handshake that is answered may still show that it is Magpie.
        false if door.code == callback::NOT_MAGPIE => Way::Open,
        false => Way::Closed,
    }
}

/// Looks at one channel.
async fn channel(asked: &Asked, callback: Option<&Callback>, id: &ChannelId) -> Vec<Finding> {
    let mut all = Vec::new();
    // A channel without a readable secret is told of below.
    if let (Some(callback), Ok(Some(kept))) = (callback, asked.secrets().channel(id).await) {
        let (now, nonce) = (Clock::System.now(), Chance::System.nonce());
        let probe = Probe::signed(&kept.token, now, &nonce);
        let only_wechat = kept.only_wechat_addresses;
        all.push(callback.handshake(id, &probe, only_wechat).await);
    }
    match asked {
        Asked::Running(api, ..) => match api.check(id).await {
            Ok(found) => all.extend(found),
            Err(found) => all.push(found),
        },
        // What its API would have said is told of once.
        Asked::Unheard(..) => {}
        Asked::StandIn(bridge, channels) => {
            if let Some(channel) = channels.iter().find(|one| one.id == *id) {
                match check(bridge, channel, Whose::Others).await {
                    Ok(found) => all.extend(found),
                    Err(error) => all.push(broken("channel", &error)),
                }
            }
        }
        Asked::Kept(bridge, _) => {
            all.push(Finding::new("token", NOT_ASKED));
            match kept(bridge, id).await {
                Ok(found) => all.extend(found),
                Err(error) => all.push(broken("channel", &error)),
            }
        }
    }
    all
}

/// Looks at what a stack keeps of a channel, if that is not being deleted.
async fn kept(bridge: &Bridge, id: &ChannelId) -> Result<Option<Finding>, Broken> {
    let channel = bridge.store.channel(id).await?;
    match channel.filter(|channel| !channel.deleted) {
        Some(channel) => Ok(Some(check_secret(bridge, &channel).await?)),
        None => Ok(None),
    }
}

/// What could not be looked at, and why.
fn broken(name: &str, error: &dyn Error) -> Finding {
    let why = chain(error);
    let words = (
        "unreadable",
        &*format!("无法读取，请检查区域、名称和凭证的权限：{why}。"),
        &*format!("It cannot be read: {why}. Check region, names, and what these credentials may."),
    );
    Finding::new(name, words)
}

/// An error and what has led to it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
