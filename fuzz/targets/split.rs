//! An agent's words, cut into the parts that WeChat takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::faces;
use magpie::wechat::split::split;

fuzz_target!(|text: &str| {
    let _ = faces::shown(text);
    let Ok(parts) = split(text) else {
        return;
    };
    assert!((1..=5).contains(&parts.len()));
    for part in &parts {
        assert!(!part.contains("<a ") && !part.contains("</a>"));
        assert!((1..=2048).contains(&part.len()));
    }
    // Nothing is lost but white space where it was cut and what WeChat does not take.
    let bare = |text: &str| -> String {
        let kept = |c: &char| !c.is_whitespace() && !c.is_control() && *c != '\u{200b}';
        text.chars().filter(kept).collect()
    };
    let total = parts.len();
    let said = parts.iter().enumerate().map(|(index, part)| {
        let number = format!("({}/{total}) ", index + 1);
        if total == 1 {
            part
        } else {
            part.strip_prefix(&number).unwrap()
        }
    });
    assert_eq!(bare(&said.collect::<String>()), bare(text));
});
