//! Magpie joins a WeChat Official Account to the desk where agents work.
//!
//! In reading order: what is said ([`message`], [`content`], [`event`], [`fields`],
//! [`faces`], [`lines`], [`opens`], [`moment`], [`reason`], [`reply`], [`rich`], [`notice`],
//! [`menu`], [`qrcode`], [`people`]), who says it ([`channel`], [`fallback`], [`conversation`]), how it
//! is kept and in which order ([`journal`], [`window`], [`delivery`],
//! [`lane`]), what belongs to it ([`media`]), what was done with it ([`tally`]); then the two sides ([`wechat`], [`desk`]), the state
//! ([`store`], [`storage`], [`secrets`]), the verbs that join them ([`bridge`],
//! [`console`]), and the edges ([`clock`], [`http`], [`config`],
//! [`invoke`], [`telemetry`]).

pub mod content;
pub mod event;
pub mod faces;
pub mod fields;
pub mod lines;
pub mod menu;
pub mod message;
pub mod moment;
pub mod notice;
pub mod opens;
pub mod people;
pub mod qrcode;
pub mod reason;
pub mod reply;
pub mod rich;
pub mod standing;

pub mod channel;
pub mod conversation;
pub mod delivery;
pub mod fallback;
pub mod journal;
pub mod lane;
pub mod media;
pub mod tally;
pub mod window;

pub mod desk;
pub mod wechat;

pub mod secrets;
pub mod storage;
pub mod store;

pub mod bridge;
pub mod console;

pub mod clock;
pub mod config;
pub mod http;
pub mod invoke;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod telemetry;

#[cfg(all(test, feature = "embedded"))]
pub(crate) mod testing;
