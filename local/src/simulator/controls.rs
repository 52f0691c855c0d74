//! The page's calls that change how WeChat behaves: what goes wrong, what an
//! account is and may do, who may ask for its tokens.
//!
//! Invariant: nothing is changed by a call that is not right as a whole.

use std::net::IpAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::code;
use super::delivery::Simulator;
use super::kind::Kind;
use super::mishap::Mishap;
use super::path::ApiPath;
use super::quota::Limits;
use super::refusal::{Refusal, parse};

/// The most addresses that an account's list takes.
const MOST_ADDRESSES: usize = 100;

/// The calls, by their paths.
pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/sim/codes", get(codes))
        .route("/sim/sights", get(sights))
        .route("/sim/order", post(order))
        .route("/sim/call-off", post(call_off))
        .route("/sim/kind", post(kind))
        .route("/sim/limits", post(limits))
        .route("/sim/addresses", post(addresses))
}

fn answer(value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}

/// Every code that can be ordered.
async fn codes() -> Response {
    let known = code::KNOWN.iter();
    let codes: Value = known
        .map(|fault| json!({"code": fault.code, "words": fault.words()}))
        .collect();
    answer(&codes)
}

/// All that WeChat saw, newest first.
async fn sights(State(simulator): State<Simulator>) -> Response {
    answer(&simulator.look(|wechat| wechat.sights().rev().map(|sight| json!(sight)).collect()))
}

async fn order(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mishap: Mishap = parse(&headers, &body)?;
    let id = simulator.with(|wechat| wechat.order(mishap))?;
    Ok(answer(&json!({"id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallOffBody {
    /// `null`: all orders.
    id: Option<u64>,
}

/// An order that is used up already is as good as called off.
async fn call_off(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: CallOffBody = parse(&headers, &body)?;
    simulator.with(|wechat| match body.id {
        Some(id) => {
            wechat.call_off(id);
        }
        None => wechat.call_off_all(),
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindBody {
    account: String,
    kind: Kind,
}

async fn kind(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: KindBody = parse(&headers, &body)?;
    simulator.with(|wechat| wechat.set_kind(&body.account, body.kind))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    account: String,
    call: ApiPath,
    a_day: Option<u32>,
    a_minute: Option<u32>,
}

async fn limits(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: LimitsBody = parse(&headers, &body)?;
    let limits = Limits {
        a_day: body.a_day,
        a_minute: body.a_minute,
    };
    simulator.with(|wechat| wechat.set_limits(&body.account, body.call, limits))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressesBody {
    account: String,
    addresses: Vec<String>,
}

async fn addresses(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let body: AddressesBody = parse(&headers, &body)?;
    if body.addresses.len() > MOST_ADDRESSES {
        let words = format!("addresses: at most {MOST_ADDRESSES}");
        return Err(Refusal::Wrong(words));
    }
    let mut addresses = Vec::new();
    for (at, text) in body.addresses.iter().enumerate() {
        let address: IpAddr = text.trim().parse().map_err(|_| {
            let number = at + 1;
            Refusal::Wrong(format!(
                "addresses: number {number} is no address such as 203.0.113.7"
            ))
        })?;
        addresses.push(address.to_canonical().to_string());
    }
    simulator.with(|wechat| wechat.allow_addresses(&body.account, addresses))?;
    Ok(StatusCode::NO_CONTENT)
}
