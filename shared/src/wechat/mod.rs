//! WeChat's protocol: the callback, its envelopes and pushes, and the calls
//! that we make.
//!
//! Invariant: nothing here knows the store or a desk.
//! Protocol: <https://developers.weixin.qq.com/doc/offiaccount/>

pub mod account;
pub mod api;
pub mod callback;
pub mod callers;
pub mod codes;
pub mod crypto;
pub mod document;
mod json;
pub mod media;
pub mod notices;
pub mod people;
pub mod push;
pub mod refusals;
pub mod reply;
pub mod send;
pub mod split;
pub mod upload;
mod xml;
