//! A call of a webhook desk that is signed right, with any body.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use magpie::desk::Desk;
use magpie::desk::webhook::{Webhook, secret, sign};
use magpie::moment::Moment;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fuzz_target!(|body: &[u8]| {
    let now = Moment::from_seconds(1_795_000_000);
    let time = now.seconds().to_string();
    let signature = sign(&secret(SECRET).unwrap(), "msg_1", &time, body);
    let signature = format!("v1,{}", STANDARD.encode(signature));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &time),
        ("webhook-signature", &signature),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let secrets = [SECRET.to_owned()];
    let desk = Desk::Webhook(Webhook::new("https://desk.example/hook", &secrets).unwrap());
    let _ = desk.receive(&headers, body, now);
    headers.remove("webhook-signature");
    assert!(desk.receive(&headers, body, now).is_err());
});
