//! A WeChat of our own: its API, its pushes, and phones in the browser.
//!
//! It is strict where the real one is: token lives and rotation, window and
//! count, bytes, charset, signatures, the five seconds of a callback and its
//! three retries. [`WeChat`] decides, without clock, chance or IO, so that a
//! simulation can drive it; [`Simulator`] is the shell around it that delivers
//! pushes over HTTP and shows phones on a page.
//!
//! What is simulated and what is not: text and `msgmenu` towards customers;
//! text, follows, menus and scans from them; the account's menu, its QR codes and
//! quotas, though a customer taps and scans what never was made. There is no media,
//! so that every media id is a wrong one.
//!
//! What can go wrong on WeChat's side can be ordered: [`WeChat::order`] for the
//! next calls of a path, [`WeChat::set_kind`], [`WeChat::set_limits`] and
//! [`WeChat::allow_addresses`] for an account. [`WeChat::sights`] tells what
//! WeChat saw and did.

mod account;
mod act;
mod allowance;
mod answer;
mod api;
mod call;
mod code;
mod controls;
mod customer;
mod delivery;
mod door;
mod kind;
mod menu;
mod mint;
mod mishap;
mod openapi;
mod page;
mod path;
mod push;
mod qrcode;
mod quota;
mod refusal;
mod reply;
mod send;
mod sight;
mod token;
mod treatment;
mod view;
mod wechat;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountSettings, BadSettings, Connection, Mode};
pub use act::{Act, Refused};
pub use answer::Answer;
pub use call::Call;
pub use customer::{Bubble, Choice, Content, Customer, Note, PushState, Stage};
pub use delivery::{Courier, Simulator};
pub use kind::Kind;
pub use mishap::{BadMishap, Mishap, Ordered, Trouble};
pub use page::router;
pub use path::ApiPath;
pub use push::{Callback, Handshake};
pub use quota::Limits;
pub use reply::{Invalid, Reply};
pub use sight::{Event, Outcome, Sight, Try};
pub use treatment::{End, Treatment};
pub use wechat::{Seen, WeChat};
