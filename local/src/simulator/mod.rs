//! A WeChat of our own: its API, its pushes, and phones in the browser.
//!
//! It is strict where the real one is: token lives and rotation, window and
//! count, bytes, charset, signatures, the five seconds of a callback and its
//! three retries. [`WeChat`] decides, without clock, chance or IO, so that a
//! simulation can drive it; [`Simulator`] is the shell around it that delivers
//! pushes over HTTP and shows phones on a page.
//!
//! What is simulated and what is not: text and `msgmenu` towards customers;
//! text, follows, menus and scans from them. There is no media, so that every
//! media id is a wrong one.

mod account;
mod allowance;
mod answer;
mod api;
mod call;
mod customer;
mod delivery;
mod mint;
mod page;
mod push;
mod reply;
mod send;
mod token;
mod view;
mod wechat;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountSettings, BadSettings, Connection, Mode};
pub use answer::Answer;
pub use call::Call;
pub use customer::{Bubble, Choice, Content, Customer, Note, PushState, Stage};
pub use delivery::{Courier, Simulator};
pub use page::router;
pub use push::{Act, Callback, Handshake, Refused};
pub use reply::{Invalid, Reply};
pub use wechat::{Seen, WeChat};
