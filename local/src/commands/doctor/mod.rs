//! `magpie doctor`: everything between WeChat and the desks is looked at, on this
//! machine or in a stack, and each line says that it is right or what to do.
//!
//! Invariant: nothing is changed, no customer's message is read and no secret
//! printed. What only a Magpie that runs can know (what WeChat says to its address)
//! is asked of it, over the API's own check.

mod api;
mod callback;
mod cloud;
mod here;

use clap::Args;
use magpie::bridge::check::{Finding, Words, check, check_secret};
use magpie::bridge::verify::Probe;
use magpie::bridge::{Bridge, Broken};
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
    /// The Magpie that runs, and where its secrets lie.
    Running(Api, Secrets),
    /// None runs: this process stands in for it.
    StandIn(Bridge),
    /// One should run and does not answer: what is kept is all that can be seen.
    Kept(Bridge),
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
        print::said(&match wrong {
            0 => format!("All {right} checks are right. {right} 项检查全部正常。"),
            _ => format!(
                "{wrong} of {} checks say what to do. {} 项检查中有 {wrong} 项需要处理。",
                wrong + right,
                wrong + right
            ),
        });
        *wrong == 0
    }
}

/// Looks at everything. Says whether all is right.
pub(crate) async fn doctor(flags: settings::Flags, own: Flags) -> Result<bool, Wrong> {
    let stack = own.stack.is_meant().then(|| own.stack.settings());
    let mut settings = Settings::read(flags);
    let mut wrong = Vec::new();
    if let Ok(settings) = &settings
        && stack.is_some()
        && settings.public_url.is_none()
    {
        let missing = "MAGPIE_PUBLIC_URL is missing: where the stack is found, its output \
                       CallbackBase without the path";
        wrong.push(missing.to_owned());
    }
    let only = own.channel.as_deref().map(ChannelId::parse);
    if only == Some(None) {
        wrong.push("--channel is no channel's id such as shop-a".to_owned());
    }
    if let Some(Err(Wrong(more))) = &stack {
        wrong.extend(more.clone());
    }
    if let Err(Wrong(more)) = &mut settings {
        wrong.append(more);
    }
    let settings = match settings {
        Ok(settings) if wrong.is_empty() => settings,
        _ => return Err(Wrong(wrong)),
    };
    let here = machine::url(settings.listen)
        .map_err(|_| Wrong(vec!["MAGPIE_LISTEN is no address of a URL".to_owned()]))?;
    let base = settings.public_url.clone().unwrap_or_else(|| here.clone());
    let mut report = Report::default();
    let asked = match stack {
        Some(Ok(stack)) => Some(cloud::look(&stack, &base, &mut report).await),
        _ => here::look(&settings, here, &mut report).await,
    };
    let callback = Callback::at(base, &settings.allowed);
    let open = outside(&callback, &mut report).await;
    if let Some(asked) = asked {
        match channels(&asked).await {
            Ok(ids) => {
                let only = only.flatten();
                let ids: Vec<_> = ids
                    .into_iter()
                    .filter(|id| only.as_ref().is_none_or(|only| only == id))
                    .collect();
                if let (Some(only), true) = (&only, ids.is_empty()) {
                    report.tell(only.as_str(), &Finding::new("channel", NO_SUCH));
                }
                for id in &ids {
                    channel(&asked, &callback, open, id, &mut report).await;
                }
            }
            Err(found) => {
                report.tell("magpie", &found);
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

/// Looks at the way in, which all channels have in common. Says whether it is open.
async fn outside(callback: &Callback, report: &mut Report) -> bool {
    report.tell("callback", &callback.address());
    if let Some(name) = callback.name().await
        && !report.tell("callback", &name)
    {
        return false;
    }
    report.tell("callback", &callback.door().await)
}

async fn channels(asked: &Asked) -> Result<Vec<ChannelId>, Finding> {
    let bridge = match asked {
        Asked::Running(api, _) => return api.channels().await,
        Asked::StandIn(bridge) | Asked::Kept(bridge) => bridge,
    };
    let ids = bridge.store.channel_ids().await;
    ids.map_err(|error| broken("channels", &error.into()))
}

/// Looks at one channel.
async fn channel(
    asked: &Asked,
    callback: &Callback,
    open: bool,
    id: &ChannelId,
    report: &mut Report,
) {
    let of = id.as_str();
    if open {
        let secrets = match asked {
            Asked::Running(_, secrets) => secrets,
            Asked::StandIn(bridge) | Asked::Kept(bridge) => &bridge.secrets,
        };
        // A channel without a readable secret is told of below.
        if let Ok(Some(kept)) = secrets.channel(id).await {
            let (now, nonce) = (Clock::System.now(), Chance::System.nonce());
            let probe = Probe::signed(&kept.token, now, &nonce);
            report.tell(of, &callback.handshake(id, &probe).await);
        }
    }
    let found = match asked {
        Asked::Running(api, _) => api.check(id).await.unwrap_or_else(|found| vec![found]),
        Asked::StandIn(bridge) => inside(bridge, id, true).await,
        Asked::Kept(bridge) => inside(bridge, id, false).await,
    };
    for found in &found {
        report.tell(of, found);
    }
}

/// Looks at a channel in this process.
async fn inside(bridge: &Bridge, id: &ChannelId, ask: bool) -> Vec<Finding> {
    let look = async {
        let channel = bridge.store.channel(id).await?;
        let Some(channel) = channel.filter(|channel| !channel.deleted) else {
            return Ok(Vec::new());
        };
        Ok(if ask {
            check(bridge, &channel).await?.to_vec()
        } else {
            vec![check_secret(bridge, &channel).await?]
        })
    };
    look.await
        .unwrap_or_else(|error: Broken| vec![broken("channel", &error)])
}

/// What could not be looked at, and why.
fn broken(name: &str, error: &Broken) -> Finding {
    let words = (
        "unreadable",
        &*format!("无法读取：{error}。"),
        &*format!("It cannot be read: {error}."),
    );
    Finding::new(name, words)
}
