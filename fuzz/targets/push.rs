//! A push, XML or JSON, as it comes out of its envelope: everything that is made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::{lines, opens, wechat::push};

fuzz_target!(|document: &[u8]| {
    let Ok(push) = push::parse(document) else {
        return;
    };
    assert_eq!(push::identity(&push), push::identity(&push.clone()));
    let (_, _) = (push.place(), opens::opens(&push.body));
    let line = lines::line(&push.body);
    if push.body.content().is_none() || push.body.event().is_some() {
        // A line is for reading on the way; words are as long as they are.
        assert!(push.body.kind().word() == "text" || line.en.chars().count() < 1_000);
    }
    serde_json::to_string(&push.body.data()).unwrap();
});
