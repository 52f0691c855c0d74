//! A WeChat of our own: its API, its pushes, and phones in the browser.
//!
//! It is strict where the real one is: token lives and rotation, window and
//! count, bytes, charset, signatures, the five seconds of a callback and its
//! three retries. [`WeChat`] decides, without clock, chance or IO, so that a
//! simulation can drive it; [`Simulator`] is the shell around it that delivers
//! pushes over HTTP and shows phones on a page.
//!
//! What is simulated and what is not: every type of `custom/send` towards
//! customers; text, pictures, recordings, films, places, links, follows, menus
//! and scans from them. Media last three days, but not over a restart; there is
//! no permanent material but what [`WeChat::publish`] makes.
//! Notices go out by the templates that [`WeChat::add_template`] gives an account.
//! The account's menu, its QR codes and quotas are there, though a customer taps and
//! scans what never was made.
//!
//! What can go wrong on WeChat's side can be ordered: [`WeChat::order`] for the
//! next calls of a path, [`WeChat::set_kind`], [`WeChat::set_limits`] and
//! [`WeChat::allow_addresses`] for an account. [`WeChat::sights`] tells what
//! WeChat saw and did.

mod account;
mod act;
mod acting;
mod allowance;
mod answer;
mod api;
mod article;
mod attachment;
mod call;
mod carried;
mod code;
mod content;
mod controls;
mod customer;
mod delivery;
mod door;
mod files;
mod format;
mod kind;
mod media;
mod menu;
mod mint;
mod mishap;
mod multipart;
mod notices;
mod openapi;
mod page;
mod path;
mod people;
mod push;
mod qrcode;
mod quota;
mod refusal;
mod reply;
mod send;
mod sight;
mod token;
mod treatment;
mod upload;
mod view;
mod wechat;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountSettings, BadSettings, Connection, Mode};
pub use act::{Act, Refused};
pub use answer::Answer;
pub use article::Article;
pub use attachment::{Attachment, Shown};
pub use call::Call;
pub use customer::{Bubble, Choice, Content, Customer, Note, PushState, Stage};
pub use delivery::{Courier, Simulator};
pub use kind::Kind;
pub use media::{Maker, Media, MediaKind};
pub use mishap::{BadMishap, Mishap, Ordered, Trouble};
pub use notices::Template;
pub use page::router;
pub use path::ApiPath;
pub use push::{Callback, Handshake};
pub use quota::Limits;
pub use reply::{Invalid, Reply};
pub use sight::{Event, Outcome, Sight, Try};
pub use treatment::{End, Treatment};
pub use wechat::{Seen, WeChat};
